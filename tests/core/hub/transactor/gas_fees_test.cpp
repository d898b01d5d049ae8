#include "core/hub/transactor/gas_fees.hpp"

#include <gtest/gtest.h>

namespace myst::core::transactor {
namespace {

const Wei kOne{1000000000000000000u};

TEST(GasFees, GiveBackWhatTheCoinsCostAndAFifth) {
  // 100 gwei for a unit of gas, a coin is worth two tokens: 320,000 units are 0.064 tokens.
  const Fees fees = fees_for_gas(Wei(100000000000u), Wei::saturating_mul(kOne, Wei(2)), {});
  EXPECT_EQ(fees.register_identity.to_string(), "76800000000000000");
  EXPECT_EQ(fees.settle.to_string(), "36000000000000000");
  EXPECT_EQ(fees.decrease_stake.to_string(), "28800000000000000");
}

TEST(GasFees, NeverFallBelowTheLeast) {
  const Fees least{Wei(5), Wei(40000000000000000u), Wei(0)};
  const Fees fees = fees_for_gas(Wei(100000000000u), Wei::saturating_mul(kOne, Wei(2)), least);
  EXPECT_EQ(fees.register_identity.to_string(), "76800000000000000");
  EXPECT_EQ(fees.settle, least.settle);
  EXPECT_EQ(fees_for_gas(Wei(), kOne, least).register_identity, Wei(5));
  EXPECT_FALSE(fees_for_gas(Wei::max(), Wei::max(), least).settle.is_zero());  // no overflow
}

TEST(GasFees, BeforeAndAfterAChangeTheSmallerOneIsTaken) {
  const Fees smaller = smaller_of({Wei(1), Wei(9), Wei(3)}, {Wei(2), Wei(8), Wei(3)});
  EXPECT_EQ(smaller.register_identity, Wei(1));
  EXPECT_EQ(smaller.settle, Wei(8));
  EXPECT_EQ(smaller.decrease_stake, Wei(3));
}

}  // namespace
}  // namespace myst::core::transactor
