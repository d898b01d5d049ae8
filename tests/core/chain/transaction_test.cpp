#include "core/chain/transaction.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "core/chain/rlp.hpp"
#include "tests/support/vectors.hpp"

namespace myst::chain {
namespace {

using test::bytes_of;
using test::vectors;

std::string rlp(const Bytes& value) {
  // A list of one, without the list's prefix.
  const Bytes all = RlpList().bytes(value).finish();
  const std::size_t prefix = all[0] < 0xf8 ? 1 : 1 + (all[0] - 0xf7u);
  return to_hex(ByteSpan(all).subspan(prefix));
}

TEST(Rlp, KnownForms) {
  EXPECT_EQ(rlp({}), "80");
  EXPECT_EQ(rlp({0x00}), "00");
  EXPECT_EQ(rlp({0x7f}), "7f");
  EXPECT_EQ(rlp({0x80}), "8180");
  EXPECT_EQ(rlp({'d', 'o', 'g'}), "83646f67");
  EXPECT_EQ(rlp(Bytes(55, 1)).substr(0, 2), "b7");
  EXPECT_EQ(rlp(Bytes(56, 1)).substr(0, 4), "b838");
  EXPECT_EQ(rlp(Bytes(1024, 1)).substr(0, 6), "b90400");
  EXPECT_EQ(to_hex(RlpList().finish()), "c0");
  EXPECT_EQ(to_hex(RlpList().number(0).finish()), "c180");
  EXPECT_EQ(to_hex(RlpList().number(1024).finish()), "c3820400");
  // "The set theoretical representation of three": [ [], [[]], [ [], [[]] ] ]
  const RlpList none;
  RlpList one;
  one.list(none);
  RlpList two;
  two.list(none).list(one);
  RlpList three;
  three.list(none).list(one).list(two);
  EXPECT_EQ(to_hex(three.finish()), "c7c0c1c0c3c0c1c0");
}

Transaction transaction_of(json::Value fields) {
  Transaction t;
  t.chain_id = *fields["chainId"].u64();
  t.nonce = *fields["nonce"].u64();
  t.gas_limit = *fields["gasLimit"].u64();
  t.to = *Address::parse(fields["to"].string_or(""));
  t.value = fields["value"].is_string() ? *U256::parse(fields["value"].string_or(""))
                                        : *fields["value"].u256();
  t.data = bytes_of(fields["data"]);
  t.fees.legacy = fields["type"].i64_or(-1) == 0;
  if (t.fees.legacy) {
    t.fees.max_fee = *U256::parse(fields["gasPrice"].string_or(""));
  } else {
    t.fees.max_fee = *U256::parse(fields["maxFeePerGas"].string_or(""));
    t.fees.tip = *U256::parse(fields["maxPriorityFeePerGas"].string_or(""));
  }
  return t;
}

TEST(Transaction, TheVectorsToTheByte) {
  const auto payments = vectors("payments.json");
  std::map<std::string, LocalSigner> signers;
  for (const auto& [name, key] : payments.root()["keys"]) {
    (void)name;
    const auto signer = LocalSigner::from_key(Secret<32>(test::array_of<32>(key["private_key"])));
    ASSERT_TRUE(signer.ok());
    signers.emplace(signer->address().to_string(), *signer);
  }
  std::size_t checked = 0;
  const auto check = [&](json::Value list) {
    for (const auto& [name, vector] : list) {
      (void)name;
      const Transaction t = transaction_of(vector["fields"]);
      EXPECT_EQ(unsigned_bytes(t), bytes_of(vector["unsigned"]));
      EXPECT_EQ(to_hex(signing_hash(t)), vector["signing_hash"].string_or("").substr(2));
      const auto signer = signers.find(vector["from"].string_or(""));
      ASSERT_NE(signer, signers.end()) << vector["from"].string_or("");
      const auto made = sign(t, signer->second);
      ASSERT_TRUE(made.ok());
      EXPECT_EQ(made->raw, bytes_of(vector["raw"]));
      EXPECT_EQ(to_hex(made->hash), vector["tx_hash"].string_or("").substr(2));
      ++checked;
    }
  };
  check(payments.root()["raw_transactions"]);
  EXPECT_EQ(checked, 2u);
  const auto more = vectors("transactions.json");
  check(more.root()["transactions"]);
  EXPECT_GE(checked, 30u);
}

TEST(Fees, AreTheMedianTipAndTwiceTheBaseFee) {
  FeePolicy policy;
  policy.min_tip = 5;
  policy.max_fee = 1000;
  const FeeHistory history{{Wei(1), Wei(100)}, {Wei(1), Wei(20), Wei(90)}};
  const auto fees = suggest(history, policy);
  ASSERT_TRUE(fees);
  EXPECT_EQ(fees->tip, Wei(20));
  EXPECT_EQ(fees->max_fee, Wei(220));
  EXPECT_EQ(suggest({{Wei(100)}, {}}, policy)->tip, Wei(5));
  EXPECT_EQ(suggest({{Wei(100)}, {Wei(5000)}}, policy)->max_fee, Wei(1000));
  EXPECT_EQ(suggest({{Wei::max()}, {Wei::max()}}, policy)->tip, Wei(1000));
  EXPECT_FALSE(suggest({}, policy));
  EXPECT_EQ(suggest_legacy(1, policy).max_fee, Wei(5));
  EXPECT_EQ(suggest_legacy(Wei::max(), policy).max_fee, Wei(1000));
}

TEST(Fees, AReplacementPaysAnEighthMoreOrWhatIsAskedNow) {
  FeePolicy policy;
  policy.max_fee = 1000;
  const Fees old{Wei(800), Wei(80), false};
  const auto more = raised(old, Fees{Wei(1), Wei(1), false}, policy);
  ASSERT_TRUE(more);
  EXPECT_EQ(more->max_fee, Wei(901));
  EXPECT_EQ(more->tip, Wei(91));
  const auto asked = raised(old, Fees{Wei(950), Wei(300), false}, policy);
  EXPECT_EQ(asked->max_fee, Wei(950));
  EXPECT_EQ(asked->tip, Wei(300));
  // The last step to the limit may be a tenth; then there is none.
  EXPECT_EQ(raised(Fees{Wei(908), Wei(9), false}, old, policy)->max_fee, Wei(1000));
  EXPECT_FALSE(raised(Fees{Wei(950), Wei(9), false}, old, policy));
  EXPECT_TRUE(raised(Fees{Wei(800), Wei(0), true}, Fees{}, policy)->tip.is_zero());
  // Small numbers grow too.
  EXPECT_EQ(raised(Fees{Wei(1), Wei(0), false}, Fees{}, policy)->max_fee, Wei(2));
}

}  // namespace
}  // namespace myst::chain
