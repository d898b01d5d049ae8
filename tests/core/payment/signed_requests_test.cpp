#include "core/payment/signed_requests.hpp"

#include <gtest/gtest.h>

#include <map>

#include "core/base/text.hpp"
#include "core/crypto/keccak.hpp"
#include "tests/support/vectors.hpp"

namespace myst::payment {
namespace {

U256 number(json::Value fields, const char* name) {
  return *U256::parse(fields[name].string_or(""));
}
Address address(json::Value fields, const char* name) {
  return *Address::parse(fields[name].string_or(""));
}

Bytes preimage_of(const std::string& type, json::Value f) {
  const auto chain = static_cast<std::uint64_t>(f["chainID"].i64_or(0));
  if (type == "register_identity") {
    return preimage(RegistrationTerms{chain, address(f, "registry"), address(f, "hermes"),
                                      number(f, "stake"), number(f, "fee"),
                                      address(f, "beneficiary")});
  }
  if (type == "open_consumer_channel") {
    return preimage(
        OpenChannelTerms{chain, address(f, "registry"), address(f, "hermes"), number(f, "fee")});
  }
  if (type == "set_beneficiary") {
    return preimage(BeneficiaryTerms{chain, address(f, "registry"), address(f, "identity"),
                                     address(f, "beneficiary"), number(f, "nonce")});
  }
  if (type == "pay_and_settle_beneficiary") {
    return preimage(WithdrawalTerms{chain, test::array_of<32>(f["channelID"]), number(f, "amount"),
                                    test::array_of<32>(f["R"]), address(f, "beneficiary")});
  }
  return preimage(StakeDecreaseTerms{chain, test::array_of<32>(f["channelID"]), number(f, "amount"),
                                     number(f, "fee"), number(f, "nonce")});
}

TEST(SignedRequests, AreWhatTheReferenceSignsAndContractsTake) {
  const auto document = test::vectors("payments.json");
  std::map<std::string, Secret<32>> keys;
  for (const auto& [index, key] : document.root()["keys"]) {
    const json::Value secret = key["private_key"].exists() ? key["private_key"] : key["key"];
    keys[key["name"].string_or("")] = Secret<32>(test::array_of<32>(secret));
  }
  int checked = 0;
  for (const auto& [index, item] : document.root()["signed_requests"]) {
    const std::string type = item["type"].string_or("");
    if (type != "register_identity" && type != "open_consumer_channel" &&
        type != "set_beneficiary" && type != "pay_and_settle_beneficiary" &&
        type != "decrease_stake") {
      continue;  // not part of this program
    }
    const Bytes bytes = preimage_of(type, item["fields"]);
    EXPECT_EQ("0x" + to_hex(bytes), item["preimage"].string_or("")) << type;
    const auto signature = test::array_of<65>(item["signature"]);
    const auto signer = recover_preimage_signer(bytes, signature);
    ASSERT_TRUE(signer.ok());
    EXPECT_EQ(signer->to_string(), item["signer"].string_or(""));
    const auto key = keys.find(item["key"].string_or(""));
    ASSERT_NE(key, keys.end());
    const auto ours = sign_preimage(*LocalSigner::from_key(key->second), bytes);
    ASSERT_TRUE(ours.ok());
    EXPECT_EQ(*ours, signature) << type;
    ++checked;
  }
  EXPECT_GE(checked, 7);
}

TEST(SignedRequests, TakeOnlySignaturesContractsTake) {
  Signature signature{};
  signature[64] = 27;
  EXPECT_TRUE(contract_form(signature).ok());
  signature[64] = 1;
  EXPECT_EQ((*contract_form(signature))[64], 28);
  for (const std::uint8_t v : {std::uint8_t{2}, std::uint8_t{26}, std::uint8_t{29}}) {
    signature[64] = v;
    EXPECT_FALSE(contract_form(signature).ok());
  }
  signature[64] = 27;
  signature[32] = 0x80;  // above half the order
  EXPECT_FALSE(contract_form(signature).ok());
}

}  // namespace
}  // namespace myst::payment
