#include "core/hub/transactor/gas_fees.hpp"

#include <algorithm>

namespace myst::core::transactor {

Fees fees_for_gas(const Wei& gas_price, const Wei& coin_price, const Fees& least) {
  const auto fee = [&](std::uint64_t gas, const Wei& at_least) {
    const Wei coin = Wei::saturating_mul(gas_price, Wei(gas));
    const Wei tokens = Wei::saturating_mul(coin, coin_price).divided_by(1000000000000000000u);
    return std::max(at_least, Wei::saturating_add(tokens, tokens.divided_by(5)));
  };
  return {fee(GasUse::kRegister, least.register_identity), fee(GasUse::kSettle, least.settle),
          fee(GasUse::kDecreaseStake, least.decrease_stake)};
}

Fees smaller_of(const Fees& a, const Fees& b) {
  return {std::min(a.register_identity, b.register_identity), std::min(a.settle, b.settle),
          std::min(a.decrease_stake, b.decrease_stake)};
}

}  // namespace myst::core::transactor
