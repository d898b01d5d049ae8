#include "core/money/settler.hpp"

#include <algorithm>
#include <utility>

#include "core/money/promise_desk.hpp"
#include "core/money/run_times.hpp"
#include "core/payment/channel.hpp"
#include "core/payment/signed_requests.hpp"

namespace myst::core::money {

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
  if (run->ordered) hooks_.changed(run->order.provider);
  run->then(now, problem);
}

Wei Settler::in_settlement(const Address& provider, const Address& hermes) const {
  const auto found = runs_.find({provider, hermes});
  if (found == runs_.end() || !found->second->ordered) return {};
  return Wei::saturating_sub(found->second->promise.promise.promise.amount, found->second->settled);
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
  run->ordered = true;
  hooks_.changed(run->order.provider);
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
  fx_.ask(CallTransactor{0, config_.chain.id, std::move(call)},
          [this, run](Now at, Result<Outcome>& result) {
            const auto queued = outcome_of<Queued>(result);
            if (queued.ok()) return sent(at, run, *queued);
            const std::string& why = fx_.refusal();
            end(at, run,
                "the transactor refuses the settlement: " +
                    (why.empty() ? std::string(queued.error().what) : why));
          });
}

void Settler::sent(Now now, const RunPtr& run, const Queued& queued) {
  run->queue_id = queued.id;
  run->give_up_at = now.instant + config_.limit;
  run->pause = std::min<Duration>(config_.first_check, config_.check_interval);
  run->check_at = now.instant + run->pause;
}

void Settler::check(Now, const RunPtr& run) {
  run->check_at.reset();
  fx_.ask(ReadQueue{0, run->queue_id}, [this, run](Now now, Result<Outcome>& result) {
    const auto entry = outcome_of<QueueEntry>(result);
    queue_says(now, run, entry.ok() ? *entry : QueueEntry{{}, {}, {}, QueueState::Waiting});
  });
}

void Settler::queue_says(Now now, const RunPtr& run, const QueueEntry& entry) {
  const auto wait = [&] {
    if (now.instant >= run->give_up_at) {
      // Not known how it ended: the next settlement looks at the chain first.
      fx_.note(true, "a settlement takes too long to follow it: " + run->queue_id,
               run->order.provider);
      return end(now, run, "");
    }
    run->pause = std::min<Duration>(run->pause * 2, config_.check_interval);
    run->check_at = now.instant + run->pause;
  };
  switch (entry.state) {
    case QueueState::Waiting:
      return wait();
    case QueueState::Done:
      return look_for_logs(now, run);
    case QueueState::Failed:
    case QueueState::Unknown:
      break;
  }
  SettlementRecord failed;
  failed.error = entry.error.empty() ? "the transactor failed" : entry.error;
  record(now, run, std::move(failed));
  end(now, run, "settlement failed: " + (entry.error.empty() ? "no reason given" : entry.error));
}

void Settler::look_for_logs(Now, const RunPtr& run) {
  FindSettlements find{0, config_.chain.id, run->order.hermes, run->promise.promise.promise.channel,
                       run->promise.r};
  fx_.ask(std::move(find), [this, run](Now now, Result<Outcome>& result) {
    auto found = outcome_of<std::vector<SettlementRecord>>(result);
    if (!found.ok() || found->empty()) {
      return queue_says(now, run, QueueEntry{{}, {}, {}, QueueState::Waiting});
    }
    ask<ChannelAmounts>(run,
                        ReadChannel{0, config_.chain.id, run->order.provider, run->order.hermes},
                        "settled amount not read",
                        [this, run, records = std::move(*found)](Now at, ChannelAmounts& amounts) {
                          hooks_.channel_read(at, run->order.provider, run->order.hermes, amounts);
                          for (SettlementRecord one : records) {
                            one.total_settled = amounts.settled;
                            record(at, run, std::move(one));
                          }
                          end(at, run, "");
                        });
  });
}

void Settler::record(Now now, const RunPtr& run, SettlementRecord one) {
  one.provider = run->order.provider;
  one.hermes = run->order.hermes;
  one.chain = config_.chain.id;
  one.channel = run->promise.promise.promise.channel;
  one.at = now.wall;
  if (one.beneficiary.is_zero()) one.beneficiary = run->beneficiary;
  fx_.ask(StoreSettlement{0, one}, nullptr);
  fx_.emit(Settled{std::move(one)});
}

void Settler::handle_timeout(Now now) {
  for (const auto& key :
       due_runs(runs_, now.instant, [](const RunPtr& run) { return run->check_at; })) {
    const auto found = runs_.find(key);
    if (found != runs_.end()) check(now, RunPtr(found->second));
  }
}

std::optional<Instant> Settler::next_timeout() const {
  return next_run(runs_, [](const RunPtr& run) { return run->check_at; });
}

}  // namespace myst::core::money
