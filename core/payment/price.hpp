// What a session costs, how much more than that a consumer tolerates, and how a provider stretches
// its limits. The reference node multiplies integers by doubles exactly and rounds once: done so
// here too, so both sides agree to the wei.
#pragma once

#include <cstdint>

#include "core/base/time.hpp"
#include "core/base/u256.hpp"

namespace myst::payment {

struct Price {
  Wei per_hour;
  Wei per_gib;
  bool is_free() const { return per_hour.is_zero() && per_gib.is_zero(); }
  bool operator==(const Price& o) const { return per_hour == o.per_hour && per_gib == o.per_gib; }
  bool operator!=(const Price& o) const { return !(*this == o); }
};

// Largest per-direction counters ever seen; their sum wraps at 2^64 as the reference's does.
struct DataVolume {
  std::uint64_t up_bytes = 0;
  std::uint64_t down_bytes = 0;
  std::uint64_t total() const { return up_bytes + down_bytes; }
};

// value * factor, computed exactly, rounded to nearest even at max(64, bits of value) significant
// bits, truncated; U256::max() when it does not fit. factor: finite, not negative (else 0).
U256 scaled(const U256& value, double factor);

Wei amount_due(Duration elapsed, const DataVolume& data, const Price& price);

// The share a consumer accepts above its own reckoning: clocks and counters of two sides differ,
// most of all in a young or a fast session. total_bytes includes the leeway.
double invoice_tolerance(Duration elapsed, std::uint64_t total_bytes);

inline constexpr std::uint64_t kDefaultLeewayBytes = 20u << 20;
// An invoice above this is refused.
Wei largest_acceptable_total(Duration elapsed, const DataVolume& data, const Price& price,
                             std::uint64_t leeway_bytes = kDefaultLeewayBytes);

// Both grow by a third up to their limit, with each payment kept.
Wei next_max_unpaid(const Wei& current, const Wei& limit);
Duration next_charge_period(Duration current, Duration limit);

// The contract's calculateHermesFee: ceil(floor(amount * fee / 100) / 100). U256::max() where it
// would revert.
Wei hermes_fee(const Wei& amount, std::uint32_t fee_per_10000);

}  // namespace myst::payment
