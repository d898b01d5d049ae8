// When earnings are settled without being asked, and what may be paid for it (reference:
// session/pingpong/hermes_promise_settler.go).
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/u256.hpp"

namespace myst::core::money {

struct Earnings {
  Wei promised;  // by Hermes, over the life of the channel
  Wei settled;   // on the chain
  Wei stake;

  const Wei& lifetime() const { return promised; }
  Wei unsettled() const { return Wei::saturating_sub(promised, settled); }
  Wei available() const { return Wei::saturating_add(settled, stake); }
  Wei balance() const { return Wei::saturating_sub(available(), promised); }
};

struct SettleLimits {
  double threshold = 0.1;           // share of what is available, with a stake
  double max_fee_share = 0.05;      // of what is settled
  Wei least{5000000000000000000u};  // 5 tokens, without a stake
  Wei always = Wei::saturating_mul(Wei(1000000000000000000u), Wei(20));  // whatever it costs
};

enum class SettleVerdict : std::uint8_t {
  No,
  Yes,    // whatever the fee
  IfFee,  // with a fee below largest_fee()
};
SettleVerdict should_settle(const Earnings& earnings, const SettleLimits& limits);
// What a settlement of these earnings may cost.
Wei largest_fee(const Earnings& earnings, const SettleLimits& limits);

}  // namespace myst::core::money
