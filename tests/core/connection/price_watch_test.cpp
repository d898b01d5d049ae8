#include "core/connection/price_watch.hpp"

#include <gtest/gtest.h>

namespace myst::core {
namespace {

TEST(PriceWatch, ATenthLessInEitherPartIsADrop) {
  const Price agreed{Wei{1000}, Wei{1000}};
  EXPECT_FALSE(has_dropped(agreed, agreed));
  EXPECT_FALSE(has_dropped(agreed, Price{Wei{901}, Wei{1000}}));
  EXPECT_TRUE(has_dropped(agreed, Price{Wei{900}, Wei{1000}}));
  EXPECT_TRUE(has_dropped(agreed, Price{Wei{2000}, Wei{0}}));
}

TEST(PriceWatch, WhatCostsNothingCannotDrop) {
  EXPECT_FALSE(has_dropped(Price{}, Price{}));
  EXPECT_FALSE(has_dropped(Price{}, Price{Wei{1}, Wei{1}}));
}

TEST(PriceWatch, PricesBeyondSixtyFourBitsDoNotOverflow) {
  const Wei large = *U256::parse("20000000000000000000");
  EXPECT_FALSE(has_dropped(Price{large, large}, Price{large, large}));
  EXPECT_TRUE(has_dropped(Price{large, large}, Price{large, Wei{9223372036854775807u}}));
}

}  // namespace
}  // namespace myst::core
