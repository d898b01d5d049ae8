#include "core/payment/payment_check.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/support.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core {
namespace {

TEST(PaymentCheck, JudgesAsTheReferenceAndWhereItIsBlindAsHermes) {
  const auto file = test::vectors("promises.json");
  const json::Value set = file.root()["provider_validation"];
  const json::Value flow = file.root()["consumer_flow"];
  PaymentTerms terms;
  terms.chain.chain_id = 137;
  terms.chain.registry = *Address::parse(flow["registry"].string_or(""));
  terms.chain.channel_implementation =
      *Address::parse(flow["channel_implementation"].string_or(""));
  terms.hermes = *Address::parse(flow["hermes"].string_or(""));
  terms.consumer = *Address::parse(set["peer"].string_or(""));
  const auto good = parse_payment(test::bytes_of(set["cases"].begin().operator*().value["bytes"]));
  ASSERT_TRUE(good.ok());
  terms.provider = good->message.provider;
  terms.agreement = good->message.agreement_id;
  terms.total = good->message.agreement_total;
  terms.last_total = terms.total;
  const std::set<std::string> stricter = {"promise chain id differs, message chain id right",
                                          "other agreement id, total and provider"};
  std::size_t refused = 0;
  for (const auto& [name, row] : set["cases"]) {
    const std::string what = row["name"].string_or("");
    SCOPED_TRACE(what);
    const auto payment = parse_payment(test::bytes_of(row["bytes"]));
    ASSERT_TRUE(payment.ok());
    terms.last_amount = *U256::parse(row["last_promise_amount"].to_text());
    const bool accepted = check_payment(*payment, terms).ok();
    EXPECT_EQ(accepted, row["accepted"].boolean_or(false) && stricter.count(what) == 0);
    refused += stricter.count(what);
  }
  EXPECT_EQ(refused, stricter.size());
}

TEST(PaymentCheck, ThePromiseGrowsByWhatWasInvoiced) {
  const auto file = test::vectors("promises.json");
  const json::Value set = file.root()["provider_validation"];
  const json::Value flow = file.root()["consumer_flow"];
  const auto good = parse_payment(test::bytes_of(set["cases"].begin().operator*().value["bytes"]));
  PaymentTerms terms;
  terms.chain.chain_id = 137;
  terms.chain.registry = *Address::parse(flow["registry"].string_or(""));
  terms.chain.channel_implementation =
      *Address::parse(flow["channel_implementation"].string_or(""));
  terms.hermes = *Address::parse(flow["hermes"].string_or(""));
  terms.consumer = *Address::parse(set["peer"].string_or(""));
  terms.provider = good->message.provider;
  terms.agreement = good->message.agreement_id;
  terms.total = good->message.agreement_total;  // 900, amount 1000
  terms.last_amount = Wei{500};
  terms.last_total = Wei{400};
  EXPECT_TRUE(check_payment(*good, terms).ok());
  terms.last_total = Wei{399};
  EXPECT_FALSE(check_payment(*good, terms).ok());
}

}  // namespace
}  // namespace myst::core
