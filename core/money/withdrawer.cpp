#include "core/money/withdrawer.hpp"

#include <algorithm>
#include <utility>

#include "core/money/promise_desk.hpp"
#include "core/money/run_times.hpp"
#include "core/payment/channel.hpp"
#include "core/payment/payment_check.hpp"
#include "core/payment/payment_message.hpp"
#include "core/payment/recovery.hpp"
#include "core/payment/signed_requests.hpp"

namespace myst::core::money {

template <typename T>
void Withdrawer::ask(const RunPtr& run, Action action, const char* failing,
                     std::function<void(Now, T&)> then) {
  const auto answered = [this, run, failing, then = std::move(then)](Now now,
                                                                     Result<Outcome>& result) {
    auto value = outcome_of<T>(result);
    if (!value.ok()) return end(now, run, std::string(failing) + ": " + value.error().what);
    then(now, *value);
  };
  std::visit([&](auto& a) { fx_.ask(std::move(a), answered); }, action);
}

const Settler::ChainFacts* Withdrawer::facts(std::uint64_t chain) const {
  const auto at = std::find_if(config_.chains.begin(), config_.chains.end(),
                               [&](const Settler::ChainFacts& one) { return one.id == chain; });
  return at == config_.chains.end() ? nullptr : &*at;
}

void Withdrawer::start(Now now, Order order, Then then) {
  const Settler::ChainFacts* from = facts(order.from);
  const Settler::ChainFacts* to = facts(order.to);
  if (from == nullptr || to == nullptr) return then(now, "this node knows no such chain");
  if (order.signer == nullptr) return then(now, "the identity is locked: unlock it first");
  if (order.hermes.is_zero()) order.hermes = from->hermes;
  if (const auto found = runs_.find(order.provider); found != runs_.end()) {
    // One that does not get on may be replaced; its payment goes with this one.
    const Run& other = *found->second;
    if (!other.again || other.to.id != to->id || other.order.hermes != order.hermes) {
      return then(now, "a withdrawal is already in progress");
    }
    runs_.erase(found);
  }
  if (runs_.size() >= kMaxRuns) return then(now, "too many withdrawals at a time");
  auto run = std::make_shared<Run>();
  run->from = *from;
  run->to = *to;
  run->hermes = from->id == to->id ? order.hermes : to->hermes;
  run->order = std::move(order);
  run->then = std::move(then);
  run->open.provider = run->order.provider;
  run->open.from = run->from.id;
  run->open.to = run->to.id;
  run->open.from_hermes = run->order.hermes;
  run->open.hermes = run->hermes;
  run->open.beneficiary = run->order.beneficiary;
  run->open.begun = now.wall;
  runs_[run->order.provider] = run;
  prepare(run, [this, run](Now at) { send_again(at, run); });
}

void Withdrawer::prepare(const RunPtr& run, std::function<void(Now)> then) {
  ask<Address>(run, FindOperator{0, run->to.id, run->hermes}, "operator of hermes not known",
               [this, run, then = std::move(then)](Now, Address& operator_key) {
                 run->operator_key = operator_key;
                 ask<Fee>(run, FindFee{0, run->to.id, FeeKind::Settle}, "settlement fee not known",
                          [run, then](Now at, Fee& fee) {
                            run->fee = fee.amount;
                            then(at);
                          });
               });
}

// --- after a restart

void Withdrawer::resume(Now) {
  fx_.ask(LoadWithdrawals{0}, [this](Now now, Result<Outcome>& result) {
    const auto all = outcome_of<std::vector<OpenWithdrawal>>(result);
    if (!all.ok()) {
      return fx_.note(true, std::string("withdrawals not read: ") + all.error().what, {});
    }
    for (const OpenWithdrawal& one : *all) {
      left_[one.provider] = one;
      take_up(now, one);
    }
  });
}

void Withdrawer::handle_unlocked(Now now, const Address& identity) {
  const auto found = left_.find(identity);
  if (found != left_.end()) take_up(now, OpenWithdrawal(found->second));
}

void Withdrawer::take_up(Now now, const OpenWithdrawal& open) {
  const Settler::ChainFacts* from = facts(open.from);
  const Settler::ChainFacts* to = facts(open.to);
  if (runs_.count(open.provider) != 0) return;
  if (from == nullptr || to == nullptr) {
    return fx_.note(true, "a withdrawal on a chain that this node no longer has was left open",
                    open.provider);
  }
  auto run = std::make_shared<Run>();
  run->order.signer = signers_(open.provider);
  if (run->order.signer == nullptr && open.amount.is_zero()) {
    return fx_.note(true, "a withdrawal goes on when its identity is unlocked", open.provider);
  }
  run->order.provider = open.provider;
  run->order.hermes = open.from_hermes;
  run->order.from = open.from;
  run->order.to = open.to;
  run->order.beneficiary = open.beneficiary;
  run->from = *from;
  run->to = *to;
  run->hermes = open.hermes;
  run->open = open;
  run->on_disk = run->resumed = true;
  left_.erase(open.provider);
  runs_[open.provider] = run;
  fx_.note(false, "a withdrawal of the last run goes on", open.provider);
  go_on(now, run);
}

void Withdrawer::go_on(Now now, const RunPtr& run) {
  run->check_at.reset();
  run->again = false;
  const OpenWithdrawal& open = run->open;
  const StoredPromise* held = stored_(run->to.id, run->order.provider, run->hermes);
  if (held != nullptr && (open.agreement.is_zero() || held->agreement == open.agreement)) {
    run->promise = *held;
    if (open.queue_id.empty()) return cash_or_find(run);
    run->give_up_at = now.instant + config_.limit;
    run->pause = std::min<Duration>(config_.first_check, config_.check_interval);
    return check(now, run);
  }
  // Hermes has not promised it, or the promise was lost on its way.
  run->order.signer = signers_(run->order.provider);
  if (run->order.signer == nullptr) return end(now, run, "the identity is locked");
  prepare(run, [this, run](Now) {
    ask<std::vector<Claim>>(
        run, LoadOwnPayment{0, run->order.provider}, "own payments not read",
        [this, run](Now at, std::vector<Claim>& own) {
          if (own.empty() || own.front().agreement != run->open.agreement) {
            return fail(at, run, "the payment of a withdrawal is not there any more");
          }
          exchange(at, run, own.front().message, own.front().r, own.front().agreement,
                   [this, run](Now then) { cash(then, run); });
        });
  });
}

// The transactor may have had it: what the chain shows decides.
void Withdrawer::cash_or_find(const RunPtr& run) {
  ask<ChannelAmounts>(run, ReadChannel{0, run->to.id, run->order.provider, run->hermes, true},
                      "settled amount not read", [this, run](Now now, ChannelAmounts& amounts) {
                        if (amounts.settled < run->promise.promise.promise.amount) {
                          return cash(now, run);
                        }
                        find_line(now, run);
                      });
}

void Withdrawer::told(Now now, const RunPtr& run, const std::string& problem) {
  if (run->then) std::exchange(run->then, nullptr)(now, problem);
}

void Withdrawer::end(Now now, const RunPtr& run, const std::string& problem) {
  if (!run->resumed || problem.empty()) return close(now, run, problem);
  // Nobody waits for it, and it is on the disk: another time.
  if (!std::exchange(run->warned, true)) {
    fx_.note(true, "a withdrawal of the last run is tried again: " + problem, run->order.provider);
  }
  run->pause = std::min<Duration>(std::max<Duration>(run->pause * 2, config_.retry), config_.late);
  run->check_at = now.instant + run->pause;
  run->again = true;
}

// It is over, one way or the other.
void Withdrawer::close(Now now, const RunPtr& run, const std::string& problem) {
  const auto found = runs_.find(run->order.provider);
  if (found == runs_.end() || found->second != run) return;
  runs_.erase(found);
  if (!problem.empty() && !run->then) {
    fx_.note(true, "withdrawal: " + problem, run->order.provider);
  }
  if (!run->on_disk) return told(now, run, problem);
  fx_.ask(EndWithdrawal{0, run->order.provider},
          [this, run, problem](Now at, Result<Outcome>&) { told(at, run, problem); });
}

// For good, unless the chain shows that it was paid out by an earlier try. The owner finds it in
// the history.
void Withdrawer::fail(Now, const RunPtr& run, const std::string& problem) {
  run->check_at.reset();
  fx_.ask(ReadChannel{0, run->to.id, run->order.provider, run->hermes, true},
          [this, run, problem](Now now, Result<Outcome>& result) {
            const auto amounts = outcome_of<ChannelAmounts>(result);
            const Wei& promised = run->promise.promise.promise.amount;
            if (amounts.ok() && !promised.is_zero() && amounts->settled >= promised) {
              return find_line(now, run);
            }
            SettlementRecord failed;
            failed.error = problem;
            record(now, run, failed);
            close(now, run, problem);
          });
}

// A payment to ourselves that the last run may not have brought to Hermes.
void Withdrawer::send_again(Now, const RunPtr& run) {
  ask<std::vector<Claim>>(
      run, LoadOwnPayment{0, run->order.provider}, "own payments not read",
      [this, run](Now now, std::vector<Claim>& own) {
        const StoredPromise* held = stored_(run->to.id, run->order.provider, run->hermes);
        if (own.empty() || (held != nullptr && held->agreement == own.front().agreement)) {
          return look(now, run);
        }
        const auto parsed = parse_payment(own.front().message);
        if (!parsed.ok() || parsed->message.chain_id != run->to.id ||
            parsed->message.hermes != run->hermes) {
          return look(now, run);  // of another chain: it waits for a withdrawal there
        }
        exchange(now, run, own.front().message, own.front().r, own.front().agreement,
                 [this, run](Now at) { look(at, run); });
      });
}

// What has been promised over the channel, as Hermes, our books and the chain know it.
void Withdrawer::look(Now, const RunPtr& run) {
  ask<HermesAnswer>(
      run,
      CallHermes{0, run->from.id, run->order.hermes, AskConsumerData{run->order.provider},
                 run->order.signer},
      "hermes does not answer", [this, run](Now now, HermesAnswer& answer) {
        if (const auto* accounts = std::get_if<std::vector<hermes::AccountData>>(answer.get())) {
          for (const hermes::AccountData& account : *accounts) {
            if (account.chain != run->from.id) continue;
            run->promised = account.settled;
            const SignedPromise& latest = account.latest;
            if (!latest.promise.amount.is_zero()) {
              const auto signer = payment::recover_promise_signer(latest.promise, latest.signature);
              if (!signer.ok() || *signer != run->order.provider) {
                return end(now, run, "hermes shows a promise that is not ours");
              }
              run->promised = std::max(run->promised, latest.promise.amount);
            }
            run->offchain = account.offchain;
            if (account.offchain) run->available = account.balance;
          }
        }
        ask<Wei>(run, LoadPromised{0, run->from.id, run->order.provider, run->order.hermes},
                 "promises not read", [this, run](Now, Wei& ours) {
                   run->promised = std::max(run->promised, ours);
                   ask<Purse>(run,
                              ReadPurse{0, run->from.id, run->order.provider, run->order.hermes},
                              "channel not read",
                              [this, run](Now at, Purse& purse) { count(at, run, purse); });
                 });
      });
}

void Withdrawer::count(Now, const RunPtr& run, const Purse& purse) {
  run->promised = std::max(run->promised, purse.settled);
  if (!run->offchain) {
    run->available =
        Wei::saturating_sub(purse.tokens, Wei::saturating_sub(run->promised, purse.settled));
  }
  ask<ChannelAmounts>(run, ReadChannel{0, run->to.id, run->order.provider, run->hermes, true},
                      "settled amount not read", [this, run](Now now, ChannelAmounts& amounts) {
                        run->paid_out = amounts.settled;
                        decide(now, run);
                      });
}

void Withdrawer::decide(Now now, const RunPtr& run) {
  run->amount = run->order.amount.value_or(std::min(run->available, config_.most));
  const StoredPromise* held = stored_(run->to.id, run->order.provider, run->hermes);
  Wei waiting;  // promised by Hermes, not paid out yet
  if (held != nullptr) {
    waiting = Wei::saturating_sub(held->promise.promise.amount, run->paid_out);
  }
  if (run->amount > run->available) return end(now, run, "the balance is smaller than that");
  if (Wei::saturating_add(run->amount, waiting) <= run->fee) {
    return end(now, run, "what can be withdrawn does not cover the settlement fee");
  }
  if (!run->amount.is_zero()) return find_channel(run);
  run->promise = *held;
  cash(now, run);
}

void Withdrawer::find_channel(const RunPtr& run) {
  ask<Address>(run, FindChannel{0, run->from.id, run->order.provider, run->order.hermes},
               "the channel's address is not known",
               [this, run](Now now, Address& channel) { promise_it(now, run, channel); });
}

void Withdrawer::promise_it(Now now, const RunPtr& run, const Address& channel) {
  const Secret<32> r = payment::make_r(rng_);
  const U256 agreement = payment::make_agreement_id(rng_);
  payment::Promise promise;
  promise.chain_id = run->from.id;
  promise.channel = payment::to_word(channel);
  promise.amount = Wei::saturating_add(run->promised, run->amount);
  promise.hashlock = payment::hashlock_of(r.bytes());
  const auto message =
      signed_payment(*run->order.signer, promise,
                     {run->to.id, agreement, run->amount, run->order.provider, run->hermes});
  if (!message.ok()) return end(now, run, "the payment could not be signed");
  const Bytes bytes = message->encode();
  PaymentRecord record{
      agreement, run->order.provider, run->order.provider, "withdrawal", run->amount, bytes, r,
      now.wall};
  run->open.agreement = agreement;
  ask<Done>(run,
            StoreOwnPayment{0, run->from.id, run->order.hermes, std::move(record), promise.amount,
                            run->open},
            "payment not stored", [this, run, bytes, r, agreement](Now at, Done&) {
              run->on_disk = true;
              exchange(at, run, bytes, r, agreement, [this, run](Now then) { cash(then, run); });
            });
}

void Withdrawer::exchange(Now now, const RunPtr& run, const Bytes& message, const Secret<32>& r,
                          const U256& agreement, std::function<void(Now)> then) {
  const auto parsed = parse_payment(message);
  auto sealed = payment::seal_recovery(*run->order.signer, rng_, {to_bytes(r.bytes()), agreement});
  if (!parsed.ok() || !sealed.ok()) return end(now, run, "the payment could not be sealed");
  ask<HermesAnswer>(
      run,
      CallHermes{0, run->to.id, run->hermes,
                 AskPromise{parsed->wire, run->fee, std::move(*sealed), r}, run->order.signer},
      "hermes does not answer",
      [this, run, r, agreement, then = std::move(then)](Now at, HermesAnswer& answer) {
        const auto* promise = std::get_if<SignedPromise>(answer.get());
        if (promise == nullptr) {
          const auto* refusal = std::get_if<hermes::Refusal>(answer.get());
          const std::string why =
              "hermes refuses: " + (refusal == nullptr ? std::string("oddly") : refusal->message);
          const bool passing = refusal == nullptr ||
                               refusal->cause == hermes::Cause::TooManyRequests ||
                               refusal->cause == hermes::Cause::Internal;
          return run->resumed && !passing ? fail(at, run, why) : end(at, run, why);
        }
        payment::Promise expected;
        expected.chain_id = run->to.id;
        expected.channel = payment::withdrawal_channel_id(run->order.provider, run->hermes);
        expected.hashlock = payment::hashlock_of(r.bytes());
        if (const StoredPromise* held = stored_(run->to.id, run->order.provider, run->hermes)) {
          expected.amount = held->promise.promise.amount;
        }
        const Status good = PromiseDesk::verify(*promise, expected, run->operator_key);
        if (!good.ok()) return end(at, run, std::string("hermes: ") + good.error().what);
        run->promise = {run->order.provider, run->hermes, *promise, r, agreement, true, at.wall};
        ask<Done>(run, StorePromise{0, run->promise, {}}, "promise not stored",
                  [this, run, then](Now later, Done&) {
                    received_(run->promise);
                    then(later);
                  });
      });
}

void Withdrawer::cash(Now now, const RunPtr& run) {
  run->check_at.reset();
  const payment::Promise& promise = run->promise.promise.promise;
  if (run->open.amount == promise.amount && run->on_disk) return hand_over(now, run);
  if (run->order.signer == nullptr) return end(now, run, "the identity is locked");
  payment::WithdrawalTerms terms{
      run->to.id, promise.channel, promise.amount, {}, run->order.beneficiary};
  const ByteSpan r = run->promise.r.bytes();
  std::copy(r.begin(), r.end(), terms.r.begin());
  const auto signature = payment::sign_terms(*run->order.signer, terms);
  if (!signature.ok()) return end(now, run, "the beneficiary could not be signed");
  run->open.amount = promise.amount;
  run->open.signature = *signature;
  fx_.ask(StoreWithdrawal{0, run->open}, [this, run](Now at, Result<Outcome>& result) {
    // Where the order is on the disk already it can be signed again.
    if (!result.ok() && !run->on_disk) return end(at, run, "withdrawal not stored");
    run->on_disk = true;
    hand_over(at, run);
  });
}

void Withdrawer::hand_over(Now now, const RunPtr& run) {
  told(now, run, {});  // from here on it is our own business
  run->resumed = true;
  PayAndSettle call{{run->hermes, run->order.provider, run->promise.promise, run->promise.r},
                    run->order.beneficiary,
                    run->open.signature};
  fx_.ask(CallTransactor{0, run->to.id, std::move(call)},
          [this, run](Now at, Result<Outcome>& result) {
            const auto queued = outcome_of<Queued>(result);
            if (queued.ok()) {
              run->open.queue_id = queued->id;
              fx_.ask(StoreWithdrawal{0, run->open}, nullptr);
              run->give_up_at = at.instant + config_.limit;
              run->pause = std::min<Duration>(config_.first_check, config_.check_interval);
              run->check_at = at.instant + run->pause;
              return;
            }
            if (queued.error().code != Errc::Rejected && ++run->tries <= config_.retries) {
              run->check_at = at.instant + config_.retry;
              return;
            }
            const std::string& why = fx_.refusal();
            const std::string problem = why.empty() ? std::string(queued.error().what) : why;
            if (queued.error().code != Errc::Rejected) {
              run->tries = 0;
              return end(at, run, "the transactor does not answer");
            }
            fail(at, run, "the transactor refuses the withdrawal: " + problem);
          });
}

void Withdrawer::check(Now now, const RunPtr& run) {
  if (run->again) return go_on(now, run);
  run->check_at.reset();
  if (run->paid) return look_for_logs(now, run);
  if (run->open.queue_id.empty()) return cash(now, run);
  fx_.ask(ReadQueue{0, run->open.queue_id}, [this, run](Now at, Result<Outcome>& result) {
    const auto entry = outcome_of<QueueEntry>(result);
    if (!entry.ok() || entry->state == QueueState::Waiting) return wait(at, run);
    if (entry->state == QueueState::Done) return look_for_logs(at, run);
    fail(at, run, entry->error.empty() ? "the transactor failed" : entry->error);
  });
}

void Withdrawer::wait(Now now, const RunPtr& run) {
  if (now.instant >= run->give_up_at) return wait_longer(now, run);
  run->pause = std::min<Duration>(std::max<Duration>(run->pause * 2, config_.first_check),
                                  config_.check_interval);
  run->check_at = now.instant + run->pause;
}

// Seldom from now on, until the chain shows it, the transactor gives up or is given up.
void Withdrawer::wait_longer(Now, const RunPtr& run) {
  run->check_at.reset();
  fx_.ask(ReadChannel{0, run->to.id, run->order.provider, run->hermes, true},
          [this, run](Now now, Result<Outcome>& result) {
            const auto amounts = outcome_of<ChannelAmounts>(result);
            if (amounts.ok() && amounts->settled >= run->promise.promise.promise.amount) {
              fx_.note(true, "a withdrawal was paid out by a transaction that is not found",
                       run->order.provider);
              return close(now, run, "");
            }
            if (now.instant >= run->give_up_at + config_.patience) {
              return fail(now, run, "nobody says what came of the withdrawal");
            }
            if (!std::exchange(run->warned, true)) {
              fx_.note(true, "a withdrawal takes long: " + run->open.queue_id, run->order.provider);
            }
            run->pause = std::min<Duration>(run->pause * 2, config_.late);
            run->check_at = now.instant + run->pause;
          });
}

void Withdrawer::find_line(Now now, const RunPtr& run) {
  run->paid = true;
  run->give_up_at = now.instant + config_.limit;
  look_for_logs(now, run);
}

void Withdrawer::look_for_logs(Now, const RunPtr& run) {
  FindSettlements find{0, run->to.id, run->hermes, run->promise.promise.promise.channel,
                       run->promise.r};
  fx_.ask(std::move(find), [this, run](Now now, Result<Outcome>& result) {
    auto found = outcome_of<std::vector<SettlementRecord>>(result);
    if (!found.ok() || found->empty()) return wait(now, run);
    for (SettlementRecord& one : *found) {
      one.total_settled = run->promise.promise.promise.amount;
      record(now, run, std::move(one));
    }
    close(now, run, "");
  });
}

void Withdrawer::record(Now now, const RunPtr& run, SettlementRecord one) {
  one.provider = run->order.provider;
  one.hermes = run->hermes;
  one.chain = run->to.id;
  one.channel = payment::withdrawal_channel_id(run->order.provider, run->hermes);
  one.at = now.wall;
  one.withdrawal = true;
  if (one.beneficiary.is_zero()) one.beneficiary = run->order.beneficiary;
  fx_.ask(StoreSettlement{0, one}, nullptr);
  fx_.emit(Settled{std::move(one)});
}

void Withdrawer::handle_timeout(Now now) {
  for (const auto& key :
       due_runs(runs_, now.instant, [](const RunPtr& run) { return run->check_at; })) {
    const auto found = runs_.find(key);
    if (found != runs_.end()) check(now, RunPtr(found->second));
  }
}

std::optional<Instant> Withdrawer::next_timeout() const {
  return next_run(runs_, [](const RunPtr& run) { return run->check_at; });
}

}  // namespace myst::core::money
