#include "apps/myst/chains.hpp"

#include <algorithm>
#include <utility>

#include "apps/myst/build_info.hpp"
#include "core/base/text.hpp"
#include "core/payment/channel.hpp"
#include "platform/log/log.hpp"

namespace myst::app {
namespace {

using chain::RegistrationState;

constexpr Error kNoChain{Errc::Unsupported, 0, "this network has no chain"};
constexpr Duration kBalanceAge = std::chrono::minutes{1};
constexpr std::size_t kMaxRemembered = 1000;

Duration at_least_a_second(Duration time) {
  return std::max<Duration>(time, std::chrono::seconds{1});
}

// A consumer may name any hermes it likes: memory is bounded, not the number of names.
template <typename Map>
void keep_bounded(Map& map) {
  if (map.size() >= kMaxRemembered) map.clear();
}

}  // namespace

Chains::Config Chains::configured(const core::NodeConfig& config) {
  Config out;
  out.active = static_cast<std::uint64_t>(config.integer("chain-id"));
  out.max_hermes_fee = static_cast<std::uint16_t>(
      std::clamp<std::int64_t>(config.integer("payments.hermes.max.fee"), 0, 10000));
  out.hermes_recheck = config.duration("payments.provider.hermes-status-recheck-interval");
  out.call_limit = std::min<Duration>(at_least_a_second(config.duration("payments.bc.timeout")),
                                      std::chrono::minutes{2});
  out.balance_interval = at_least_a_second(config.duration("payments.balance-long-poll.interval"));
  out.close_interval = at_least_a_second(config.duration("payments.balance-short-poll.interval"));
  out.close_time = config.duration("payments.balance-short-poll.timeout");
  out.user_agent = "Mysterium node(" + build().version + "; https://mysterium.network)";
  for (const char* n : {"1", "2"}) {
    const std::string prefix = std::string("chains.") + n + ".";
    const auto address = [&](const char* key) {
      return Address::parse_lenient(config.text(prefix + key));
    };
    Chain chain;
    chain.id = static_cast<std::uint64_t>(config.integer(prefix + "chainID"));
    chain.registry = address("registry");
    if (chain.id == 0 || chain.registry.is_zero()) continue;
    chain.hermes = address("hermes");
    chain.channel_implementation = address("channelImplementation");
    chain.token = address("myst");
    for (const std::string& text : config.list(prefix + "knownHermeses")) {
      if (const auto hermes = Address::parse(trim(text)); hermes.ok()) {
        chain.known_hermeses.push_back(*hermes);
      }
    }
    chain.rpc = config.list(std::string("ether.client.rpcl") + n);
    const bool twice = std::any_of(out.chains.begin(), out.chains.end(),
                                   [&](const Chain& other) { return other.id == chain.id; });
    if (twice) continue;  // one chain behind both names
    out.chains.push_back(std::move(chain));
  }
  return out;
}

core::ChainConfig Chains::machine_config(const Config& config) {
  core::ChainConfig out;
  for (const Chain& chain : config.chains) {
    if (chain.id != config.active) continue;
    out.present = true;
    out.chain_id = chain.id;
    out.registry = chain.registry;
    out.hermes = chain.hermes;
    out.channel_implementation = chain.channel_implementation;
  }
  return out;
}

Chains::Chains(platform::Loop& loop, storage::Store& store, Config config)
    : loop_(loop),
      store_(store),
      config_(std::move(config)),
      watch_timer_(loop, [this] { read_watched(); }) {
  for (const Chain& chain : config_.chains) {
    ethereum::RpcClient::Options options;
    options.urls = chain.rpc;
    options.chain_id = chain.id;
    options.user_agent = config_.user_agent;
    options.pool.call_limit = config_.call_limit;
    Reading reading;
    reading.client = std::make_unique<ethereum::RpcClient>(loop, std::move(options));
    reading.reader = std::make_unique<ethereum::Reader>(*reading.client);
    if (chain.id == config_.active) {
      active_ = &chain;
      if (reading.client->endpoints() == 0) {
        log::error(
            "no usable chain endpoint is configured: registrations and balances stay "
            "unknown; set ether.client.rpcl1 or ether.client.rpcl2",
            "chain", chain.id);
      }
    }
    readers_.emplace(chain.id, std::move(reading));
  }
}

const Chains::Chain* Chains::find(std::uint64_t chain_id) const {
  for (const Chain& chain : config_.chains) {
    if (chain.id == chain_id) return &chain;
  }
  return nullptr;
}

ethereum::Reader* Chains::reader(std::uint64_t chain_id) {
  const auto found = readers_.find(chain_id);
  return found == readers_.end() ? nullptr : found->second.reader.get();
}

bool Chains::reachable() const {
  return active_ != nullptr && readers_.at(active_->id).client->healthy();
}

std::vector<std::string> Chains::hosts() const {
  std::vector<std::string> out;
  if (active_ == nullptr) return out;
  return readers_.at(active_->id).client->hosts();
}

void Chains::reconnect() {
  for (auto& [id, reading] : readers_) {
    (void)id;
    reading.client->reconnect();
  }
}

// --- registration

storage::RegistrationStore::Key Chains::key_of(const Address& identity) const {
  return {active_->id, active_->registry, identity};
}

void Chains::on_registered(std::function<void(const Address&)> callback) {
  on_registered_.push_back(std::move(callback));
}

std::optional<RegistrationState> Chains::known_registration(const Address& identity) const {
  const auto found = registrations_.find(identity);
  return found == registrations_.end() ? std::nullopt : std::optional(found->second);
}

void Chains::set_registration(const Address& identity, RegistrationState state) {
  if (!present()) return;
  const auto known = known_registration(identity);
  if (known == RegistrationState::Registered || known == state) return;
  keep_bounded(registrations_);
  registrations_[identity] = state;
  store_.run<Status>(
      [key = key_of(identity), state, now = loop_.now().wall](storage::Tables& tables) {
        return tables.registrations.put(key, state, now);
      },
      [](const Status& status) {
        if (!status.ok()) log::warn("registration not stored", "why", status.error().what);
      });
  if (state != RegistrationState::Registered) return;
  for (const auto& callback : on_registered_) callback(identity);
}

void Chains::registration(const Address& identity, Callback<RegistrationState> done) {
  if (!present()) return done(kNoChain);
  if (const auto known = known_registration(identity)) {
    if (*known == RegistrationState::Registered) return done(*known);
    return ask_registry(identity, *known, std::move(done));
  }
  using Stored = Result<std::optional<storage::RegistrationStore::Record>>;
  store_.run<Stored>(
      [key = key_of(identity)](storage::Tables& tables) { return tables.registrations.get(key); },
      [this, identity, done = std::move(done)](const Stored& stored) {
        auto state = RegistrationState::Unregistered;
        if (stored.ok() && stored->has_value()) state = (*stored)->state;
        keep_bounded(registrations_);
        registrations_.emplace(identity, state);
        if (state == RegistrationState::Registered) {
          for (const auto& callback : on_registered_) callback(identity);
          return done(state);
        }
        ask_registry(identity, state, done);
      });
}

void Chains::ask_registry(const Address& identity, RegistrationState stored,
                          Callback<RegistrationState> done) {
  reader().is_registered(
      active_->registry, identity,
      [this, identity, stored, done = std::move(done)](const Result<bool>& registered) {
        if (!registered.ok()) return done(registered.error());
        if (*registered) {
          set_registration(identity, RegistrationState::Registered);
          return done(RegistrationState::Registered);
        }
        offchain(identity, active_->hermes,
                 [stored, done](const Result<std::optional<Offchain>>& found) {
                   done(found.ok() && *found ? RegistrationState::Registered : stored);
                 });
      });
}

void Chains::offchain(const Address& identity, const Address& hermes,
                      Callback<std::optional<Offchain>> done) {
  if (!ask_offchain_) return done(std::optional<Offchain>());
  ask_offchain_(identity, hermes, std::move(done));
}

// --- consumer channels

void Chains::implementation_of(const Chain& chain, const Address& hermes, Callback<Address> done) {
  if (hermes == chain.hermes) return done(chain.channel_implementation);
  const std::pair key{chain.id, hermes};
  if (const auto found = implementations_.find(key); found != implementations_.end()) {
    return done(found->second);
  }
  ethereum::Reader* reader = this->reader(chain.id);
  reader->hermes_record(
      chain.registry, hermes,
      [this, key, reader, registry = chain.registry,
       done = std::move(done)](const Result<chain::registry::HermesRecord>& record) {
        if (!record.ok()) return done(record.error());
        reader->channel_implementation(registry, record->implementation_version,
                                       [this, key, done](const Result<Address>& code) {
                                         if (!code.ok()) return done(code.error());
                                         keep_bounded(implementations_);
                                         implementations_.emplace(key, *code);
                                         done(*code);
                                       });
      });
}

void Chains::consumer_channel(const Address& identity, const Address& hermes,
                              Callback<Address> done) {
  if (!present()) return done(kNoChain);
  consumer_channel(active_->id, identity, hermes, std::move(done));
}

void Chains::consumer_channel(std::uint64_t chain, const Address& identity, const Address& hermes,
                              Callback<Address> done) {
  const Chain* on = find(chain);
  if (on == nullptr) return done(kNoChain);
  implementation_of(*on, hermes,
                    [identity, hermes, registry = on->registry,
                     done = std::move(done)](const Result<Address>& code) {
                      if (!code.ok()) return done(code.error());
                      done(payment::consumer_channel(identity, hermes, registry, *code));
                    });
}

void Chains::is_own_channel(const Address& identity, const Address& wallet, Callback<bool> done) {
  if (!present()) return done(kNoChain);
  auto hermeses = std::make_shared<std::vector<Address>>(active_->known_hermeses);
  hermeses->push_back(active_->hermes);  // the first to be looked at: nobody is asked about it
  compare_channels(std::move(hermeses), identity, wallet, std::move(done));
}

void Chains::compare_channels(std::shared_ptr<std::vector<Address>> hermeses,
                              const Address& identity, const Address& wallet, Callback<bool> done) {
  if (hermeses->empty()) return done(false);
  const Address hermes = hermeses->back();
  hermeses->pop_back();
  consumer_channel(identity, hermes,
                   [this, hermeses, identity, wallet, done](const Result<Address>& channel) {
                     if (channel.ok() && *channel == wallet) return done(true);
                     // With a Hermes that is not on the chain there are no channels.
                     const Errc why = channel.ok() ? Errc::NotFound : channel.error().code;
                     if (why != Errc::NotFound && why != Errc::Rejected) {
                       return done(channel.error());
                     }
                     compare_channels(hermeses, identity, wallet, done);
                   });
}

void Chains::channel_state(const Address& identity, const Address& hermes,
                           Callback<ChannelState> done) {
  consumer_channel(
      identity, hermes,
      [this, identity, hermes, done = std::move(done)](const Result<Address>& channel) {
        if (!channel.ok()) return done(channel.error());
        const auto keep = [this, identity, hermes, done](const Result<ChannelState>& state) {
          if (state.ok()) {
            keep_bounded(channels_);
            channels_[{identity, hermes}] = *state;
          }
          done(state);
        };
        read_channel(
            *active_, *channel, [this, identity, hermes, keep](const Result<ChannelState>& state) {
              if (!state.ok() || state->deployed || !state->tokens.is_zero()) {
                return keep(state);
              }
              offchain(
                  identity, hermes,
                  [state = *state, keep](const Result<std::optional<Offchain>>& found) mutable {
                    if (found.ok() && *found) {
                      state.tokens = (*found)->balance;
                      state.settled = (*found)->settled;
                    }
                    keep(state);
                  });
            });
      });
}

void Chains::purse(std::uint64_t chain, const Address& identity, const Address& hermes,
                   Callback<ChannelState> done) {
  const Chain* on = find(chain);
  if (on == nullptr) return done(kNoChain);
  implementation_of(
      *on, hermes,
      [this, on, identity, hermes, done = std::move(done)](const Result<Address>& code) {
        if (!code.ok()) return done(code.error());
        read_channel(*on, payment::consumer_channel(identity, hermes, on->registry, *code), done);
      });
}

void Chains::read_channel(const Chain& chain, const Address& channel, Callback<ChannelState> done) {
  // Both questions travel in one request.
  struct Both {
    ChannelState state;
    int missing = 2;
    std::optional<Error> error;
  };
  auto both = std::make_shared<Both>();
  both->state.channel = channel;
  const auto one_more = [this, both, done = std::move(done)] {
    if (--both->missing > 0) return;
    if (both->error) return done(*both->error);
    both->state.read_at = loop_.instant();
    done(both->state);
  };
  ethereum::Reader* reader = this->reader(chain.id);
  reader->consumer_channel(
      channel, [both, one_more](const Result<std::optional<chain::channel::Hermes>>& found) {
        if (!found.ok()) {
          both->error = found.error();
        } else if (found->has_value()) {
          both->state.deployed = true;
          both->state.settled = (*found)->settled;
        }
        one_more();
      });
  reader->token_balance(chain.token, channel, [both, one_more](const Result<Wei>& tokens) {
    if (!tokens.ok()) {
      both->error = tokens.error();
    } else {
      both->state.tokens = *tokens;
    }
    one_more();
  });
}

// Tokens less what is promised and not settled yet; remembered, and told when it is news.
Wei Chains::left_of(const Address& identity, const Address& hermes, const ChannelState& state,
                    const Wei& promised) {
  const Wei left = Wei::saturating_sub(state.tokens, Wei::saturating_sub(promised, state.settled));
  if (hermes != active_->hermes) return left;
  const auto before = known_balance(identity);
  keep_bounded(balances_);
  balances_[identity] = left;
  if (before != left) {
    for (const auto& callback : on_balance_) callback(identity);
  }
  return left;
}

void Chains::promised(const Address& identity, const Address& hermes, const Wei& total) {
  const auto known = channels_.find({identity, hermes});
  if (present() && known != channels_.end()) left_of(identity, hermes, known->second, total);
}

void Chains::balance(const Address& identity, const Address& hermes, bool fresh,
                     Callback<Wei> done) {
  if (!present()) return done(kNoChain);
  const auto promised = [this, identity, hermes, done](const ChannelState& state) {
    store_.run<Result<Wei>>(
        [chain = active_->id, identity, hermes](storage::Tables& tables) {
          return tables.money.grand_total(chain, identity, hermes);
        },
        [this, identity, hermes, state, done](const Result<Wei>& total) {
          if (!total.ok()) return done(total.error());
          done(left_of(identity, hermes, state, *total));
        });
  };
  const auto known = channels_.find({identity, hermes});
  if (!fresh && known != channels_.end() && loop_.instant() - known->second.read_at < kBalanceAge) {
    return promised(known->second);
  }
  channel_state(identity, hermes,
                [this, identity, hermes, promised, done](const Result<ChannelState>& state) {
                  if (state.ok()) return promised(*state);
                  const auto last = channels_.find({identity, hermes});
                  if (last != channels_.end()) return promised(last->second);
                  done(state.error());
                });
}

std::optional<Wei> Chains::known_balance(const Address& identity) const {
  const auto found = balances_.find(identity);
  return found == balances_.end() ? std::nullopt : std::optional(found->second);
}

void Chains::on_balance(std::function<void(const Address&)> callback) {
  on_balance_.push_back(std::move(callback));
}

void Chains::watch_balance(const Address& identity, bool closely) {
  if (!present()) return;
  const Instant now = loop_.instant();
  Watch& watch =
      watches_.try_emplace(identity, Watch{now + config_.balance_interval, now}).first->second;
  if (closely) {
    watch.closely_until = now + config_.close_time;
    watch.next = std::min(watch.next, now + config_.close_interval);
  }
  arm_watch();
}

void Chains::arm_watch() {
  std::optional<Instant> at;
  for (const auto& [identity, watch] : watches_) {
    (void)identity;
    at = earliest(at, watch.next);
  }
  watch_timer_.arm(at);
}

void Chains::read_watched() {
  const Instant now = loop_.instant();
  for (auto& [identity, watch] : watches_) {
    if (watch.next > now) continue;
    watch.next =
        now + (now < watch.closely_until ? config_.close_interval : config_.balance_interval);
    balance(identity, active_->hermes, true, [](const Result<Wei>&) {});
  }
  arm_watch();
}

// --- others

void Chains::check_hermes(const Address& hermes, Callback<Address> done) {
  if (!present()) return done(kNoChain);
  const auto known = hermeses_.find(hermes);
  if (known != hermeses_.end() &&
      loop_.instant() - known->second.read_at < config_.hermes_recheck) {
    return done(known->second.implementation);
  }
  struct Three {
    int missing = 3;
    bool is_hermes = false, active = false;
    chain::hermes::Fee fee;
    std::optional<Error> error;
  };
  auto three = std::make_shared<Three>();
  const auto one_more = [this, hermes, three, done = std::move(done)] {
    if (--three->missing > 0) return;
    Status verdict;
    if (three->error) {
      // Where there is no such contract the calls revert or return nothing: that is a no. Anything
      // else is not known, and asked again.
      const Errc code = three->error->code;
      if (code != Errc::Rejected && code != Errc::NotFound) return done(*three->error);
      verdict = Error{Errc::Rejected, 0, "there is no such hermes"};
    } else if (!three->is_hermes) {
      verdict = Error{Errc::Rejected, 0, "there is no such hermes"};
    } else if (!three->active) {
      verdict = Error{Errc::Rejected, 0, "the hermes is not active"};
    } else if (three->fee.per_10000 > config_.max_hermes_fee) {
      verdict = Error{Errc::Rejected, three->fee.per_10000, "the fee of the hermes is too high"};
    }
    const auto keep = [this, hermes, done](const Result<Address>& found) {
      keep_bounded(hermeses_);
      hermeses_.insert_or_assign(hermes, HermesVerdict{found, loop_.instant()});
      done(found);
    };
    if (!verdict.ok()) return keep(verdict.error());
    implementation_of(*active_, hermes, [done, keep](const Result<Address>& code) {
      code.ok() ? keep(*code) : done(code.error());
    });
  };
  const auto failed = [three](const Error& error) {
    // A definite answer counts more than one that did not come.
    const bool definite = error.code == Errc::Rejected || error.code == Errc::NotFound;
    if (!three->error || definite) three->error = error;
  };
  reader().is_hermes(active_->registry, hermes, [three, failed, one_more](const Result<bool>& is) {
    if (is.ok()) {
      three->is_hermes = *is;
    } else {
      failed(is.error());
    }
    one_more();
  });
  reader().hermes_active(hermes, [three, failed, one_more](const Result<bool>& active) {
    if (active.ok()) {
      three->active = *active;
    } else {
      failed(active.error());
    }
    one_more();
  });
  reader().hermes_fee(hermes, [three, failed, one_more](const Result<chain::hermes::Fee>& fee) {
    if (fee.ok()) {
      three->fee = *fee;
    } else {
      failed(fee.error());
    }
    one_more();
  });
}

void Chains::beneficiary(const Address& identity, Callback<Address> done) {
  if (!present()) return done(kNoChain);
  reader().beneficiary(active_->registry, identity, std::move(done));
}

void Chains::provider_channel(const Address& identity, const Address& hermes,
                              Callback<chain::hermes::Channel> done) {
  if (!present()) return done(kNoChain);
  reader().provider_channel(
      hermes, payment::provider_channel_id(identity, hermes), ethereum::BlockTag::Pending,
      [this, identity, hermes, done = std::move(done)](Result<chain::hermes::Channel> channel) {
        if (channel.ok() && hermes == active_->hermes) {
          keep_bounded(stakes_);
          stakes_[identity] = channel->stake;
        }
        done(std::move(channel));
      });
}

std::optional<Wei> Chains::known_stake(const Address& identity) const {
  const auto found = stakes_.find(identity);
  return found == stakes_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace myst::app
