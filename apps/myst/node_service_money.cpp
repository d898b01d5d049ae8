// What the REST API shows of the chain: registration, balances, beneficiary.
#include <algorithm>
#include <utility>

#include "apps/myst/node_service.hpp"
#include "core/base/text.hpp"
#include "core/payment/channel.hpp"

namespace myst::app {
namespace {

using chain::RegistrationState;

rest::Registration to_rest(RegistrationState state) {
  switch (state) {
    case RegistrationState::Registered:
      return rest::Registration::Registered;
    case RegistrationState::Unregistered:
      return rest::Registration::Unregistered;
    case RegistrationState::InProgress:
      return rest::Registration::InProgress;
    case RegistrationState::Failed:
      return rest::Registration::RegistrationError;
  }
  return rest::Registration::Unknown;
}

rest::Failure not_found() { return {404, "not_found", "Identity not found"}; }

rest::Failure chain_failure(const char* code, const char* what, const Error& error) {
  return {500, code, std::string(what) + ": " + error.what};
}

}  // namespace

rest::IdentityInfo NodeService::known_identity(const Address& id) const {
  rest::IdentityInfo info;
  info.id = id;
  info.registration = rest::Registration::Registered;  // a network without a chain asks for none
  if (!parts_.chains.present()) return info;
  const Chains::Chain& chain = parts_.chains.active();
  const auto state = parts_.chains.known_registration(id);
  info.registration = state ? to_rest(*state) : rest::Registration::Unknown;
  info.hermes = chain.hermes;
  info.channel =
      payment::consumer_channel(id, chain.hermes, chain.registry, chain.channel_implementation);
  info.balance = parts_.chains.known_balance(id).value_or(Wei());
  info.stake = parts_.chains.known_stake(id).value_or(Wei());
  for (const auto& [hermes, earnings, in_settlement] : parts_.treasurer.earnings(id)) {
    info.per_hermes.push_back({hermes, earnings.unsettled(), earnings.lifetime()});
    info.in_settlement = Wei::saturating_add(info.in_settlement, in_settlement);
    info.earnings = Wei::saturating_add(info.earnings, earnings.unsettled());
    info.earnings_total = Wei::saturating_add(info.earnings_total, earnings.lifetime());
  }
  return info;
}

// In the background: what is shown of an identity is read as soon as it can be used.
void NodeService::read_chain_of(const Address& id) {
  if (!parts_.chains.present()) return;
  const auto told = [this] {
    if (changed_) changed_();
  };
  parts_.chains.watch_balance(id, false);
  parts_.chains.registration(id, [this, id, told](const Result<RegistrationState>& state) {
    told();
    if (!state.ok() || *state != RegistrationState::Registered) return;
    parts_.chains.provider_channel(id, parts_.chains.active().hermes,
                                   [told](const Result<chain::hermes::Channel>&) { told(); });
  });
  parts_.chains.balance(id, parts_.chains.active().hermes, false,
                        [told](const Result<Wei>&) { told(); });
}

void NodeService::identity(const Address& id, rest::Done<rest::IdentityInfo> done) {
  if (!parts_.keystore.contains(id)) return done(not_found());
  if (!parts_.chains.present()) return done(known_identity(id));
  parts_.chains.registration(id, [this, id, done](const Result<RegistrationState>& state) {
    if (!state.ok()) {
      return done(chain_failure("err_id_registration_status_check",
                                "Failed to check the registration on chain", state.error()));
    }
    if (parts_.chains.known_balance(id)) {
      done(known_identity(id));
      return read_chain_of(id);  // for the next time
    }
    parts_.chains.balance(id, parts_.chains.active().hermes, false,
                          [this, id, done](const Result<Wei>&) { done(known_identity(id)); });
  });
}

void NodeService::registration(const Address& id, rest::Done<rest::Registration> done) {
  if (!parts_.keystore.contains(id)) return done(not_found());
  if (!parts_.chains.present()) return done(rest::Registration::Registered);
  parts_.chains.registration(id, [done](const Result<RegistrationState>& state) {
    if (state.ok()) return done(to_rest(*state));
    done(chain_failure("err_id_registration_status_check",
                       "Failed to check the registration on chain", state.error()));
  });
}

void NodeService::refresh_balance(const Address& id, rest::Done<Wei> done) {
  if (!parts_.keystore.contains(id)) return done(not_found());
  if (!parts_.chains.present()) return done(Wei());
  parts_.chains.balance(
      id, parts_.chains.active().hermes, true, [this, id, done](const Result<Wei>& balance) {
        if (changed_) changed_();
        // Without an answer the last known balance stands, as in the reference.
        done(balance.ok() ? *balance : parts_.chains.known_balance(id).value_or(Wei()));
      });
}

void NodeService::beneficiary(const Address& id, rest::Done<rest::Beneficiary> done) {
  parts_.chains.beneficiary(id, [this, id, done](const Result<Address>& beneficiary) {
    if (!beneficiary.ok()) {
      return done(chain_failure("err_beneficiary_get", "Failed to read the beneficiary",
                                beneficiary.error()));
    }
    parts_.chains.is_own_channel(id, *beneficiary,
                                 [wallet = *beneficiary, done](const Result<bool>& own) {
                                   // Not known: what is read of the active Hermes says no.
                                   done(rest::Beneficiary{wallet, own.ok() && *own});
                                 });
  });
}

// --- the transactor

void NodeService::register_identity(const Address& id, rest::RegisterRequest request,
                                    rest::Done<bool> done) {
  if (!parts_.chains.present()) return NodeApi::register_identity(id, std::move(request), done);
  core::money::Registrar::Order order;
  order.identity = id;
  order.fee = request.fee;
  order.beneficiary = request.beneficiary;
  order.referral_token = request.referral_token;
  parts_.treasurer.register_identity(
      std::move(order), [done](const core::money::RegisterDone& taken) {
        using Problem = core::money::RegisterDone::Problem;
        switch (taken.problem) {
          case Problem::None:
            return done(false);
          case Problem::InProgress:
            return done(rest::Failure{422, "err_id_registration_in_progress", taken.reason});
          case Problem::Fees:
            return done(rest::Failure{500, "err_transactor_fetch_fees", taken.reason});
          case Problem::Refused:
            return done(rest::Failure{500, "err_transactor_registration", taken.reason});
        }
      });
}

void NodeService::payout_wallet(const Address& id, rest::Done<std::string> done) {
  parts_.store.run<Result<Address>>(
      [id](storage::Tables& tables) { return tables.settlements.wallet(id); },
      [done](const Result<Address>& wallet) {
        if (!wallet.ok()) {
          return done(rest::Failure{500, "err_id_get_beneficiary_address", wallet.error().what});
        }
        done(wallet->is_zero() ? std::string() : wallet->to_checksum());
      });
}

void NodeService::set_payout_wallet(const Address& id, const Address& wallet,
                                    rest::Done<rest::Nothing> done) {
  parts_.store.run<Status>(
      [id, wallet](storage::Tables& tables) { return tables.settlements.put_wallet(id, wallet); },
      [done](const Status& stored) {
        if (stored.ok()) return done(rest::Nothing{});
        done(rest::Failure{500, "internal", std::string("Not stored: ") + stored.error().what});
      });
}

void NodeService::settle_by(const Address& id, std::vector<Address> hermeses, bool into_stake,
                            bool wait, const char* code, rest::Done<rest::Nothing> done) {
  if (!parts_.chains.present()) {
    return done(rest::Failure{500, code, "There is nothing to settle: this network has no chain"});
  }
  if (!parts_.keystore.contains(id)) {
    return done(rest::Failure{500, code, "The identity is not in the keystore"});
  }
  for (Address& hermes : hermeses) {
    if (hermes.is_zero()) hermes = parts_.chains.active().hermes;
  }
  parts_.treasurer.settle(id, std::move(hermeses), {}, into_stake,
                          [wait, code, done](const std::string& problem) {
                            if (!wait) return;
                            if (problem.empty()) return done(rest::Nothing{});
                            done(rest::Failure{500, code, problem});
                          });
  if (!wait) done(rest::Nothing{});
}

void NodeService::settle(const Address& id, std::vector<Address> hermeses, bool wait,
                         rest::Done<rest::Nothing> done) {
  settle_by(id, std::move(hermeses), false, wait,
            wait ? "err_hermes_settle" : "err_hermes_settle_async", std::move(done));
}

void NodeService::settle_into_stake(const Address& id, std::vector<Address> hermeses, bool wait,
                                    rest::Done<rest::Nothing> done) {
  settle_by(id, std::move(hermeses), true, wait, "err_transactor_settle_into_stake",
            std::move(done));
}

// A withdrawal and a session draw on the same channel: the one would outdate what the other signs.
bool NodeService::pays_now(const Address& id) const {
  const auto connections = parts_.executor.node().connections();
  return std::any_of(connections.begin(), connections.end(), [&](const auto& view) {
    return view.consumer == id && view.state != core::node::ConnectionState::NotConnected;
  });
}

void NodeService::withdraw(rest::WithdrawRequest request, rest::Done<rest::Nothing> done) {
  constexpr const char* kCode = "err_transactor_withdraw";
  if (!parts_.chains.present()) return NodeApi::withdraw(std::move(request), std::move(done));
  if (pays_now(request.provider)) {
    return done(rest::Failure{500, kCode, "The identity is connected: disconnect it first"});
  }
  const auto number = [this](const char* key) {
    return static_cast<std::uint64_t>(parts_.config.integer(key));
  };
  const std::uint64_t source = number("chains.2.chainID");
  if (request.from != 0 && request.from != source) {
    return done(
        rest::Failure{500, kCode, "Withdrawals start from chain " + std::to_string(source)});
  }
  core::money::Treasury::WithdrawRequest order;
  order.provider = request.provider;
  order.hermes = request.hermes;
  order.from = source;
  order.to = request.to == 0 ? number("chains.1.chainID") : request.to;
  order.beneficiary = request.beneficiary;
  order.amount = request.amount;
  parts_.treasurer.withdraw(std::move(order), [done](const std::string& problem) {
    if (problem.empty()) return done(rest::Nothing{});
    done(rest::Failure{500, kCode, "Withdrawal failed: " + problem});
  });
}

void NodeService::decrease_stake(const Address& id, const Wei& amount,
                                 rest::Done<rest::Nothing> done) {
  if (!parts_.chains.present()) return NodeApi::decrease_stake(id, amount, std::move(done));
  parts_.treasurer.decrease_stake(id, amount, [done](const std::string& problem) {
    if (problem.empty()) return done(rest::Nothing{});
    done(rest::Failure{500, "err_transactor_decrease_stake",
                       "The stake was not decreased: " + problem});
  });
}

void NodeService::migrate_hermes(const Address& id, rest::Done<rest::Nothing> done) {
  if (!parts_.chains.present()) return done(rest::Nothing{});
  if (parts_.keystore.signer(id) == nullptr) {
    return done(rest::Failure{403, "err_id_locked", "The identity is locked: unlock it first"});
  }
  constexpr const char* kCode = "err_id_check_hermes_migration";
  if (pays_now(id)) {
    return done(rest::Failure{500, kCode, "The identity is connected: disconnect it first"});
  }
  parts_.treasurer.migrate(id, [done](const std::string& problem) {
    if (problem.empty()) return done(rest::Nothing{});
    done(rest::Failure{500, kCode, "The migration failed: " + problem});
  });
}

void NodeService::migration_needed(const Address& id, rest::Done<bool> done) {
  parts_.treasurer.check_migration(id, [done](const Result<bool>& needed) {
    if (needed.ok()) return done(*needed);
    done(chain_failure("err_id_check_hermes_migration_status", "Not known", needed.error()));
  });
}

void NodeService::change_beneficiary(const Address& id, std::vector<Address> hermeses,
                                     const Address& beneficiary) {
  using State = rest::BeneficiaryChange::State;
  if (beneficiary_changes_.size() >= 64) beneficiary_changes_.clear();
  beneficiary_changes_[id] = {State::Pending, {}, beneficiary};
  if (hermeses.empty() && parts_.chains.present()) {
    hermeses = parts_.chains.active().known_hermeses;
  }
  const auto finished = [this, id, beneficiary](const std::string& problem) {
    beneficiary_changes_[id] = {State::Completed, problem, beneficiary};
  };
  if (beneficiary.is_zero()) return finished("the beneficiary is no address");
  parts_.treasurer.settle(id, std::move(hermeses), beneficiary, false, finished);
}

rest::BeneficiaryChange NodeService::beneficiary_change(const Address& id) const {
  const auto found = beneficiary_changes_.find(id);
  return found == beneficiary_changes_.end() ? rest::BeneficiaryChange{} : found->second;
}

void NodeService::eligible(std::optional<Address> id, rest::Done<bool> done) {
  if (!parts_.chains.present()) return done(false);
  transactor::Client& transactor = parts_.treasurer.transactor();
  const auto told = [&transactor, done](const Result<bool>& eligible) {
    if (eligible.ok()) return done(*eligible);
    done(rest::Failure{500, "err_transactor_registration", transactor.last_problem()});
  };
  if (id) return transactor.eligible(*id, told);
  transactor.provider_eligible(told);
}

void NodeService::token_reward(std::string token, rest::Done<Wei> done) {
  constexpr const char* kFailed = "err_affiliator_failed";
  const std::string affiliator = parts_.config.text("affiliator.address");
  if (affiliator.empty()) {
    return done(rest::Failure{500, kFailed, "This network has no affiliator"});
  }
  transactor::Client& client = parts_.treasurer.transactor();
  client.token_reward(affiliator, token, [&client, done](const Result<Wei>& reward) {
    if (reward.ok()) return done(*reward);
    if (reward.error().code == Errc::NotFound) {
      return done(
          rest::Failure{500, "err_affiliator_no_reward", "There is no reward for this token"});
    }
    done(rest::Failure{500, kFailed, "The reward is not known: " + client.last_problem()});
  });
}

void NodeService::fees(std::optional<std::int64_t> chain, rest::Done<rest::FeeReport> done) {
  if (!parts_.chains.present()) return NodeApi::fees(chain, std::move(done));
  const Chains::Chain* of = &parts_.chains.active();
  if (chain && *chain != 0) of = parts_.chains.find(static_cast<std::uint64_t>(*chain));
  if (of == nullptr) {
    return done(rest::Failure{500, "err_get_active_hermes", "This node knows no such chain"});
  }
  transactor::Client& transactor = parts_.treasurer.transactor();
  transactor.fees(
      of->id, [this, of, &transactor, done](const Result<transactor::CombinedFees>& fees) {
        if (!fees.ok()) {
          return done(rest::Failure{500, "err_transactor_fetch_fees", transactor.last_problem()});
        }
        const auto to_rest = [](const transactor::FeeSet& set) {
          return rest::Fees{set.registration, set.settlement, set.decrease_stake, set.valid_until};
        };
        rest::FeeReport report{to_rest(fees->current), to_rest(fees->last), fees->server_time, 0};
        parts_.chains.reader(of->id)->hermes_fee(
            of->hermes, [done, report](const Result<chain::hermes::Fee>& fee) mutable {
              if (!fee.ok()) {
                return done(
                    chain_failure("err_hermes_fee", "The fee of hermes was not read", fee.error()));
              }
              report.hermes_per_10000 = fee->per_10000;
              done(report);
            });
      });
}

void NodeService::settlements(rest::SettlementFilter filter, std::uint32_t limit,
                              std::uint64_t offset, rest::Done<rest::SettlementPage> done) {
  if (filter.nothing) return done(rest::SettlementPage{});
  storage::SettlementStore::Filter stored{filter.from, filter.to, filter.provider, filter.hermes,
                                          filter.withdrawal};
  using Found = Result<storage::SettlementStore::Page>;
  parts_.store.run<Found>(
      [stored, limit, offset](storage::Tables& tables) {
        return tables.settlements.list(stored, limit, offset);
      },
      [done](const Found& found) {
        if (!found.ok()) {
          return done(rest::Failure{500, "err_transactor_settle_history", found.error().what});
        }
        rest::SettlementPage page;
        page.total = found->total;
        page.withdrawn = found->withdrawn;
        for (const core::money::SettlementRecord& record : found->items) {
          rest::Settlement one;
          one.transaction = "0x" + to_hex(record.transaction);
          one.provider = record.provider;
          one.hermes = record.hermes;
          // As the reference shows a channel id: its last 20 bytes.
          const auto channel = Address::from_bytes(ByteSpan(record.channel).subspan(12));
          if (channel.ok()) one.channel = *channel;
          one.beneficiary = record.beneficiary;
          one.amount = record.amount;
          one.fees = record.fees;
          one.settled_at = record.at;
          one.withdrawal = record.withdrawal;
          one.error = record.error;
          page.items.push_back(std::move(one));
        }
        done(std::move(page));
      });
}

// A consumer has to be registered before it asks a provider for anything.
void NodeService::check_consumer(const Address& id, std::function<void()> good,
                                 std::function<void(rest::Failure)> bad) {
  if (!parts_.chains.present()) return good();
  parts_.chains.registration(
      id, [good = std::move(good), bad = std::move(bad)](const Result<RegistrationState>& state) {
        if (!state.ok()) {
          return bad(chain_failure("err_id_registration_status_check",
                                   "Failed to check the registration on chain", state.error()));
        }
        if (*state == RegistrationState::Registered || *state == RegistrationState::InProgress) {
          return good();
        }
        bad({422, "err_id_not_registered",
             "The identity is not registered: register it before connecting"});
      });
}

}  // namespace myst::app
