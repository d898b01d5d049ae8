// Ends a connection when the market has become cheaper than what was agreed: by a tenth or more in
// either part (reference: core/connection/manager.go, price monitor).
#pragma once

#include "core/market/price.hpp"

namespace myst::core {

// A part that costs nothing cannot become cheaper.
inline bool has_dropped(const Wei& agreed, const Wei& current) {
  if (agreed.is_zero()) return false;
  return U256::saturating_mul(current, 10) <= U256::saturating_mul(agreed, 9);
}
inline bool has_dropped(const Price& agreed, const Price& current) {
  return has_dropped(agreed.per_gib, current.per_gib) ||
         has_dropped(agreed.per_hour, current.per_hour);
}

struct PriceWatch {
  Price agreed;
  std::optional<Instant> next;
};

}  // namespace myst::core
