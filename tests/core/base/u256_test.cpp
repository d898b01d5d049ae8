#include "core/base/u256.hpp"

#include <gtest/gtest.h>

#include "tests/support/support.hpp"

namespace myst {
namespace {

constexpr char kMax[] =
    "115792089237316195423570985008687907853269984665640564039457584007913129639935";

TEST(U256, TextIsExactUpToTheLastValue) {
  for (const char* text :
       {"0", "1", "9", "10", "999999999", "1000000000", "1000000001", "4294967295", "4294967296",
        "18446744073709551615", "18446744073709551616", "123456789012345678901234567890",
        "1000000000000000000000000000000000000", kMax}) {
    const auto value = U256::parse(text);
    ASSERT_TRUE(value.ok()) << text;
    EXPECT_EQ(value->to_string(), text);
    EXPECT_EQ(U256::from_word(value->to_word()), *value);
    EXPECT_EQ(*U256::from_bytes(value->to_minimal_bytes()), *value);
  }
  EXPECT_EQ(*U256::parse(kMax), U256::max());
  EXPECT_EQ(U256::parse("000000000000000000000000000000" + std::string(kMax))->to_string(), kMax);
}

TEST(U256, RefusesWhatIsNoIntegerOrDoesNotFit) {
  const std::string above =
      "115792089237316195423570985008687907853269984665640564039457584007913129639936";
  for (const std::string& bad :
       {std::string(), std::string("-1"), std::string("+1"), std::string(" 1"), std::string("1 "),
        std::string("1e3"), std::string("0x1"), std::string("1_0"), above, above + "0",
        std::string(400, '9')}) {
    EXPECT_FALSE(U256::parse(bad).ok()) << bad;
  }
  EXPECT_EQ(*U256::parse_wire("+7"), U256(7));
  for (const char* bad : {"", "+", "-0", "++1"}) EXPECT_FALSE(U256::parse_wire(bad).ok()) << bad;
  Bytes wide(33, 0xff);
  EXPECT_FALSE(U256::from_bytes(wide).ok());
  wide[0] = 0;
  EXPECT_EQ(*U256::from_bytes(wide), U256::max());
}

TEST(U256, OverflowIsToldNotWrapped) {
  EXPECT_FALSE(U256::checked_add(U256::max(), 1).has_value());
  EXPECT_FALSE(U256::checked_sub(1, 2).has_value());
  EXPECT_FALSE(U256::checked_mul(U256::max(), 2).has_value());
  EXPECT_EQ(U256::saturating_add(U256::max(), 1), U256::max());
  EXPECT_EQ(U256::saturating_sub(1, 2), U256(0));
  EXPECT_EQ(U256::saturating_mul(U256::max(), U256::max()), U256::max());
  EXPECT_EQ(*U256::checked_mul(*U256::parse("340282366920938463463374607431768211455"),
                               *U256::parse("340282366920938463463374607431768211457")),
            U256::max());  // (2^128 - 1)(2^128 + 1)
}

TEST(U256, ArithmeticAgreesWithItself) {
  test::SeededRng rng(1);
  for (int i = 0; i < 2000; ++i) {
    const U256 a =
        *U256::from_bytes(ByteSpan(rng.bytes<32>()).first(static_cast<std::size_t>(rng.below(33))));
    const std::uint64_t d = rng.u64() >> rng.below(64);
    if (d == 0) continue;
    const U256 quotient = a.divided_by(d);
    const U256 back = *U256::checked_add(*U256::checked_mul(quotient, d), a.modulo(d));
    ASSERT_EQ(back, a) << a.to_string() << " / " << d;
    ASSERT_LT(a.modulo(d), d);
    ASSERT_EQ(*U256::parse(a.to_string()), a);
    const U256 b =
        *U256::from_bytes(ByteSpan(rng.bytes<32>()).first(static_cast<std::size_t>(rng.below(33))));
    if (const auto sum = U256::checked_add(a, b)) {
      ASSERT_EQ(*U256::checked_sub(*sum, b), a);
      ASSERT_GE(*sum, a);
    }
    ASSERT_EQ(a < b, !U256::checked_sub(a, b).has_value());
  }
}

TEST(U256, KnowsItsLength) {
  EXPECT_EQ(U256(0).bit_length(), 0u);
  EXPECT_EQ(U256(1).bit_length(), 1u);
  EXPECT_EQ(U256(std::uint64_t{1} << 32).bit_length(), 33u);
  EXPECT_EQ(U256::max().bit_length(), 256u);
  EXPECT_EQ(U256(UINT64_MAX).to_u64(), UINT64_MAX);
  EXPECT_FALSE(U256::parse("18446744073709551616")->to_u64().has_value());
  EXPECT_TRUE(U256(0).to_minimal_bytes().empty());
}

}  // namespace
}  // namespace myst
