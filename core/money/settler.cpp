#include "core/money/settler.hpp"

#include <algorithm>
#include <utility>

#include "core/money/promise_desk.hpp"
#include "core/payment/channel.hpp"
#include "core/payment/signed_requests.hpp"

namespace myst::core::money {
namespace {

constexpr int kBadGateway = 502, kGatewayTimeout = 504;  // of HTTP, by those in between

SettlementWatch::Config watch_of(const Settler::Config& config) {
  SettlementWatch::Config out;
  out.chain = config.chain.id;
  out.first_check = config.first_check;
  out.check_interval = config.check_interval;
  out.limit = config.limit;
  return out;
}

}  // namespace

Settler::Settler(EffectQueue& fx, Config config, Hooks hooks)
    : fx_(fx),
      config_(std::move(config)),
      hooks_(std::move(hooks)),
      watch_(fx, watch_of(config_), {hooks_.channel_read, hooks_.changed}) {}

// `Action` members are set before; the id is given by the queue.
template <typename T>
void Settler::ask(const RunPtr& run, Action action, const char* failing,
                  std::function<void(Now, T&)> then) {
  const auto answered = [this, run, failing, then = std::move(then)](Now now,
                                                                     Result<Outcome>& result) {
    auto value = outcome_of<T>(result);
    if (!value.ok()) return end(now, run, std::string(failing) + ": " + value.error().what);
    then(now, *value);
  };
  std::visit([&](auto& a) { fx_.ask(std::move(a), answered); }, action);
}

void Settler::start(Now now, Order order, Then then) {
  const Key key{order.provider, order.hermes};
  if (runs_.count(key) != 0) return then(now, "a settlement is already in progress");
  if (runs_.size() >= kMaxRuns) return then(now, "too many settlements at a time");
  const StoredPromise* stored = hooks_.stored(config_.chain.id, order.provider, order.hermes);
  if (stored == nullptr) return then(now, "there are no earnings to settle");
  auto run = std::make_shared<Run>();
  run->promise = *stored;
  run->order = std::move(order);
  run->then = std::move(then);
  runs_[key] = run;
  ask<ChannelAmounts>(
      run, ReadChannel{0, config_.chain.id, key.first, key.second}, "settled amount not read",
      [this, run](Now at, ChannelAmounts& amounts) { with_channel(at, run, amounts); });
}

void Settler::end(Now now, const RunPtr& run, const std::string& problem) {
  const Key key{run->order.provider, run->order.hermes};
  const auto found = runs_.find(key);
  if (found == runs_.end() || found->second != run) return;
  runs_.erase(found);
  run->then(now, problem);
}

void Settler::with_channel(Now now, const RunPtr& run, const ChannelAmounts& amounts) {
  run->settled = amounts.settled;
  hooks_.channel_read(now, run->order.provider, run->order.hermes, amounts);
  if (run->promise.promise.promise.amount <= run->settled) return end(now, run, "");
  ask<Address>(run, FindOperator{0, config_.chain.id, run->order.hermes},
               "operator of hermes not known", [this, run](Now, Address& operator_key) {
                 run->operator_key = operator_key;
                 ask<Fee>(run, FindFee{0, config_.chain.id, FeeKind::Settle},
                          "settlement fee not known",
                          [this, run](Now at, Fee& fee) { with_fee(at, run, fee); });
               });
}

void Settler::with_fee(Now now, const RunPtr& run, const Fee& fee) {
  run->fee = fee.amount;
  if (run->order.max_fee && run->fee > *run->order.max_fee) {
    return end(now, run, "the settlement fee is too high");
  }
  if (run->promise.promise.promise.fee == run->fee) return weigh(now, run);
  reissue(now, run);
}

// The same promise with today's fee. Without it the old one is used: the transactor decides.
void Settler::reissue(Now, const RunPtr& run) {
  fx_.ask(
      CallHermes{0, config_.chain.id, run->order.hermes,
                 ChangeFee{run->promise.promise, run->promise.r, run->fee}, run->order.signer},
      [this, run](Now now, Result<Outcome>& result) {
        auto answer = outcome_of<HermesAnswer>(result);
        const auto* promise = answer.ok() ? std::get_if<SignedPromise>(answer->get()) : nullptr;
        if (promise == nullptr ||
            !PromiseDesk::verify(*promise, run->promise.promise.promise, run->operator_key).ok() ||
            promise->promise.amount != run->promise.promise.promise.amount ||
            promise->promise.fee != run->fee) {
          fx_.note(true, "hermes did not change the fee of a promise; settling with the old one",
                   run->order.provider);
          return weigh(now, run);
        }
        run->promise.promise = *promise;
        ask<Done>(run, StorePromise{0, run->promise, {}}, "promise not stored",
                  [this, run](Now at, Done&) {
                    hooks_.reissued(at, run->promise);
                    weigh(at, run);
                  });
      });
}

void Settler::weigh(Now, const RunPtr& run) {
  const auto& promise = run->promise.promise.promise;
  const Wei amount = Wei::saturating_sub(promise.amount, run->settled);
  ask<Wei>(run, ReadHermesFee{0, config_.chain.id, run->order.hermes, amount},
           "fee of hermes not known", [this, run, amount](Now now, Wei& hermes_fee) {
             if (Wei::saturating_add(hermes_fee, run->promise.promise.promise.fee) > amount) {
               return end(now, run, "fees exceed earnings");
             }
             if (run->order.into_stake) return order_it(now, run, {});
             choose_beneficiary(now, run);
           });
}

void Settler::choose_beneficiary(Now, const RunPtr& run) {
  ask<Address>(
      run, ReadBeneficiary{0, config_.chain.id, run->order.provider}, "beneficiary not read",
      [this, run](Now, Address& current) {
        run->old_beneficiary = run->beneficiary = current;
        ask<Address>(
            run, LoadPayoutWallet{0, run->order.provider}, "payout wallet not read",
            [this, run](Now, Address& wallet) {
              if (run->order.beneficiary) {
                run->beneficiary = *run->order.beneficiary;
              } else if (!wallet.is_zero()) {
                run->beneficiary = wallet;
              }
              // Money that goes to the own purse could be spent, and never be paid out.
              ask<Yes>(run, CheckOwnChannel{0, run->order.provider, run->beneficiary},
                       "the identity's channels are not known", [this, run](Now at, Yes& own) {
                         if (own.value) {
                           return end(at, run,
                                      "the beneficiary is the identity's own channel: set a payout "
                                      "wallet first");
                         }
                         pay_to_beneficiary(at, run);
                       });
            });
      });
}

void Settler::pay_to_beneficiary(Now now, const RunPtr& run) {
  if (run->beneficiary == run->old_beneficiary) return order_it(now, run, {});
  if (run->order.signer == nullptr) {
    return end(now, run, "the identity is locked: its beneficiary cannot be changed");
  }
  ask<Wei>(
      run, ReadRegistryNonce{0, config_.chain.id}, "nonce of the registry not read",
      [this, run](Now at, Wei& last) { order_it(at, run, U256::saturating_add(last, U256(1u))); });
}

void Settler::order_it(Now now, const RunPtr& run, const U256& nonce) {
  SettleBody body{run->order.hermes, run->order.provider, run->promise.promise, run->promise.r};
  TransactorCall call;
  if (run->beneficiary != run->old_beneficiary) {
    payment::BeneficiaryTerms terms{config_.chain.id, config_.chain.registry, run->order.provider,
                                    run->beneficiary, nonce};
    const auto signature = payment::sign_terms(*run->order.signer, terms);
    if (!signature.ok()) return end(now, run, "the change of beneficiary could not be signed");
    call = SettleWithBeneficiary{std::move(body), run->beneficiary, config_.chain.registry, nonce,
                                 *signature};
  } else {
    call = Settle{std::move(body), run->order.into_stake};
  }
  OpenSettlement open;
  open.chain = config_.chain.id;
  open.provider = run->order.provider;
  open.hermes = run->order.hermes;
  open.beneficiary = run->beneficiary;
  open.channel = run->promise.promise.promise.channel;
  open.amount = run->promise.promise.promise.amount;
  open.settled = run->settled;
  open.r = run->promise.r;
  watch_.open(now, open, [this, run, open, call = std::move(call)](Now) mutable {
    send(run, open, std::move(call));
  });
}

void Settler::send(const RunPtr& run, const OpenSettlement& open, TransactorCall call) {
  fx_.ask(CallTransactor{0, config_.chain.id, std::move(call)},
          [this, run, open](Now now, Result<Outcome>& result) {
            auto queued = outcome_of<Queued>(result);
            if (queued.ok()) {
              return watch_.taken(
                  now, open, std::move(queued->id),
                  [this, run](Now at, const std::string& problem) { end(at, run, problem); });
            }
            // It says no, or else it may have heard of it.
            const Error& error = queued.error();
            if (error.code == Errc::Rejected && error.detail != kBadGateway &&
                error.detail != kGatewayTimeout) {
              watch_.refused(now, open);
            } else {
              watch_.unanswered(now, open);
            }
            const std::string& why = fx_.refusal();
            end(now, run,
                "the transactor refuses the settlement: " +
                    (why.empty() ? std::string(queued.error().what) : why));
          });
}

}  // namespace myst::core::money
