#include "core/money/settle_rule.hpp"

#include "core/payment/price.hpp"

namespace myst::core::money {

SettleVerdict should_settle(const Earnings& earnings, const SettleLimits& limits) {
  const Wei unsettled = earnings.unsettled();
  if (earnings.stake.is_zero()) {
    if (unsettled > limits.always) return SettleVerdict::Yes;
    return unsettled >= limits.least ? SettleVerdict::IfFee : SettleVerdict::No;
  }
  const Wei share = payment::scaled(earnings.available(), limits.threshold);
  return unsettled >= share && earnings.balance() <= share ? SettleVerdict::Yes : SettleVerdict::No;
}

Wei largest_fee(const Earnings& earnings, const SettleLimits& limits) {
  return payment::scaled(earnings.unsettled(), limits.max_fee_share);
}

}  // namespace myst::core::money
