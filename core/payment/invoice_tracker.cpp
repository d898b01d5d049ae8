#include "core/payment/invoice_tracker.hpp"

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"

namespace myst::core {
namespace {

constexpr Duration kTick = std::chrono::seconds{1};

}  // namespace

InvoiceTracker::InvoiceTracker(const Config& config, Rng& rng, Now now)
    : config_(config),
      rng_(rng),
      start_(now.instant),
      last_invoice_(now.instant),
      tick_at_(now.instant + kTick),
      agreement_(payment::make_agreement_id(rng)),
      period_(config.payment.first_charge_period),
      max_unpaid_(config.payment.first_max_unpaid) {
  const auto period = std::max<Duration>(config.payment.first_charge_period, Duration{1});
  // Rounded to the nearest, as the reference does; 24 with the defaults.
  limit_ = static_cast<int>(std::clamp<std::int64_t>(
      (config.payment.charge_period_leeway + period / 2) / period, 1, 100000));
  invoice(now, true);
}

Wei InvoiceTracker::due(Instant now) const {
  return payment::amount_due(now - start_, data_, config_.price);
}

void InvoiceTracker::fail(Errc code, const char* why) {
  if (failed_) return;
  failed_ = true;
  actions_.push_back(Failed{Error{code, 0, why}});
}

void InvoiceTracker::invoice(Now now, bool critical) {
  if (unsent_ >= limit_) return fail(Errc::Timeout, "invoices could not be sent");
  if (unpaid_ >= limit_) return fail(Errc::Timeout, "consumer does not pay");
  if (outstanding_.size() >= kMaxOutstanding) {
    outstanding_.erase(outstanding_.begin());
    ++unpaid_;
  }
  Wei total = due(now.instant);
  // Leniency for the first payment, which is due before anything was had: one wei. The reference's
  // clock has always moved by then; ours may not have.
  if (last_total_.is_zero() && !config_.price.is_free()) total = Wei{1};
  Outstanding item{next_token_++, {}, payment::make_r(rng_), total, critical, !first_sent_, {},
                   now.wall};
  item.hashlock = payment::hashlock_of(item.r.bytes());
  first_sent_ = true;
  last_invoice_ = now.instant;
  InvoiceRecord record{agreement_, config_.provider, config_.consumer, config_.session_id,
                       total,      item.hashlock,    item.r,           now.wall};
  actions_.push_back(Store{item.token, std::move(record)});
  outstanding_.push_back(std::move(item));
}

void InvoiceTracker::handle_stored(Now now, std::uint64_t token, const Status& status) {
  if (failed_) return;
  const auto item = std::find_if(outstanding_.begin(), outstanding_.end(),
                                 [&](const Outstanding& o) { return o.token == token; });
  if (item == outstanding_.end()) return;
  if (!status.ok()) return fail(status.error().code, "invoice could not be stored");
  item->deadline = now.instant + config_.payment.exchange_wait;
  pb::Invoice wire;
  wire.agreement_id = agreement_.to_string();
  wire.agreement_total = item->total.to_string();
  wire.transactor_fee = "0";
  wire.hashlock = to_hex(item->hashlock);
  wire.provider = config_.provider.to_string();
  wire.chain_id = static_cast<std::int64_t>(config_.chain.chain_id);
  actions_.push_back(Send{token, std::move(wire)});
}

void InvoiceTracker::handle_sent(Now now, std::uint64_t token, const Status& answer) {
  (void)now;
  if (failed_ || answer.ok()) return;
  const bool timeout = answer.error().code == Errc::Timeout;
  const auto item = std::find_if(outstanding_.begin(), outstanding_.end(),
                                 [&](const Outstanding& o) { return o.token == token; });
  if (item == outstanding_.end() && timeout) return;  // paid although the acknowledgement was lost
  if (timeout && !item->first) {
    ++unsent_;
    return;
  }
  fail(answer.error().code, "consumer did not take the invoice");
}

Status InvoiceTracker::handle_exchange(Now now, ByteSpan bytes) {
  auto parsed = parse_payment(bytes);
  if (!parsed.ok()) return parsed.error();
  if (failed_) return {};
  const auto item =
      std::find_if(outstanding_.begin(), outstanding_.end(), [&](const Outstanding& o) {
        return o.deadline && equal_constant_time(o.hashlock, parsed->promise.hashlock);
      });
  if (item == outstanding_.end()) return {};  // too late: the next one covers it
  PaymentTerms terms{config_.chain, config_.provider, config_.consumer, config_.hermes,
                     agreement_,    item->total,      last_total_,      last_amount_};
  if (const Status status = check_payment(*parsed, terms); !status.ok()) {
    fail(status.error().code, status.error().what);
    return {};
  }
  // Quiet time at no price: nothing new is promised, so the disk is spared.
  const bool repeats =
      first_paid_ && item->total == last_total_ && parsed->promise.amount == last_amount_;
  last_total_ = item->total;
  last_amount_ = parsed->promise.amount;
  unpaid_ = unsent_ = 0;
  const bool first = !first_paid_;
  first_paid_ = true;
  if (repeats) {
    outstanding_.erase(item);
    return {};
  }
  if (accepted_.size() >= kMaxOutstanding) {
    fail(Errc::Full, "payments are not stored fast enough");
    return {};
  }
  PaymentRecord record{agreement_,  config_.provider, config_.consumer, config_.session_id,
                       item->total, to_bytes(bytes),  item->r,          now.wall};
  actions_.push_back(StoreAccepted{item->token, std::move(record)});
  accepted_.push_back(Accepted{item->token, to_bytes(bytes), item->r, first});
  outstanding_.erase(item);
  return {};
}

void InvoiceTracker::handle_accepted_stored(Now now, std::uint64_t token, const Status& status) {
  (void)now;
  const auto item = std::find_if(accepted_.begin(), accepted_.end(),
                                 [&](const Accepted& a) { return a.token == token; });
  if (item == accepted_.end() || failed_) return;
  if (!status.ok()) return fail(status.error().code, "payment could not be stored");
  if (item->first) actions_.push_back(FirstPaid{});
  actions_.push_back(Earned{last_total_});
  if (config_.chain.present && !config_.price.is_free()) {
    actions_.push_back(AskHermes{token, std::move(item->message), item->r, agreement_});
  }
  accepted_.erase(item);
}

void InvoiceTracker::handle_hermes(Now now, std::uint64_t token, const Status& status) {
  (void)now;
  (void)token;
  if (failed_) return;
  if (status.ok()) {
    hermes_failures_ = 0;
    return;
  }
  if (status.error().code == Errc::Rejected)
    return fail(Errc::Rejected, "hermes refuses the promise");
  if (++hermes_failures_ > config_.payment.hermes_failure_limit) {
    fail(Errc::Unavailable, "hermes failed too often");
  }
}

void InvoiceTracker::handle_data(Now now, std::uint64_t up_bytes, std::uint64_t down_bytes) {
  data_.up_bytes = std::max(data_.up_bytes, up_bytes);
  data_.down_bytes = std::max(data_.down_bytes, down_bytes);
  tick(now);
}

void InvoiceTracker::handle_timeout(Now now) {
  for (auto item = outstanding_.begin(); item != outstanding_.end() && !failed_;) {
    if (!item->deadline || now.instant < *item->deadline) {
      ++item;
      continue;
    }
    if (item->critical) return fail(Errc::Timeout, "an invoice was not paid in time");
    item = outstanding_.erase(item);
    ++unpaid_;
  }
  tick(now);
}

void InvoiceTracker::tick(Now now) {
  if (failed_) return;
  tick_at_ = now.instant + kTick;
  const Duration since = now.instant - last_invoice_;
  if (!config_.price.is_free() && since > config_.payment.debounce &&
      U256::saturating_sub(due(now.instant), last_total_) >= max_unpaid_) {
    invoice(now, true);
    max_unpaid_ = payment::next_max_unpaid(max_unpaid_, config_.payment.max_unpaid_limit);
  } else if (since >= period_) {
    invoice(now, false);
    period_ = payment::next_charge_period(period_, config_.payment.charge_period_limit);
  }
}

std::optional<InvoiceTracker::Action> InvoiceTracker::poll_action() {
  if (actions_.empty()) return std::nullopt;
  Action action = std::move(actions_.front());
  actions_.pop_front();
  return action;
}

std::optional<Instant> InvoiceTracker::next_timeout() const {
  if (failed_) return std::nullopt;
  Instant at = last_invoice_ + period_;
  // Between two counters only the time's share grows.
  if (!config_.price.per_hour.is_zero()) at = std::min(at, tick_at_);
  std::optional<Instant> next = at;
  for (const auto& item : outstanding_) next = earliest(next, item.deadline);
  return next;
}

}  // namespace myst::core
