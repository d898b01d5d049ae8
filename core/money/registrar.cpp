#include "core/money/registrar.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/money/run_times.hpp"
#include "core/payment/channel.hpp"
#include "core/payment/signed_requests.hpp"

namespace myst::core::money {

void Registrar::refuse(const Order& order, RegisterDone::Problem problem, std::string reason) {
  runs_.erase(order.identity);
  fx_.emit(RegisterDone{order.request, problem, std::move(reason)});
}

void Registrar::start(Now now, Order order) {
  using Problem = RegisterDone::Problem;
  if (runs_.count(order.identity) != 0) {
    fx_.emit(RegisterDone{order.request, Problem::InProgress, "registration is in progress"});
    return;
  }
  if (order.signer == nullptr) {
    return refuse(order, Problem::Refused, "the identity is locked: unlock it first");
  }
  if (!order.beneficiary.empty() && !Address::parse(order.beneficiary).ok()) {
    return refuse(order, Problem::Refused, "the beneficiary is no address");
  }
  if (runs_.size() >= kMaxRuns) {
    return refuse(order, Problem::Refused, "too many registrations at a time");
  }
  runs_[order.identity];
  if (!order.referral_token.empty()) return with_fee(now, order, Wei());
  fx_.ask(CheckEligible{0, order.identity}, [this, order](Now at, Result<Outcome>& result) {
    const auto eligible = outcome_of<Yes>(result);
    // Who cannot say so, does not say that it is free.
    if (eligible.ok() && eligible->value) return with_fee(at, order, Wei());
    if (order.fee && !order.fee->is_zero()) return with_fee(at, order, *order.fee);
    fx_.ask(
        FindFee{0, chain_.id, FeeKind::Register}, [this, order](Now then, Result<Outcome>& found) {
          const auto fee = outcome_of<Fee>(found);
          if (!fee.ok()) {
            return refuse(order, Problem::Fees,
                          std::string("the registration fee is not known: ") + fee.error().what);
          }
          with_fee(then, order, fee->amount);
        });
  });
}

void Registrar::with_fee(Now, const Order& order, const Wei& fee) {
  RegisterIdentity call;
  call.chain = chain_.id;
  call.registry = chain_.registry;
  call.hermes = chain_.hermes;
  call.identity = order.identity;
  call.fee = fee;
  call.referral_token = order.referral_token;
  call.beneficiary = order.beneficiary;
  if (call.beneficiary.empty()) {
    call.beneficiary = payment::consumer_channel(order.identity, chain_.hermes, chain_.registry,
                                                 chain_.channel_implementation)
                           .to_string();
  }
  const payment::RegistrationTerms terms{chain_.id,     chain_.registry,
                                         chain_.hermes, Wei(),
                                         fee,           Address::parse_lenient(call.beneficiary)};
  const auto signature = payment::sign_terms(*order.signer, terms);
  if (!signature.ok()) {
    return refuse(order, RegisterDone::Problem::Refused, "the registration could not be signed");
  }
  call.signature = *signature;
  fx_.ask(CallTransactor{0, chain_.id, std::move(call)},
          [this, order](Now now, Result<Outcome>& result) {
            if (!result.ok()) {
              const std::string& why = fx_.refusal();
              return refuse(order, RegisterDone::Problem::Refused,
                            why.empty() ? std::string(result.error().what) : why);
            }
            fx_.emit(RegisterDone{order.request, RegisterDone::Problem::None, {}});
            fx_.emit(RegistrationChanged{order.identity, RegistrationPhase::InProgress, {}});
            resume(now, order.identity);
          });
}

void Registrar::resume(Now now, const Address& identity) {
  Run& run = runs_[identity];
  run.give_up_at = now.instant + config_.limit;
  run.pause = std::min<Duration>(config_.first_poll, config_.poll_interval);
  run.poll_at = now.instant + run.pause;
}

// The chain is asked first: it knows, whatever became of the transactor.
void Registrar::poll(const Address& identity) {
  runs_[identity].poll_at.reset();
  fx_.ask(CheckRegistry{0, chain_.id, identity}, [this, identity](Now, Result<Outcome>& result) {
    const auto registered = outcome_of<Yes>(result);
    if (registered.ok() && registered->value) {
      return end(identity, RegistrationPhase::Registered, {});
    }
    look_at_transactor(identity);
  });
}

void Registrar::look_at_transactor(const Address& identity) {
  fx_.ask(ReadRegistrations{0, identity}, [this, identity](Now now, Result<Outcome>& result) {
    const auto found = runs_.find(identity);
    if (found == runs_.end()) return;
    const auto entries = outcome_of<std::vector<RegistrationStatus>>(result);
    if (!entries.ok()) {
      found->second.last_problem = "the transactor does not answer";
      return wait(now, identity);
    }
    found->second.last_problem = "the transactor knows of no such registration";
    for (const RegistrationStatus& entry : *entries) {
      if (entry.chain != chain_.id) continue;
      if (entry.progress == RegistrationProgress::Failed) {
        return end(identity, RegistrationPhase::Failed,
                   "the transactor could not register the identity" +
                       (entry.transaction.empty() ? "" : ", transaction " + entry.transaction));
      }
      found->second.last_problem = entry.progress == RegistrationProgress::Succeeded
                                       ? "the chain does not show the registration yet"
                                       : "the registration waits for the chain";
    }
    wait(now, identity);
  });
}

void Registrar::wait(Now now, const Address& identity) {
  Run& run = runs_[identity];
  if (now.instant >= run.give_up_at) {
    return end(identity, RegistrationPhase::Failed,
               "it took too long (" + run.last_problem + "); it can be asked for again");
  }
  run.pause = std::min<Duration>(run.pause * 2, config_.poll_interval);
  run.poll_at = now.instant + run.pause;
}

void Registrar::end(const Address& identity, RegistrationPhase phase, std::string reason) {
  runs_.erase(identity);
  fx_.emit(RegistrationChanged{identity, phase, std::move(reason)});
}

void Registrar::handle_timeout(Now now) {
  for (const Address& identity :
       due_runs(runs_, now.instant, [](const Run& run) { return run.poll_at; })) {
    poll(identity);
  }
}

std::optional<Instant> Registrar::next_timeout() const {
  return next_run(runs_, [](const Run& run) { return run.poll_at; });
}

}  // namespace myst::core::money
