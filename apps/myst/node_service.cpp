#include "apps/myst/node_service.hpp"

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"
#include "drivers/config/toml.hpp"
#include "platform/log/log.hpp"
#include "platform/system/files.hpp"

namespace myst::app {
namespace {

rest::Failure failure(int status, const char* code, std::string message) {
  return rest::Failure{status, code, std::move(message)};
}

std::string sentence(const char* what, const Error& error) {
  return std::string(what) + ": " + error.what;
}

rest::Failure identity_failure(const Error& error, const char* code) {
  const int status = error.code == Errc::NotFound       ? 404
                     : error.code == Errc::Unauthorized ? 403
                                                        : 500;
  return failure(status, status == 404 ? "not_found" : code, error.what);
}

rest::Location to_rest(const discovery::LocationAnswer& answer) {
  rest::Location out;
  out.ip = answer.ip.to_string();
  out.asn = answer.location.asn;
  out.isp = answer.location.isp;
  out.continent = answer.location.continent;
  out.country = answer.location.country;
  out.region = answer.location.region;
  out.city = answer.location.city;
  out.ip_type = answer.location.ip_type;
  return out;
}

}  // namespace

NodeService::NodeService(Parts parts, Settings settings)
    : parts_(parts), settings_(std::move(settings)), started_(parts.loop.instant()) {
  origin_location([](const rest::Outcome<rest::Location>&) {});
}

// --- configuration

void NodeService::change_config(std::vector<rest::ConfigChange> changes,
                                rest::Done<rest::Nothing> done) {
  if (settings_.user_file.empty()) {
    done(failure(500, "err_config_save",
                 "The configuration file could not be read at start, so nothing is saved to it"));
    return;
  }
  for (rest::ConfigChange& change : changes) {
    if (!change.value) {
      parts_.config.remove_user_value(change.key);
      continue;
    }
    const Status set = parts_.config.set_user_value(change.key, std::move(*change.value));
    if (!set.ok()) {
      done(failure(400, "parse_failed", sentence(change.key.c_str(), set.error())));
      return;
    }
  }
  std::string text = config::write_toml(parts_.config.user());
  const Status queued = parts_.work.submit_for<Status>(
      [path = settings_.user_file, text = std::move(text)] {
        return platform::write_file_atomically(path, text, 0600);
      },
      [done](const Status& saved) {
        if (saved.ok()) {
          done(rest::Nothing{});
        } else {
          done(failure(500, "err_config_save", sentence("Failed to save config", saved.error())));
        }
      });
  if (!queued.ok()) done(failure(500, "err_config_save", "Too many changes at once"));
}

// --- identities

void NodeService::unlocked(const Address& id) {
  const Signer* signer = parts_.keystore.signer(id);
  if (signer == nullptr) return;
  // The key ring keeps the signer until the identity is locked, and tells the node before.
  std::shared_ptr<const Signer> shared(std::shared_ptr<void>(), signer);
  parts_.treasurer.unlocked(shared);
  parts_.executor.run(
      [&](core::Node& node, Now now) { node.handle_unlocked(now, std::move(shared)); });
  read_chain_of(id);
  if (changed_) changed_();
}

void NodeService::create_identity(std::string passphrase, rest::Done<Address> done) {
  const Status queued =
      parts_.keystore.create(passphrase, [this, done](const Result<Address>& made) {
        if (!made.ok()) {
          done(failure(500, "err_id_create", sentence("Failed to create identity", made.error())));
          return;
        }
        if (changed_) changed_();
        done(*made);
      });
  if (!queued.ok()) done(failure(500, "err_id_create", queued.error().what));
}

void NodeService::use_identity(std::optional<Address> id, std::string passphrase,
                               rest::Done<Address> done) {
  const Status queued = parts_.keystore.use_or_create(
      id, passphrase, [this, done](const Result<keystore::Keystore::Used>& used) {
        if (!used.ok()) {
          done(failure(500, "err_to_id_use_or_create", used.error().what));
          return;
        }
        unlocked(used->address);
        done(used->address);
      });
  if (!queued.ok()) done(failure(500, "err_to_id_use_or_create", queued.error().what));
}

void NodeService::unlock_identity(const Address& id, std::string passphrase,
                                  rest::Done<rest::Nothing> done) {
  const Status queued =
      parts_.keystore.unlock(id, passphrase, [this, id, done](const Result<bool>& fresh) {
        if (!fresh.ok()) {
          done(identity_failure(fresh.error(), "err_id_unlock"));
          return;
        }
        unlocked(id);
        done(rest::Nothing{});
      });
  if (!queued.ok()) done(failure(500, "err_id_unlock", queued.error().what));
}

void NodeService::import_identity(rest::ImportRequest request, rest::Done<Address> done) {
  const bool set_default = request.set_default;
  const Status queued = parts_.keystore.import_key(
      std::move(request.keystore_json), request.current_passphrase, request.new_passphrase,
      [this, set_default, done](const Result<Address>& id) {
        if (!id.ok()) {
          done(failure(id.error().code == Errc::Io ? 500 : 422, "err_id_import",
                       sentence("Failed to import identity", id.error())));
          return;
        }
        if (!set_default) {
          done(*id);
          return;
        }
        const Status remembering =
            parts_.keystore.remember(*id, [done](const Result<Address>& remembered) {
              if (remembered.ok()) {
                done(*remembered);
              } else {
                done(failure(500, "err_id_set_default", remembered.error().what));
              }
            });
        if (!remembering.ok()) {
          done(failure(500, "err_id_set_default", remembering.error().what));
        }
      });
  if (!queued.ok()) done(failure(500, "err_id_import", queued.error().what));
}

void NodeService::export_identity(const Address& id, std::string new_passphrase,
                                  rest::Done<std::string> done) {
  const Status queued =
      parts_.keystore.export_key(id, "", new_passphrase, [done](const Result<std::string>& json) {
        if (json.ok()) {
          done(*json);
        } else {
          done(identity_failure(json.error(), "err_id_export"));
        }
      });
  if (!queued.ok()) done(failure(500, "err_id_export", queued.error().what));
}

// --- this host

// There is no proxy at that port: nobody's address to tell.
bool NodeService::is_idle_proxy(int slot) const {
  return slot != 0 &&
         parts_.executor.node().connection(slot).state == core::node::ConnectionState::NotConnected;
}

void NodeService::public_ip(int slot, rest::Done<std::string> done) {
  if (is_idle_proxy(slot)) return done(failure(503, "unavailable", "No connection at this port"));
  parts_.facts.public_ip([done](const Result<IpAddress>& ip) {
    if (ip.ok()) {
      done(ip->to_string());
    } else {
      done(failure(503, "unavailable", sentence("Failed to detect the public IP", ip.error())));
    }
  });
}

void NodeService::location(int slot, rest::Done<rest::Location> done) {
  if (is_idle_proxy(slot)) return done(failure(503, "unavailable", "No connection at this port"));
  parts_.facts.location([done](const Result<discovery::LocationAnswer>& location) {
    if (location.ok()) {
      done(to_rest(*location));
    } else {
      done(
          failure(503, "unavailable", sentence("Failed to detect the location", location.error())));
    }
  });
}

void NodeService::origin_location(rest::Done<rest::Location> done) {
  if (origin_) {
    done(*origin_);
    return;
  }
  parts_.facts.location([this, done](const Result<discovery::LocationAnswer>& location) {
    // Only an address seen without a tunnel is the origin.
    if (location.ok() && !origin_ &&
        parts_.executor.node().connection(0).state == core::node::ConnectionState::NotConnected) {
      origin_ = to_rest(*location);
      parts_.executor.run(
          [&](core::Node& node, Now) { node.set_origin_country(location->location.country); });
    }
    done(origin_.value_or(rest::Location{}));
  });
}

void NodeService::nat_type(rest::Done<std::string> done) {
  done(failure(500, "err_nat_probe",
               "This node does not probe the NAT type; hole punching finds its way without it"));
}

// --- market

void NodeService::proposals(core::ProposalFilter filter,
                            rest::Done<std::vector<core::PricedProposal>> done) {
  parts_.market.find(std::move(filter), core::SortBy::None,
                     [done](Result<std::vector<core::PricedProposal>> list) {
                       if (list.ok()) {
                         done(std::move(*list));
                       } else {
                         done(failure(500, "err_proposals_query",
                                      sentence("Proposal query failed", list.error())));
                       }
                     });
}

void NodeService::current_prices(rest::Done<core::PriceSet> done) {
  parts_.facts.location([this, done](const Result<discovery::LocationAnswer>& location) {
    if (!location.ok()) {
      done(failure(500, "err_proposals_detect_location", location.error().what));
      return;
    }
    core::PriceSet set;
    for (std::size_t i = 0; i < core::kPricedServices; ++i) {
      set[i] = parts_.market.prices().current(
          location->location.country, location->location.ip_type, core::kPricedServiceNames[i]);
    }
    done(set);
  });
}

}  // namespace myst::app
