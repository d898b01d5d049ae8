#include "core/payment/price.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/support.hpp"
#include "tests/support/vectors.hpp"

namespace myst::payment {
namespace {

U256 number(json::Value text) {
  return *U256::parse(text.is_string() ? text.string_or("") : text.to_text());
}
std::uint64_t u64(json::Value text) { return *number(text).to_u64(); }
Duration nanoseconds(json::Value text) { return Duration(static_cast<std::int64_t>(u64(text))); }
Price price_of(json::Value row) {
  return {number(row["price_per_hour"]), number(row["price_per_gib"])};
}

class PriceVectors : public ::testing::Test {
 protected:
  json::Document payments_ = test::vectors("payments.json");
  json::Document promises_ = test::vectors("promises.json");
};

TEST_F(PriceVectors, AmountsAgreeToTheWei) {
  for (const json::Value rows : {payments_.root()["price"], promises_.root()["price"]["cases"]}) {
    ASSERT_GT(rows.size(), 0u);
    for (const auto& [name, row] : rows) {
      // A price of zero or less contributes nothing; ours cannot be negative.
      if (row.to_text().find("\"-") != std::string::npos) continue;
      const auto expected = U256::parse(row["amount"].string_or(""));  // above 2^256: our maximum
      EXPECT_EQ(amount_due(nanoseconds(row["elapsed_ns"]), {u64(row["up"]), u64(row["down"])},
                           price_of(row))
                    .to_string(),
                (expected.ok() ? *expected : U256::max()).to_string())
          << row.to_text();
    }
  }
}

TEST_F(PriceVectors, ToleranceAgreesToTheBit) {
  for (const auto& [name, row] : payments_.root()["tolerance"]) {
    EXPECT_EQ(invoice_tolerance(nanoseconds(row["elapsed_ns"]), u64(row["bytes_total"])),
              *row["tolerance"].number())
        << row.to_text();
  }
  for (const auto& [name, row] : promises_.root()["tolerance"]["cases"]) {
    const auto bytes = test::array_of<8>(row["tolerance_ieee754_be"]);
    std::uint64_t bits = 0;
    for (const std::uint8_t byte : bytes) bits = bits << 8 | byte;
    double expected = 0;
    std::memcpy(&expected, &bits, sizeof expected);
    EXPECT_EQ(invoice_tolerance(nanoseconds(row["elapsed_ns"]), u64(row["bytes_total"])), expected)
        << row.to_text();
  }
}

TEST_F(PriceVectors, UpperBoundsAgreeToTheWei) {
  for (const auto& [name, row] : payments_.root()["invoice_upper_bound"]) {
    EXPECT_EQ(
        largest_acceptable_total(nanoseconds(row["elapsed_ns"]), {u64(row["up"]), u64(row["down"])},
                                 price_of(row), u64(row["leeway_bytes"]))
            .to_string(),
        row["max_accepted_agreement_total"].string_or(""));
  }
  for (const auto& [name, row] : promises_.root()["invoice_upper_bound"]["cases"]) {
    EXPECT_EQ(
        largest_acceptable_total(nanoseconds(row["elapsed_ns"]), {u64(row["up"]), u64(row["down"])},
                                 price_of(row), u64(row["leeway_bytes"]))
            .to_string(),
        row["largest_accepted_total"].string_or(""))
        << row.to_text();
  }
}

TEST_F(PriceVectors, LimitsStretchAsInTheReference) {
  Wei unpaid = *U256::parse("3000000000000000");
  const Wei limit = *U256::parse("30000000000000000");
  for (const auto& [name, row] : payments_.root()["max_unpaid_progression"]) {
    EXPECT_EQ(unpaid.to_string(), row.string_or(""));
    unpaid = next_max_unpaid(unpaid, limit);
  }
  Duration period = std::chrono::seconds{5};
  for (const auto& [name, row] : payments_.root()["charge_period_progression_ns"]) {
    EXPECT_EQ(period.count(), row.i64_or(0));
    period = next_charge_period(period, std::chrono::minutes{5});
  }
}

TEST_F(PriceVectors, HermesFeeIsTheContracts) {
  for (const auto& [name, row] : payments_.root()["hermes_fee"]["cases"]) {
    EXPECT_EQ(hermes_fee(number(row["amount"]), 400), number(row["fee"]));
  }
  ASSERT_GT(promises_.root()["hermes_fees"]["cases"].size(), 0u);
  for (const auto& [name, row] : promises_.root()["hermes_fees"]["cases"]) {
    EXPECT_EQ(hermes_fee(number(row["amount"]),
                         static_cast<std::uint32_t>(row["fee_per_10000"].i64_or(0))),
              number(row["fee"]))
        << row.to_text();
  }
}

TEST(Scaled, EdgesDoNotOverflow) {
  EXPECT_EQ(scaled(U256::max(), 1), U256::max());
  EXPECT_EQ(scaled(U256::max(), 2), U256::max());
  EXPECT_EQ(scaled(U256::max(), 1e300), U256::max());
  EXPECT_EQ(scaled(1, 1e-300), U256(0));
  EXPECT_EQ(scaled(3, 0.5), U256(1));
  EXPECT_EQ(scaled(1, 1099511627776.0), U256(1099511627776));
  EXPECT_EQ(scaled(7, -1), U256(0));
  EXPECT_EQ(scaled(7, 0.0 / 0.0), U256(0));
  EXPECT_EQ(amount_due(Duration(-1), {0, 0}, {1000000, 0}), U256(0));
  EXPECT_EQ(amount_due(Duration(0), {UINT64_MAX, 1}, {0, 1000000}), U256(0));
}

}  // namespace
}  // namespace myst::payment
