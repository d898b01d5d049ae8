#include "apps/myst/executor.hpp"

#include <cstdlib>
#include <utility>
#include <variant>

#include "drivers/discovery/proposal_codec.hpp"

namespace myst::app {
namespace {

// A balance below that is read anew before a connection is refused for it.
const Wei kEnough{100000000000000000u};  // 0.1 tokens
constexpr Duration kShutdownLimit = std::chrono::seconds(10);

}  // namespace

Executor::Executor(Parts parts, Config config, OnEvent on_event)
    : parts_(parts),
      config_(std::move(config)),
      on_event_(std::move(on_event)),
      node_(config_.node, parts.rng, parts.loop.now()),
      brokers_(parts.loop, parts.rng, config_.brokers,
               Brokers::Handlers{
                   [this] {
                     if (!std::exchange(path_changed_, false)) log::info("broker connected");
                     run([](core::Node& node, Now now) { node.handle_broker_connected(now); });
                   },
                   [this](const std::string& server, const Error& why, bool was_connected) {
                     if (was_connected) {
                       run([](core::Node& node, Now now) { node.handle_broker_lost(now); });
                     }
                     if (path_changed_) return;
                     if (was_connected || failures_.allow(parts_.loop.instant())) {
                       log::warn("broker is away, trying again", "server", server, "why", why.what);
                     }
                   },
                   [this](const std::string& text) {
                     if (failures_.allow(parts_.loop.instant())) {
                       log::warn("broker refused something; is this machine's clock right?", "said",
                                 text);
                     }
                   },
                   [this](core::node::BrokerId broker, std::uint32_t tag, std::string_view reply,
                          ByteSpan payload) {
                     run([&](core::Node& node, Now now) {
                       node.handle_broker_message(now, broker, tag, reply, payload);
                     });
                   }}),
      ports_(parts.loop, parts.rng, config_.first_port, config_.end_port),
      bypass_(parts.loop, parts.tunnels, config_.backend_hosts),
      timer_(parts.loop,
             [this] { run([](core::Node& node, Now now) { node.handle_timeout(now); }); }),
      shutdown_limit_(parts.loop, [this] {
        if (on_idle_) std::exchange(on_idle_, nullptr)();
      }) {}

Executor::~Executor() = default;

void Executor::drain() {
  if (draining_) return;  // the loop below goes on with what was queued
  draining_ = true;
  for (;;) {
    if (auto action = node_.poll_action()) {
      std::visit([this](auto& a) { execute(std::move(a)); }, *action);
      continue;
    }
    auto event = node_.poll_event();
    if (!event) break;
    on_event_(*event);
  }
  timer_.arm(node_.next_timeout());
  draining_ = false;
  if (on_idle_ && node_.idle()) {
    shutdown_limit_.cancel();
    std::exchange(on_idle_, nullptr)();
  }
}

void Executor::answer(ActionId id, Result<Outcome> result) {
  node_.handle_action_done(parts_.loop.now(), id, std::move(result));
  drain();
}

void Executor::answer_status(ActionId id, const Status& status) {
  if (status.ok()) {
    answer(id, Result<Outcome>(Outcome(core::node::Done{})));
  } else {
    answer(id, Result<Outcome>(status.error()));
  }
}

std::function<void(const Status&)> Executor::answerer(ActionId id, const char* what) {
  return [this, id, what](const Status& status) {
    if (!status.ok()) log_failure(what, status.error());
    answer_status(id, status);
  };
}

void Executor::log_failure(const char* what, const Error& error) {
  if (!failures_.allow(parts_.loop.instant())) return;
  log::warn(what, "why", error.what, "code", to_string(error.code));
}

// --- datagrams

void Executor::execute(core::node::UdpOpen&& action) {
  auto socket = ports_.take();
  if (!socket.ok()) {
    answer(action.id, Result<Outcome>(socket.error()));
    return;
  }
  const core::node::SocketId id = action.socket;
  const auto [at, fresh] = sockets_.insert_or_assign(id, std::move(*socket));
  (void)fresh;
  at->second.receive([this, id](const Endpoint& from, ByteSpan bytes) {
    run([&](core::Node& node, Now now) { node.handle_datagram(now, id, from, bytes); });
  });
  answer(action.id, Outcome(core::node::Port{at->second.local().port}));
}

void Executor::execute(core::node::UdpClose&& action) { sockets_.erase(action.socket); }

void Executor::execute(core::node::UdpTellRefused&& action) {
  const auto found = sockets_.find(action.socket);
  if (found == sockets_.end()) return;
  found->second.tell_refused([this, id = action.socket](const Endpoint& to) {
    run([&](core::Node& node, Now now) { node.handle_refused(now, id, to); });
  });
}

void Executor::execute(core::node::UdpSend&& action) {
  const auto found = sockets_.find(action.socket);
  if (found == sockets_.end()) return;
  const std::optional<int> ttl = action.ttl == 0 ? std::nullopt : std::optional<int>(action.ttl);
  (void)found->second.send(action.to, action.bytes, ttl);  // an error counts as loss
}

platform::UniqueFd Executor::take_socket(const std::optional<core::node::SocketId>& id) {
  if (!id) return {};
  const auto found = sockets_.find(*id);
  if (found == sockets_.end()) return {};
  platform::UniqueFd fd(found->second.release_fd());
  sockets_.erase(found);
  return fd;
}

void Executor::execute(core::node::MapPorts&& action) {
  answer(action.id,
         Result<Outcome>(Error{Errc::Unsupported, 0, "no router port mapping on this machine"}));
}
void Executor::execute(core::node::UnmapPorts&&) {}

// --- broker

void Executor::execute(core::node::BrokerOpen&& action) {
  brokers_.open(action,
                [this, id = action.id](const Status& status) { answer_status(id, status); });
}
void Executor::execute(core::node::BrokerClose&& action) { brokers_.close(action.broker); }
void Executor::execute(core::node::BrokerSubscribe&& action) { brokers_.subscribe(action); }
void Executor::execute(core::node::BrokerUnsubscribe&& action) {
  brokers_.unsubscribe(action.broker, action.tag);
}
void Executor::execute(core::node::BrokerPublish&& action) {
  const Status status = brokers_.publish(action);
  if (!status.ok()) log_failure("broker message not sent", status.error());
}
void Executor::execute(core::node::BrokerRequest&& action) {
  brokers_.request(action, answerer<Bytes>(action.id));
}
void Executor::execute(core::node::PublishProposal&& action) {
  answer_status(action.id, brokers_.publish_signed(
                               action.topic, as_bytes(discovery::proposal_message(action.proposal)),
                               action.signer));
}

// --- this host

void Executor::execute(core::node::FindNetworkFacts&& action) {
  parts_.facts.network_facts(answerer<core::node::NetworkFacts>(action.id));
}
void Executor::execute(core::node::FindPublicIp&& action) {
  parts_.facts.public_ip_now(answerer<IpAddress>(action.id));
}
void Executor::execute(core::node::FindLocation&& action) {
  parts_.facts.location([this, id = action.id](Result<discovery::LocationAnswer> location) {
    if (!location.ok()) {
      answer(id, Result<Outcome>(location.error()));
    } else {
      answer(id, Outcome(std::move(location->location)));
    }
  });
}

// --- routes, firewall, tunnels

void Executor::execute(core::node::ExcludeAddress&& action) {
  parts_.tunnels.exclude(action.ip, answerer(action.id, "no route around the tunnel"));
}
void Executor::execute(core::node::BypassBackends&& action) {
  if (action.on) {
    bypass_.begin(action.slot);
  } else {
    bypass_.end(action.slot);
  }
}
void Executor::execute(core::node::ReleaseAddress&& action) { parts_.tunnels.release(action.ip); }

void Executor::execute(core::node::KillSwitchOn&& action) {
  parts_.tunnels.kill_switch_on(action, answerer(action.id, "kill switch not set"));
}
void Executor::execute(core::node::KillSwitchOff&& action) {
  parts_.tunnels.kill_switch_off(action.slot);
}

void Executor::execute(core::node::ServiceTunnelOpen&& action) {
  parts_.tunnels.open(action, take_socket(action.socket),
                      answerer(action.id, "session tunnel not opened"));
}
void Executor::execute(core::node::ServiceTunnelClose&& action) {
  parts_.tunnels.close(action.tunnel, [this, id = action.id](const auto& last) {
    answer(id, last ? Outcome(*last) : Outcome(core::node::Done{}));
  });
}
void Executor::execute(core::node::ConsumerTunnelOpen&& action) {
  parts_.tunnels.open(action, take_socket(action.socket),
                      [this, answered = answerer(action.id, "tunnel not opened")](const Status& s) {
                        answered(s);
                        path_changed();
                      });
}
void Executor::execute(core::node::ConsumerTunnelClose&& action) {
  parts_.tunnels.close(action.tunnel, [this, id = action.id](const auto& last) {
    answer(id, last ? Outcome(*last) : Outcome(core::node::Done{}));
    path_changed();
  });
}
void Executor::path_changed() {
  parts_.facts.forget();  // the host's public address is another one now
  path_changed_ = brokers_.connected();
  brokers_.path_changed();
  parts_.chains.reconnect();
}
void Executor::execute(core::node::ReadTunnel&& action) {
  const auto counters = parts_.tunnels.counters(action.tunnel);
  if (counters) node_.handle_tunnel_counters(parts_.loop.now(), action.tunnel, *counters);
}

// --- market and money

void Executor::execute(core::node::FindProposals&& action) {
  parts_.market.find(action.filter, action.sort, answerer<core::node::ProposalList>(action.id));
}
void Executor::execute(core::node::CheckAccess&& action) {
  parts_.market.check_access(
      action.consumer, [this, id = action.id](const Status& status) { answer_status(id, status); });
}
// A network without a chain never asks these.
void Executor::execute(core::node::CheckRegistration&& action) {
  parts_.chains.registration(
      action.identity, [this, id = action.id](const Result<chain::RegistrationState>& state) {
        if (!state.ok()) return answer_status(id, state.error());
        if (*state == chain::RegistrationState::Registered) return answer_status(id, {});
        answer_status(id, Error{Errc::NotFound, 0, "the identity is not registered"});
      });
}
void Executor::execute(core::node::CheckBalance&& action) {
  parts_.chains.balance(
      action.identity, action.hermes, false, [this, action](const Result<Wei>& balance) {
        if (balance.ok() && *balance >= kEnough) {
          return answer(action.id, Outcome(*balance));
        }
        // It may have been topped up since it was read.
        parts_.chains.balance(action.identity, action.hermes, true, answerer<Wei>(action.id));
      });
}
void Executor::execute(core::node::CheckHermes&& action) {
  parts_.chains.check_hermes(action.hermes, [this, id = action.id](Result<Address> found) {
    if (!found.ok()) log_failure("hermes not accepted", found.error());
    answerer<Address>(id)(std::move(found));
  });
}
void Executor::execute(core::node::RequestPromise&& action) {
  const ActionId id = action.id;
  parts_.treasurer.exchange(std::move(action),
                            [this, id](const Status& status) { answer_status(id, status); });
}

// --- storage

void Executor::execute(core::node::StorePayment&& action) {
  const ActionId id = action.id;
  const Address identity = action.record.consumer, hermes = action.hermes;
  const Wei total = action.grand_total;
  parts_.store.run<Status>(
      [a = std::move(action)](storage::Tables& tables) {
        return tables.money.put_payment(a.record, a.chain, a.hermes, a.grand_total);
      },
      [this, id, identity, hermes, total](const Status& status) {
        if (status.ok()) {
          parts_.chains.promised(identity, hermes, total);
        } else {
          log_failure("payment not stored, not sent", status.error());
        }
        answer_status(id, status);
      });
}
void Executor::execute(core::node::StoreInvoice&& action) {
  const ActionId id = action.id;
  if (action.record.total.is_zero()) {
    // The secret behind an invoice for nothing opens no promise of any worth: the card is spared.
    answer_status(id, {});
    return;
  }
  parts_.store.run<Status>(
      [a = std::move(action)](storage::Tables& tables) {
        return tables.money.put_invoice(a.record);
      },
      [this, id](const Status& status) {
        if (!status.ok()) log_failure("invoice not stored, not sent", status.error());
        answer_status(id, status);
      });
}
void Executor::execute(core::node::StoreAccepted&& action) {
  const ActionId id = action.id;
  parts_.store.run<Status>(
      [a = std::move(action)](storage::Tables& tables) {
        return tables.money.put_accepted(a.record);
      },
      [this, id](const Status& status) {
        if (!status.ok()) log_failure("accepted payment not stored", status.error());
        answer_status(id, status);
      });
}
void Executor::execute(core::node::LoadGrandTotal&& action) {
  parts_.treasurer.grand_total(action.chain, action.identity, action.hermes,
                               answerer<Wei>(action.id));
}
void Executor::execute(core::node::StoreSession&& action) {
  parts_.store.run<Status>(
      [a = std::move(action)](storage::Tables& tables) { return tables.sessions.put(a.record); },
      [this](const Status& status) {
        if (!status.ok()) log_failure("session history not stored", status.error());
      });
}
void Executor::execute(core::node::StoreConnectivity&& action) {
  parts_.store.run<Status>(
      [a = std::move(action)](storage::Tables& tables) {
        return tables.connectivity.add(a.record);
      },
      [this](const Status& status) {
        if (!status.ok()) log_failure("connectivity report not stored", status.error());
      });
}

void Executor::shutdown(std::function<void()> done) {
  on_idle_ = [this, done = std::move(done)] { brokers_.shutdown(done); };
  shutdown_limit_.arm_in(kShutdownLimit);
  run([](core::Node& node, Now now) { node.shutdown(now); });
}

}  // namespace myst::app
