// What identities pay a transactor so that it gets back the coin it spends on gas.
#pragma once

#include "core/base/u256.hpp"
#include "core/hub/transactor/requests.hpp"

namespace myst::core::transactor {

// Gas of each kind, measured by the contract suite and rounded up.
struct GasUse {
  static constexpr std::uint64_t kRegister = 320000;
  static constexpr std::uint64_t kSettle = 150000;  // with a beneficiary that changes
  static constexpr std::uint64_t kDecreaseStake = 120000;
};

// gas_price: wei of the coin for a unit of gas; coin_price: wei of the token for one coin (10^18 of
// its wei). A fifth is added for what the price does until it is paid. Never below `least`.
Fees fees_for_gas(const Wei& gas_price, const Wei& coin_price, const Fees& least);

// Who signed for the fees before the last change is still served.
Fees smaller_of(const Fees& a, const Fees& b);

}  // namespace myst::core::transactor
