#include "core/payment/promise.hpp"

#include <gtest/gtest.h>

#include <map>

#include "core/base/text.hpp"
#include "core/payment/channel.hpp"
#include "core/payment/recovery.hpp"
#include "tests/support/support.hpp"
#include "tests/support/vectors.hpp"

namespace myst::payment {
namespace {

U256 number(json::Value text) {
  return *U256::parse(text.is_string() ? text.string_or("") : text.to_text());
}
Address address(json::Value text) { return *Address::parse(text.string_or("")); }
LocalSigner signer_of(json::Value private_key) {
  return *LocalSigner::from_key(Secret<32>(test::array_of<32>(private_key)));
}

// The keys of a vector file by name.
std::map<std::string, LocalSigner> keys_of(json::Value file) {
  std::map<std::string, LocalSigner> keys;
  for (const auto& [name, row] : file["keys"]) {
    keys.emplace(row["name"].string_or(""), signer_of(row["private_key"]));
  }
  return keys;
}

Promise promise_of(json::Value row, const char* channel) {
  Promise promise;
  promise.chain_id = *number(row["chain_id"]).to_u64();
  promise.channel = *left_padded(test::bytes_of(to_lower(row[channel].string_or(""))));
  promise.amount = number(row["amount"]);
  promise.fee = number(row["fee"]);
  promise.hashlock = test::array_of<32>(row["hashlock"]);
  return promise;
}

std::string without_prefix(json::Value text) {
  const std::string hex = text.string_or("");
  return hex.substr(0, 2) == "0x" ? hex.substr(2) : hex;
}

TEST(Promise, IsSignedByteByByteAsTheReferenceSigns) {
  for (const auto& [file_name, channel] :
       {std::pair{"promises.json", "channel_id_text"}, std::pair{"payments.json", "channel_id"}}) {
    const auto file = test::vectors(file_name);
    const auto keys = keys_of(file.root());
    const json::Value rows =
        file.root()[std::string_view(file_name) == "promises.json" ? "promises" : "promise"];
    ASSERT_GT(rows.size(), 0u);
    for (const auto& [name, row] : rows) {
      const Promise promise = promise_of(row, channel);
      EXPECT_EQ(to_hex(promise_preimage(promise)), without_prefix(row["preimage"]));
      EXPECT_EQ(to_hex(promise_hash(promise)), without_prefix(row["hash"]));
      const auto signature = sign_promise(keys.at(row["key"].string_or("")), promise);
      ASSERT_TRUE(signature.ok());
      EXPECT_EQ(to_hex(*signature), without_prefix(row["signature"]));
      EXPECT_EQ(recover_promise_signer(promise, *signature)->to_string(),
                row["signer"].string_or(""));
      EXPECT_EQ(*recover_promise_signer(promise, to_recovery_form(*signature)),
                *recover_promise_signer(promise, *signature));
      if (row["r"].exists()) {
        EXPECT_EQ(hashlock_of(test::bytes_of(row["r"])), promise.hashlock);
      }
    }
  }
}

TEST(Promise, AnotherValueMeansAnotherSigner) {
  const auto file = test::vectors("payments.json");
  ASSERT_GT(file.root()["promise_validation"].size(), 0u);
  for (const auto& [name, row] : file.root()["promise_validation"]) {
    Promise promise = promise_of(row, "channel_id");
    const Bytes signature = test::bytes_of(row["signature"]);
    const auto signer = recover_promise_signer(promise, signature);
    EXPECT_EQ(signer.ok() && *signer == address(row["signer"]), *row["valid"].boolean());
    promise.amount = *U256::checked_add(promise.amount, 1);
    const auto other = recover_promise_signer(promise, signature);
    EXPECT_FALSE(other.ok() && *other == address(row["signer"]));
  }
}

TEST(Promise, FieldsLongerThanAWordAreRefused) {
  EXPECT_FALSE(left_padded(Bytes(33)).ok());
  EXPECT_FALSE(recover_promise_signer({}, Bytes(64)).ok());
  EXPECT_FALSE(recover_promise_signer({}, Bytes(65)).ok());
  EXPECT_FALSE(recover_promise_signer({}, {}).ok());
}

TEST(ExchangeMessage, IsSignedByteByByteAsTheReferenceSigns) {
  const auto file = test::vectors("payments.json");
  const auto keys = keys_of(file.root());
  ASSERT_GT(file.root()["exchange_message"].size(), 0u);
  for (const auto& [name, row] : file.root()["exchange_message"]) {
    ExchangeMessage message;
    message.chain_id = *number(row["chain_id"]).to_u64();
    message.promise_hash = test::array_of<32>(row["promise_hash"]);
    message.agreement_id = number(row["agreement_id"]);
    message.agreement_total = number(row["agreement_total"]);
    message.provider = address(row["provider"]);
    if (!row["hermes_id"].string_or("").empty()) message.hermes = address(row["hermes_id"]);
    EXPECT_EQ(to_hex(exchange_preimage(message).view()), without_prefix(row["preimage"]));
    EXPECT_EQ(to_hex(exchange_hash(message)), without_prefix(row["hash"]));
    const auto signature = sign_exchange(keys.at(row["key"].string_or("")), message);
    ASSERT_TRUE(signature.ok());
    const std::string hex = to_hex(*signature);
    EXPECT_EQ(hex, row["signature_hex_no_prefix"].string_or(""));
    EXPECT_EQ(recover_exchange_signer(message, hex)->to_string(), row["signer"].string_or(""));
    EXPECT_TRUE(recover_exchange_signer(message, "0x" + hex).ok());
    EXPECT_FALSE(recover_exchange_signer(message, hex + "00").ok());
    EXPECT_FALSE(recover_exchange_signer(message, std::string_view("")).ok());
  }
}

TEST(Hashlock, IsTheHashOfR) {
  const auto file = test::vectors("payments.json");
  for (const auto& [name, row] : file.root()["hashlock"]) {
    EXPECT_EQ(to_hex(hashlock_of(test::bytes_of(row["r"]))), without_prefix(row["hashlock"]));
  }
  test::SeededRng rng(1);
  EXPECT_FALSE(make_r(rng) == make_r(rng));
  EXPECT_FALSE(make_agreement_id(rng) == make_agreement_id(rng));
}

TEST(Channel, AddressesAreThoseOfTheContracts) {
  const auto file = test::vectors("payments.json");
  const json::Value root = file.root();
  for (const auto& [name, row] : root["minimal_proxy"]) {
    EXPECT_EQ(to_hex(proxy_code_hash(address(row["implementation"]))),
              without_prefix(row["init_code_hash"]));
  }
  for (const auto& [name, row] : root["create2_raw"]) {
    EXPECT_EQ(create2(address(row["deployer"]), test::array_of<32>(row["salt"]),
                      proxy_code_hash(address(row["implementation"]))),
              address(row["address"]));
  }
  ASSERT_GT(root["consumer_channel_address"].size(), 0u);
  for (const auto& [name, row] : root["consumer_channel_address"]) {
    EXPECT_EQ(consumer_channel(address(row["identity"]), address(row["hermes"]),
                               address(row["registry"]), address(row["channel_implementation"]))
                  .to_string(),
              row["channel_address"].string_or(""));
  }
  ASSERT_GT(root["hermes_address"].size(), 0u);
  for (const auto& [name, row] : root["hermes_address"]) {
    EXPECT_EQ(hermes_contract(address(row["operator"]), address(row["registry"]),
                              address(row["hermes_implementation"])),
              address(row["hermes"]));
  }
  ASSERT_GT(root["provider_channel_id"].size(), 0u);
  for (const auto& [name, row] : root["provider_channel_id"]) {
    const Address identity = address(row["identity"]), hermes = address(row["hermes"]);
    EXPECT_EQ(to_hex(provider_channel_id(identity, hermes)), without_prefix(row["channel_id"]));
    EXPECT_EQ(to_hex(withdrawal_channel_id(identity, hermes)),
              without_prefix(row["withdrawal_channel_id"]));
  }
  const auto more = test::vectors("promises.json");
  for (const auto& [name, row] : more.root()["channel_addresses"]["cases"]) {
    // The reference hashes a shortened Hermes text ("0x12") as the bytes it has; ours takes whole
    // addresses only.
    const auto identity = Address::parse(row["identity"].string_or(""));
    const auto whole_hermes = Address::parse(row["hermes"].string_or(""));
    if (!identity.ok() || !whole_hermes.ok()) continue;
    ASSERT_TRUE(*row["accepted"].boolean());
    const Address hermes = *whole_hermes;
    EXPECT_EQ(consumer_channel(*identity, hermes, address(row["registry"]),
                               address(row["channel_implementation"]))
                  .to_string(),
              row["channel_address"].string_or(""));
    EXPECT_EQ("0x" + to_hex(provider_channel_id(*identity, hermes)),
              row["provider_channel_id"].string_or(""));
    EXPECT_EQ("0x" + to_hex(withdrawal_channel_id(*identity, hermes)),
              row["withdrawal_channel_id"].string_or(""));
  }
}

TEST(Recovery, ReadsWhatTheReferenceWrote) {
  const auto file = test::vectors("payments.json");
  const auto keys = keys_of(file.root());
  for (const auto& [name, row] : file.root()["r_recovery_plaintext"]) {
    const std::string text = row["utf8"].string_or("");
    const auto data = parse_recovery_text(text);
    ASSERT_TRUE(data.ok());
    EXPECT_EQ(recovery_text(*data), text);
  }
  ASSERT_GT(file.root()["r_encryption"].size(), 0u);
  for (const auto& [name, row] : file.root()["r_encryption"]) {
    const LocalSigner& signer = keys.at(row["key"].string_or(""));
    const std::string plaintext = row["plaintext_utf8"].string_or("");
    EXPECT_EQ(as_text(*signer.decrypt_from_self(test::bytes_of(row["output"]))), plaintext);
    const auto data = open_recovery(signer, without_prefix(row["output"]));
    EXPECT_EQ(data.ok(), plaintext[0] == '{');
    if (data.ok()) {
      EXPECT_EQ(recovery_text(*data), plaintext);
    }
  }
  test::SeededRng rng(9);
  const LocalSigner ours = LocalSigner::make(rng), other = LocalSigner::make(rng);
  const auto sealed = seal_recovery(ours, rng, {Bytes{1, 2}, 7});
  EXPECT_EQ(open_recovery(ours, *sealed)->agreement_id, U256(7));
  EXPECT_FALSE(open_recovery(other, *sealed).ok());
  for (const char* bad :
       {"", "{", "{\"r\":\"\",\"agreement_id\":", "{\"r\":\"\",\"agreement_id\":}",
        "{\"r\":\"0\",\"agreement_id\":1}", "{\"r\":\"00\",\"agreement_id\":1} ",
        "\",\"agreement_id\":1}", "{\"r\":\"00\",\"agreement_id\":-1}"}) {
    EXPECT_FALSE(parse_recovery_text(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace myst::payment
