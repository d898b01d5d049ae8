#include "core/money/promise_desk.hpp"

#include <algorithm>
#include <utility>

#include "core/payment/channel.hpp"
#include "core/payment/recovery.hpp"

namespace myst::core::money {
namespace {

using hermes::Cause;
using hermes::Refusal;

constexpr Duration kBusyPause = std::chrono::milliseconds{500};
constexpr int kBusyLimit = 3;

// How a refusal ends an exchange. Rejected: the consumer's payment is worth nothing, the session is
// over; Unavailable: Hermes' own trouble, counted.
Error error_of(Cause cause) {
  switch (cause) {
    case Cause::InvalidSignature:
      return {Errc::Rejected, 0, "hermes: invalid signature"};
    case Cause::PaymentValueTooLow:
      return {Errc::Rejected, 0, "hermes: payment value too low"};
    case Cause::PromiseValueTooLow:
      return {Errc::Rejected, 0, "hermes: promise value too low"};
    case Cause::Overspend:
      return {Errc::Rejected, 0, "hermes: the consumer has not enough balance"};
    case Cause::ConsumerUnregistered:
      return {Errc::Rejected, 0, "hermes: the consumer is not registered"};
    case Cause::HashlockMismatch:
      return {Errc::Unavailable, 0, "hermes: hashlock mismatch"};
    case Cause::PreviousRNotRevealed:
      return {Errc::Unavailable, 0, "hermes: previous R not revealed"};
    case Cause::TooManyRequests:
      return {Errc::Unavailable, 0, "hermes: too many requests"};
    case Cause::Internal:
    case Cause::ProviderBalanceExhausted:
    case Cause::MalformedJson:
    case Cause::RRecoveryRequired:
    case Cause::InvalidPreviousPromise:
    case Cause::NoPreviousPromise:
    case Cause::NotFound:
      break;
  }
  return {Errc::Unavailable, 0, "hermes refused"};
}

}  // namespace

Status PromiseDesk::verify(const SignedPromise& answer, const payment::Promise& expected,
                           const Address& operator_key) {
  const payment::Promise& got = answer.promise;
  if (got.chain_id != expected.chain_id)
    return Error{Errc::Rejected, 0, "promise of another chain"};
  if (got.channel != expected.channel)
    return Error{Errc::Rejected, 0, "promise of another channel"};
  if (got.hashlock != expected.hashlock) return Error{Errc::Rejected, 0, "promise of another lock"};
  if (got.amount < expected.amount) return Error{Errc::Rejected, 0, "promise of too little"};
  const auto signer = payment::recover_promise_signer(got, answer.signature);
  if (!signer.ok() || *signer != operator_key) {
    return Error{Errc::Rejected, 0, "promise not signed by hermes"};
  }
  return {};
}

Status PromiseDesk::submit(Now now, Job job) {
  if (jobs_.size() >= kMaxWaiting) return Error{Errc::Full, 0, "payments waiting for hermes"};
  jobs_.push_back(std::move(job));
  next(now);
  return {};
}

void PromiseDesk::next(Now now) {
  if (busy_ || jobs_.empty()) return;
  busy_ = true;
  recovered_ = synced_ = false;
  busy_answers_ = 0;
  const Job& job = jobs_.front();
  auto parsed = parse_payment(job.message);
  if (!parsed.ok()) return finish(now, Error{Errc::Rejected, 0, "payment cannot be read"});
  if (!parsed->message.hermes)
    return finish(now, Error{Errc::Rejected, 0, "payment names no hermes"});
  if (job.signer == nullptr) {
    return finish(now, Error{Errc::Unavailable, 0, "the identity is locked"});
  }
  payment_ = std::move(*parsed);
  chain_ = payment_->message.chain_id;
  hermes_ = *payment_->message.hermes;
  payment::RecoveryData secret{to_bytes(job.r.bytes()), job.agreement};
  auto sealed = payment::seal_recovery(*job.signer, rng_, secret);
  if (!sealed.ok()) return finish(now, sealed.error());
  recovery_ = std::move(*sealed);
  fx_.ask(FindOperator{0, chain_, hermes_}, [this](Now at, Result<Outcome>& result) {
    const auto found = outcome_of<Address>(result);
    if (!found.ok()) return finish(at, Error{Errc::Unavailable, 0, "operator of hermes not known"});
    operator_ = *found;
    fx_.ask(FindFee{0, chain_, FeeKind::Settle}, [this](Now then, Result<Outcome>& answer) {
      const auto fee = outcome_of<Fee>(answer);
      if (!fee.ok()) return finish(then, Error{Errc::Unavailable, 0, "settlement fee not known"});
      fee_ = fee->amount;
      request(then);
    });
  });
}

void PromiseDesk::finish(Now now, const Status& status) {
  const std::uint64_t request = jobs_.front().request;
  jobs_.pop_front();
  busy_ = false;
  payment_.reset();
  again_at_.reset();
  if (request != 0) fx_.emit(ExchangeDone{request, status});
  next(now);
}

void PromiseDesk::call(HermesCall what, std::function<void(Now, Result<HermesAnswer>)> then) {
  fx_.ask(CallHermes{0, chain_, hermes_, std::move(what), jobs_.front().signer},
          [then = std::move(then)](Now now, Result<Outcome>& result) {
            then(now, outcome_of<HermesAnswer>(result));
          });
}

void PromiseDesk::request(Now) {
  call(AskPromise{payment_->wire, fee_, recovery_, {}},
       [this](Now now, Result<HermesAnswer> answer) { answered(now, std::move(answer)); });
}

void PromiseDesk::answered(Now now, Result<HermesAnswer> answer) {
  if (!answer.ok()) return finish(now, Error{Errc::Unavailable, 0, "hermes does not answer"});
  if (const auto* refusal = std::get_if<Refusal>(answer->get())) return refused(now, *refusal);
  const auto* promise = std::get_if<SignedPromise>(answer->get());
  if (promise == nullptr) return finish(now, Error{Errc::Unavailable, 0, "hermes answers oddly"});
  const Job& job = jobs_.front();
  payment::Promise expected;
  expected.chain_id = chain_;
  expected.channel = payment::provider_channel_id(job.provider, hermes_);
  expected.hashlock = payment::hashlock_of(job.r.bytes());
  expected.amount = events_.known(chain_, job.provider, hermes_);
  const auto before = exchanged_.find({job.provider, job.agreement});
  if (before != exchanged_.end()) {
    const Wei paid = Wei::saturating_sub(payment_->message.agreement_total, before->second);
    expected.amount = Wei::saturating_add(expected.amount, paid);
  }
  if (const Status status = verify(*promise, expected, operator_); !status.ok()) {
    fx_.note(true, std::string("hermes answered with a ") + status.error().what, job.provider);
    return finish(now, status);
  }
  store(now, *promise);
}

void PromiseDesk::refused(Now now, const Refusal& refusal) {
  const Job& job = jobs_.front();
  switch (refusal.cause) {
    case Cause::TooManyRequests:
      if (++busy_answers_ > kBusyLimit) break;
      again_at_ = now.instant + kBusyPause;
      return;
    case Cause::RRecoveryRequired:
      if (std::exchange(recovered_, true)) break;
      return recover(now, refusal.data, [this](Now at, const Status& status) {
        if (!status.ok()) return finish(at, status);
        request(at);
      });
    case Cause::InvalidPreviousPromise:
      if (std::exchange(synced_, true)) break;
      return resync(now);
    case Cause::ProviderBalanceExhausted:
      // The session goes on: what it earns is promised after the settlement.
      events_.exhausted(now, chain_, job.provider, hermes_);
      return finish(now, {});
    default:
      break;
  }
  fx_.note(true, "hermes refuses a promise: " + refusal.message, job.provider);
  finish(now, error_of(refusal.cause));
}

// An earlier promise whose R never reached Hermes: its R is in the note we left there.
void PromiseDesk::recover(Now now, const std::string& data, Then then) {
  const Job& job = jobs_.front();
  const auto secret = payment::open_recovery(*job.signer, data);
  if (!secret.ok()) {
    return then(now, Error{Errc::Unavailable, 0, "the recovery data of hermes is not ours"});
  }
  call(RevealR{secret->r, job.provider, secret->agreement_id},
       [then = std::move(then)](Now at, Result<HermesAnswer> answer) {
         if (!answer.ok()) return then(at, Error{Errc::Unavailable, 0, "hermes does not answer"});
         if (const auto* refusal = std::get_if<Refusal>(answer->get())) {
           return then(at, error_of(refusal->cause));
         }
         then(at, {});
       });
}

// Hermes has lost our latest promise: it gets it back, with its R, and is asked again.
void PromiseDesk::resync(Now now) {
  const Job& job = jobs_.front();
  const StoredPromise* stored = events_.stored(chain_, job.provider, hermes_);
  if (stored == nullptr) {
    return finish(now,
                  Error{Errc::Unavailable, 0, "hermes lost a promise that is not here either"});
  }
  call(SyncPromise{stored->promise},
       [this, r = stored->r, agreement = stored->agreement](Now at, Result<HermesAnswer> answer) {
         if (!answer.ok()) return finish(at, Error{Errc::Unavailable, 0, "hermes does not answer"});
         if (const auto* refusal = std::get_if<Refusal>(answer->get())) {
           return finish(at, error_of(refusal->cause));
         }
         call(RevealR{to_bytes(r.bytes()), jobs_.front().provider, agreement},
              [this](Now then, Result<HermesAnswer>) { request(then); });
       });
}

void PromiseDesk::store(Now, const SignedPromise& promise) {
  const Job& job = jobs_.front();
  promise_ = StoredPromise{job.provider, hermes_, promise, job.r, job.agreement, false, {}};
  fx_.ask(StorePromise{0, promise_, payment_->message.agreement_total},
          [this](Now now, Result<Outcome>& result) {
            if (!result.ok()) return finish(now, Error{Errc::Rejected, 0, "promise not stored"});
            promise_.updated = now.wall;
            if (exchanged_.size() >= kMaxAgreements) exchanged_.clear();
            Wei& total = exchanged_[{promise_.provider, promise_.agreement}];
            total = std::max(total, payment_->message.agreement_total);
            events_.received(now, promise_);
            reveal(now);
          });
}

void PromiseDesk::reveal(Now) {
  const auto revealed = [this](Now now) {
    promise_.revealed = true;
    events_.revealed(promise_);
    fx_.ask(StorePromise{0, promise_, {}}, nullptr);
    finish(now, {});
  };
  call(RevealR{to_bytes(promise_.r.bytes()), promise_.provider, promise_.agreement},
       [this, revealed](Now now, Result<HermesAnswer> answer) {
         if (!answer.ok()) {
           return finish(now, Error{Errc::Unavailable, 0, "hermes does not answer"});
         }
         const auto* refusal = std::get_if<Refusal>(answer->get());
         if (refusal == nullptr || refusal->cause == Cause::NoPreviousPromise) return revealed(now);
         if (refusal->cause == Cause::RRecoveryRequired && !std::exchange(recovered_, true)) {
           return recover(now, refusal->data,
                          [this](Now at, const Status& status) { finish(at, status); });
         }
         finish(now, error_of(refusal->cause));
       });
}

void PromiseDesk::handle_timeout(Now now) {
  if (!again_at_ || now.instant < *again_at_) return;
  again_at_.reset();
  request(now);
}

}  // namespace myst::core::money
