#include "apps/myst/treasurer.hpp"

#include <algorithm>
#include <cmath>
#include <variant>

#include "core/chain/events.hpp"
#include "core/payment/channel.hpp"
#include "core/payment/price.hpp"
#include "platform/log/log.hpp"

namespace myst::app {
namespace {

using namespace core::money;

constexpr Error kNoChain{Errc::Unsupported, 0, "this network has no such chain"};
constexpr std::size_t kMaxPlaces = 256;
constexpr std::size_t kMaxTotals = 4096;
constexpr std::uint64_t kLogWindow = 800;  // blocks: what public servers give at a time

// A number of tokens from the configuration.
Wei tokens(double number) {
  if (!(number > 0) || !std::isfinite(number)) return {};
  return payment::scaled(Wei(1000000000000000000u), number);
}

}  // namespace

Treasurer::Config Treasurer::configured(const core::NodeConfig& config, const Chains& chains) {
  Config out;
  out.transactor_url = config.text("transactor.address");
  auto& settler = out.treasury.settler;
  if (chains.present()) {
    const Chains::Chain& chain = chains.active();
    const auto facts = [](const Chains::Chain& one) {
      return Settler::ChainFacts{one.id, one.registry, one.hermes, one.channel_implementation,
                                 one.known_hermeses};
    };
    settler.chain = facts(chain);
    for (const char* key : {"chains.1.chainID", "chains.2.chainID"}) {
      const auto* one = chains.find(static_cast<std::uint64_t>(config.integer(key)));
      if (one != nullptr) out.treasury.chains.push_back(facts(*one));
    }
  }
  settler.check_interval = config.duration("payments.hermes.settle.check-interval");
  settler.limit = config.duration("payments.hermes.settle.timeout");
  auto& limits = out.treasury.limits;
  limits.threshold = config.number("payments.hermes.promise.threshold");
  limits.max_fee_share = config.number("payments.settle.max-fee-percentage");
  limits.least = tokens(config.number("payments.zero-stake-unsettled-amount"));
  limits.always = tokens(config.number("payments.unsettled.max-amount"));
  auto& registrar = out.treasury.registrar;
  registrar.poll_interval = config.duration("payments.registry-transactor-poll.interval");
  registrar.limit = config.duration("payments.registry-transactor-poll.timeout");
  return out;
}

Treasurer::Treasurer(platform::Loop& loop, Rng& rng, platform::HttpClient& http, Chains& chains,
                     storage::Store& store, Config config)
    : loop_(loop),
      chains_(chains),
      store_(store),
      hermes_(http),
      transactor_(loop, http, config.transactor_url),
      treasury_(config.treasury, rng),
      timer_(loop,
             [this] { run([](Treasury& treasury, Now now) { treasury.handle_timeout(now); }); }) {}

void Treasurer::start() {
  if (!chains_.present()) return;
  chains_.on_registered([this](const Address& identity) {
    run([&](Treasury& treasury, Now now) { treasury.handle_registered(now, identity); });
  });
  chains_.on_no_channel([this](const Address& identity, const Address& hermes,
                               Chains::Callback<std::optional<Chains::Offchain>> done) {
    offchain(identity, hermes, std::move(done));
  });
  run([](Treasury& treasury, Now now) { treasury.start(now); });
}

void Treasurer::unlocked(std::shared_ptr<const Signer> signer) {
  if (!chains_.present()) return;
  const Address identity = signer->address();
  run([&](Treasury& treasury, Now now) { treasury.handle_unlocked(now, std::move(signer)); });
  chains_.registration(identity, [this, identity](const Result<chain::RegistrationState>& state) {
    if (!state.ok() || *state != chain::RegistrationState::InProgress) return;
    run([&](Treasury& treasury, Now now) { treasury.resume_registration(now, identity); });
  });
}

void Treasurer::locked(const Address& identity) {
  run([&](Treasury& treasury, Now) { treasury.handle_locked(identity); });
}

void Treasurer::drain() {
  if (draining_) return;
  draining_ = true;
  for (;;) {
    if (auto action = treasury_.poll_action()) {
      std::visit([this](auto&& a) { execute(std::forward<decltype(a)>(a)); }, std::move(*action));
      continue;
    }
    const auto event = treasury_.poll_event();
    if (!event) break;
    tell(*event);
  }
  timer_.arm(treasury_.next_timeout());
  draining_ = false;
}

void Treasurer::answer(ActionId id, Result<Outcome> result) {
  treasury_.handle_action_done(loop_.now(), id, std::move(result));
  drain();
}

void Treasurer::tell(const Event& event) {
  const auto take = [](auto& map, std::uint64_t request) {
    const auto found = map.find(request);
    if (found == map.end()) return typename std::decay_t<decltype(map)>::mapped_type();
    auto call = std::move(found->second);
    map.erase(found);
    return call;
  };
  if (const auto* done = std::get_if<ExchangeDone>(&event)) {
    if (const auto call = take(exchanges_, done->request)) call(done->status);
  } else if (const auto* changed = std::get_if<EarningsChanged>(&event)) {
    if (changed_) changed_(changed->provider);
  } else if (const auto* settled = std::get_if<core::money::SettleDone>(&event)) {
    if (const auto call = take(settling_, settled->request)) {
      call(settled->ok ? std::string() : settled->reason);
    }
  } else if (const auto* checked = std::get_if<MigrationChecked>(&event)) {
    if (const auto call = take(checking_, checked->request)) {
      if (checked->problem.empty()) {
        call(checked->needed);
      } else {
        call(Error{Errc::Unavailable, 0, "what is with the older hermes is not known"});
      }
    }
  } else if (const auto* taken = std::get_if<core::money::RegisterDone>(&event)) {
    if (const auto call = take(registering_, taken->request)) call(*taken);
  } else if (const auto* phase = std::get_if<RegistrationChanged>(&event)) {
    using chain::RegistrationState;
    switch (phase->phase) {
      case RegistrationPhase::InProgress:
        chains_.set_registration(phase->identity, RegistrationState::InProgress);
        log::info("registration is in progress", "identity", phase->identity.to_string());
        break;
      case RegistrationPhase::Registered:
        chains_.set_registration(phase->identity, RegistrationState::Registered);
        log::info("identity is registered", "identity", phase->identity.to_string());
        break;
      case RegistrationPhase::Failed:
        chains_.set_registration(phase->identity, RegistrationState::Failed);
        log::error("registration failed", "identity", phase->identity.to_string(), "why",
                   phase->reason);
        break;
    }
    if (changed_) changed_(phase->identity);
  } else if (const auto* record = std::get_if<Settled>(&event)) {
    if (record->record.error.empty()) {
      log::info("settled", "provider", record->record.provider.to_string(), "amount",
                record->record.amount.to_string(), "fees", record->record.fees.to_string());
    }
  } else if (const auto* note = std::get_if<Note>(&event)) {
    if (note->warning) {
      log::warn(note->text, "identity", note->provider.to_string());
    } else {
      log::info(note->text, "identity", note->provider.to_string());
    }
  }
}

// --- commands

void Treasurer::exchange(core::node::RequestPromise&& request, std::function<void(Status)> done) {
  if (!chains_.present()) return done(kNoChain);
  const std::uint64_t id = next_request_++;
  exchanges_[id] = std::move(done);
  Treasury::Exchange exchange{id, request.provider, std::move(request.exchange_message), request.r,
                              request.agreement};
  run([&](Treasury& treasury, Now now) { treasury.submit(now, std::move(exchange)); });
}

void Treasurer::settle(const Address& provider, std::vector<Address> hermeses,
                       std::optional<Address> beneficiary, bool into_stake, SettleDone done) {
  if (!chains_.present()) return done(kNoChain.what);
  const std::uint64_t id = next_request_++;
  settling_[id] = std::move(done);
  Treasury::SettleRequest request{id, provider, std::move(hermeses), into_stake, beneficiary};
  run([&](Treasury& treasury, Now now) { treasury.settle(now, std::move(request)); });
}

void Treasurer::withdraw(Treasury::WithdrawRequest request, SettleDone done) {
  if (!chains_.present()) return done(kNoChain.what);
  request.request = next_request_++;
  settling_[request.request] = std::move(done);
  run([&](Treasury& treasury, Now now) { treasury.withdraw(now, std::move(request)); });
}

void Treasurer::decrease_stake(const Address& provider, const Wei& amount, SettleDone done) {
  if (!chains_.present()) return done(kNoChain.what);
  const std::uint64_t id = next_request_++;
  settling_[id] = std::move(done);
  run([&](Treasury& treasury, Now now) { treasury.decrease_stake(now, id, provider, amount); });
}

void Treasurer::migrate(const Address& identity, SettleDone done) {
  if (!chains_.present()) return done({});
  const std::uint64_t id = next_request_++;
  settling_[id] = std::move(done);
  run([&](Treasury& treasury, Now now) { treasury.migrate(now, id, identity); });
}

void Treasurer::check_migration(const Address& identity, std::function<void(Result<bool>)> done) {
  if (!chains_.present()) return done(false);
  const std::uint64_t id = next_request_++;
  checking_[id] = std::move(done);
  run([&](Treasury& treasury, Now now) { treasury.check_migration(now, id, identity); });
}

void Treasurer::register_identity(Registrar::Order order, RegisterDone done) {
  order.request = next_request_++;
  registering_[order.request] = std::move(done);
  run([&](Treasury& treasury, Now now) { treasury.register_identity(now, std::move(order)); });
}

void Treasurer::refresh(const Address& provider) {
  run([&](Treasury& treasury, Now now) { treasury.refresh(now, provider); });
}

void Treasurer::grand_total(std::uint64_t chain, const Address& identity, const Address& hermes,
                            std::function<void(Result<Wei>)> done) {
  const auto stored = [this, chain, identity, hermes, done = std::move(done)] {
    store_.run<Result<Wei>>(
        [chain, identity, hermes](storage::Tables& tables) {
          return tables.money.grand_total(chain, identity, hermes);
        },
        done);
  };
  if (!chains_.present() || totals_known_.count({identity, hermes}) != 0) return stored();
  find_hermes(
      chain, hermes, [this, chain, identity, hermes, stored](const Result<HermesPlace>& place) {
        if (!place.ok()) {
          log::warn("hermes not found: what was promised before is taken from here", "why",
                    place.error().what);
          return stored();
        }
        hermes_.call(
            place->url, AskConsumerData{identity}, nullptr,
            [this, chain, identity, hermes, stored](const Result<core::hermes::Answer>& answer) {
              if (!answer.ok()) {
                log::warn("hermes does not say what was promised before", "why",
                          answer.error().what);
                return stored();
              }
              if (totals_known_.size() >= kMaxTotals) totals_known_.clear();
              totals_known_.insert({identity, hermes});
              const auto* accounts = std::get_if<std::vector<core::hermes::AccountData>>(&*answer);
              if (accounts == nullptr) return stored();  // it does not know the identity
              for (const core::hermes::AccountData& account : *accounts) {
                if (account.chain != chain) continue;
                Wei total = account.settled;
                const auto& latest = account.latest;
                if (!latest.promise.amount.is_zero()) {
                  const auto signer =
                      payment::recover_promise_signer(latest.promise, latest.signature);
                  if (!signer.ok() || *signer != identity) {
                    log::warn("hermes shows a promise that is not ours", "identity",
                              identity.to_string());
                    return stored();
                  }
                  total = std::max(total, latest.promise.amount);
                }
                store_.run<Status>(
                    [chain, identity, hermes, total](storage::Tables& tables) {
                      return tables.money.raise_grand_total(chain, identity, hermes, total);
                    },
                    [stored](const Status&) { stored(); });
                return;
              }
              stored();
            });
      });
}

void Treasurer::offchain(const Address& identity, const Address& hermes,
                         Chains::Callback<std::optional<Chains::Offchain>> done) {
  using Found = std::optional<Chains::Offchain>;
  const std::uint64_t chain = chains_.active().id;
  find_hermes(
      chain, hermes,
      [this, chain, identity, hermes, done = std::move(done)](const Result<HermesPlace>& place) {
        if (!place.ok()) return done(place.error());
        hermes_.call(
            place->url, AskConsumerData{identity}, nullptr,
            [this, chain, identity, hermes, done](const Result<core::hermes::Answer>& answer) {
              if (!answer.ok()) return done(answer.error());
              const auto* all = std::get_if<std::vector<core::hermes::AccountData>>(&*answer);
              if (all == nullptr) return done(Found());  // it does not know the identity
              for (const core::hermes::AccountData& account : *all) {
                if (account.chain != chain || !account.offchain) continue;
                const auto& latest = account.latest;
                Wei promised = account.settled;
                if (!latest.promise.amount.is_zero()) {
                  const auto signer =
                      payment::recover_promise_signer(latest.promise, latest.signature);
                  if (!signer.ok() || *signer != identity) {
                    return done(Error{Errc::Rejected, 0, "a promise that is not ours"});
                  }
                  promised = std::max(promised, latest.promise.amount);
                }
                const Found found = Chains::Offchain{account.balance, account.settled};
                return store_.run<Status>(
                    [chain, identity, hermes, promised](storage::Tables& tables) {
                      return tables.money.raise_grand_total(chain, identity, hermes, promised);
                    },
                    [found, done](const Status& stored) {
                      if (!stored.ok()) return done(stored.error());
                      done(found);
                    });
              }
              done(Found());
            });
      });
}

// --- Hermes and the transactor

void Treasurer::find_hermes(std::uint64_t chain, const Address& hermes,
                            std::function<void(Result<HermesPlace>)> done) {
  if (const auto found = places_.find({chain, hermes}); found != places_.end()) {
    return done(found->second);
  }
  const Chains::Chain* known = chains_.find(chain);
  if (known == nullptr) return done(kNoChain);
  chains_.reader(chain)->hermes_record(
      known->registry, hermes,
      [this, chain, hermes,
       done = std::move(done)](const Result<chain::registry::HermesRecord>& record) {
        if (!record.ok()) return done(record.error());
        auto url = hermes::base_url(record->url);
        if (!url.ok()) return done(url.error());
        if (places_.size() >= kMaxPlaces) places_.clear();
        places_[{chain, hermes}] = HermesPlace{record->operator_key, *url};
        done(HermesPlace{record->operator_key, std::move(*url)});
      });
}

void Treasurer::execute(CallHermes&& action) {
  find_hermes(action.chain, action.hermes, [this, action](const Result<HermesPlace>& place) {
    if (!place.ok()) return answer(action.id, Result<Outcome>(place.error()));
    hermes_.call(place->url, action.call, action.signer.get(),
                 [this, action](Result<core::hermes::Answer> got) {
                   if (!got.ok()) {
                     return answer(action.id, Result<Outcome>(got.error()));
                   }
                   answer(action.id,
                          Outcome(std::make_shared<const core::hermes::Answer>(std::move(*got))));
                 });
  });
}

void Treasurer::execute(FindOperator&& action) {
  find_hermes(action.chain, action.hermes,
              [this, id = action.id](const Result<HermesPlace>& place) {
                if (!place.ok()) return answer(id, Result<Outcome>(place.error()));
                answer(id, Outcome(place->operator_key));
              });
}

void Treasurer::execute(FindFee&& action) {
  transactor_.fee(action.chain, action.kind, answerer<Fee>(action.id));
}

void Treasurer::execute(CallTransactor&& action) {
  transactor_.send(action.call, [this, id = action.id](Result<std::string> queued) {
    if (queued.ok()) return answer(id, Outcome(Queued{std::move(*queued)}));
    treasury_.handle_refused(transactor_.last_problem());
    answer(id, Result<Outcome>(queued.error()));
  });
}

void Treasurer::execute(CheckEligible&& action) {
  transactor_.eligible(action.identity, [this, id = action.id](const Result<bool>& eligible) {
    if (!eligible.ok()) return answer(id, Result<Outcome>(eligible.error()));
    answer(id, Outcome(Yes{*eligible}));
  });
}

void Treasurer::execute(ReadRegistrations&& action) {
  transactor_.registrations(action.identity, answerer<std::vector<RegistrationStatus>>(action.id));
}

void Treasurer::execute(ReadQueue&& action) {
  transactor_.queue(action.queue_id, answerer<QueueEntry>(action.id));
}

// --- the chain

void Treasurer::execute(ReadChannel&& action) {
  ethereum::Reader* reader = chains_.reader(action.chain);
  if (reader == nullptr) return answer(action.id, Result<Outcome>(kNoChain));
  const Digest32 channel = action.withdrawal
                               ? payment::withdrawal_channel_id(action.provider, action.hermes)
                               : payment::provider_channel_id(action.provider, action.hermes);
  reader->provider_channel(
      action.hermes, channel,
      action.mined ? ethereum::BlockTag::Latest : ethereum::BlockTag::Pending,
      [this, id = action.id](const Result<chain::hermes::Channel>& found) {
        if (!found.ok()) return answer(id, Result<Outcome>(found.error()));
        answer(id, Outcome(ChannelAmounts{found->settled, found->stake, found->last_used_nonce}));
      });
}

void Treasurer::execute(ReadPurse&& action) {
  if (chains_.find(action.chain) == nullptr) return answer(action.id, Result<Outcome>(kNoChain));
  chains_.purse(action.chain, action.identity, action.hermes,
                [this, id = action.id](const Result<Chains::ChannelState>& state) {
                  if (!state.ok()) return answer(id, Result<Outcome>(state.error()));
                  answer(id, Outcome(Purse{state->tokens, state->settled, state->deployed}));
                });
}

void Treasurer::execute(FindChannel&& action) {
  chains_.consumer_channel(action.chain, action.identity, action.hermes,
                           answerer<Address>(action.id));
}

void Treasurer::execute(CheckOwnChannel&& action) {
  chains_.is_own_channel(action.identity, action.wallet,
                         [this, id = action.id](const Result<bool>& own) {
                           if (!own.ok()) return answer(id, Result<Outcome>(own.error()));
                           answer(id, Outcome(Yes{*own}));
                         });
}

void Treasurer::execute(ReadHermesFee&& action) {
  ethereum::Reader* reader = chains_.reader(action.chain);
  if (reader == nullptr) return answer(action.id, Result<Outcome>(kNoChain));
  reader->settlement_fee(action.hermes, action.amount, answerer<Wei>(action.id));
}

void Treasurer::execute(ReadBeneficiary&& action) {
  const Chains::Chain* chain = chains_.find(action.chain);
  if (chain == nullptr) return answer(action.id, Result<Outcome>(kNoChain));
  chains_.reader(action.chain)
      ->beneficiary(chain->registry, action.provider, answerer<Address>(action.id));
}

void Treasurer::execute(ReadRegistryNonce&& action) {
  const Chains::Chain* chain = chains_.find(action.chain);
  if (chain == nullptr) return answer(action.id, Result<Outcome>(kNoChain));
  chains_.reader(action.chain)->registry_nonce(chain->registry, answerer<Wei>(action.id));
}

void Treasurer::execute(CheckRegistry&& action) {
  const Chains::Chain* chain = chains_.find(action.chain);
  if (chain == nullptr) return answer(action.id, Result<Outcome>(kNoChain));
  chains_.reader(action.chain)
      ->is_registered(chain->registry, action.identity,
                      [this, id = action.id](const Result<bool>& registered) {
                        if (!registered.ok())
                          return answer(id, Result<Outcome>(registered.error()));
                        answer(id, Outcome(Yes{*registered}));
                      });
}

void Treasurer::execute(FindSettlements&& action) {
  ethereum::Reader* reader = chains_.reader(action.chain);
  if (reader == nullptr) return answer(action.id, Result<Outcome>(kNoChain));
  reader->latest_block([this, reader, action](const Result<chain::Block>& latest) {
    if (!latest.ok()) return answer(action.id, Result<Outcome>(latest.error()));
    chain::LogFilter filter;
    filter.addresses = {action.hermes};
    filter.topics = {chain::topic::kHermesPromiseSettled, std::nullopt, action.channel};
    const std::uint64_t from = latest->number > kLogWindow ? latest->number - kLogWindow : 0;
    reader->logs(filter, from, std::nullopt,
                 [this, action](const Result<std::vector<chain::Log>>& logs) {
                   if (!logs.ok()) return answer(action.id, Result<Outcome>(logs.error()));
                   std::vector<SettlementRecord> found;
                   for (const chain::Log& log : *logs) {
                     const auto event = chain::read_hermes_promise_settled(log);
                     if (!event.ok() || log.removed || log.address != action.hermes) continue;
                     if (event->channel_id != action.channel) continue;
                     if (!equal_constant_time(event->r, action.r.bytes())) continue;
                     SettlementRecord record;
                     record.transaction = log.transaction;
                     record.beneficiary = event->beneficiary;
                     record.amount = event->sent_to_beneficiary;
                     record.fees = event->fees;
                     found.push_back(std::move(record));
                   }
                   answer(action.id, Outcome(std::move(found)));
                 });
  });
}

}  // namespace myst::app
