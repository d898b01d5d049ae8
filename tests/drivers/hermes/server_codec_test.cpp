#include "drivers/hermes/server_codec.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "core/hub/hermes/rules.hpp"
#include "core/payment/channel.hpp"
#include "tests/support/vectors.hpp"

namespace myst::hermes {
namespace {

using core::hermes::SignedPromise;

// Bodies the reference node sent, by path and occurrence.
std::string recorded(const std::string& path, int nth = 0) {
  static const auto document = test::vectors("promises.json");
  for (const auto& [index, item] : document.root()["hermes_requests"]) {
    if (item["path"].string_or("") == "/api/v2/" + path && nth-- == 0) {
      return item["body_utf8"].string_or("");
    }
  }
  ADD_FAILURE() << path;
  return "";
}
std::string authorization(const std::string& path) {
  static const auto document = test::vectors("promises.json");
  for (const auto& [index, item] : document.root()["hermes_requests"]) {
    if (item["path"].string_or("") == "/api/v2/" + path) return item["authorization"].string_or("");
  }
  return "";
}

const Address kProvider = *Address::parse("0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68");

TEST(HermesServerCodec, ReadsAPromiseRequestAndItsSignaturesHold) {
  const auto request = read_promise_request(recorded("request_promise"), false);
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->promise.promise.amount, Wei(4000000000005001));
  EXPECT_EQ(request->message.agreement_total, Wei(4000000000000001));
  EXPECT_EQ(request->message.agreement_id, U256(11));
  EXPECT_EQ(request->message.provider, kProvider);
  EXPECT_EQ(request->transactor_fee, Wei(20000));
  EXPECT_EQ(request->recovery_data, "00ff");
  EXPECT_FALSE(request->r.has_value());
  core::hermes::Terms terms;
  terms.chains = {{137, *Address::parse("0x87F0F4b7e0FAb14A565C87BAbbA6c40c92281b51"),
                   *Address::parse("0x80Ed28d84792d8b153bf2F25F0C4B7a1381dE4ab"),
                   *Address::parse("0x6b423D3885B4877b5760E149364f85f185f477aD")}};
  const auto verified = core::hermes::verify_request(terms, *request);
  ASSERT_TRUE(std::holds_alternative<core::hermes::VerifiedRequest>(verified));
  EXPECT_EQ(std::get<core::hermes::VerifiedRequest>(verified).provider.identity, kProvider);
  // A fee that is null, and no recovery data.
  const auto bare = read_promise_request(recorded("request_promise", 1), false);
  ASSERT_TRUE(bare.ok());
  EXPECT_TRUE(bare->transactor_fee.is_zero());
  EXPECT_EQ(bare->recovery_data, "");
}

TEST(HermesServerCodec, ReadsAmountsBeyondAnyDouble) {
  const auto request = read_promise_request(recorded("pay_and_settle"), true);
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->promise.promise.amount.to_string(), "340282366920938463463378607431768216607");
  EXPECT_EQ(request->promise.promise.fee.to_string(), "18446744073709551616");
  const auto document = test::vectors("payments.json");
  const auto other = read_promise_request(
      document.root()["hermes_json"].begin().operator*().value["body"].string_or(""), false);
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->promise.promise.amount.to_string(), "123456789012345678901234567890");
}

TEST(HermesServerCodec, ReadsTheOtherRequests) {
  const auto with_agreement = read_reveal(recorded("reveal_r"));
  ASSERT_TRUE(with_agreement.ok());
  EXPECT_EQ(to_hex(with_agreement->r).substr(0, 8), "51525354");
  EXPECT_EQ(with_agreement->provider, kProvider);
  EXPECT_TRUE(read_reveal(recorded("reveal_r", 1)).ok()) << "agreement null";
  const auto change = read_change_fee(recorded("change_promise_fee"));
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->new_fee, Wei(30000));
  EXPECT_EQ(payment::hashlock_of(change->r), change->promise.promise.hashlock);
  EXPECT_EQ(change->promise.promise.channel[0], 0x40);

  const std::string sync_body = recorded("provider/sync_promise");
  const auto sync_signer = request_signer(authorization("provider/sync_promise"), sync_body);
  ASSERT_TRUE(sync_signer.has_value());
  EXPECT_EQ(*sync_signer, kProvider);
  const auto sync = read_sync(sync_body, *sync_signer);
  ASSERT_TRUE(sync.ok());
  EXPECT_EQ(sync->promise.promise.amount.to_string(), "123456789012345678901");
  EXPECT_EQ(sync->promise.promise.fee, Wei(20000));

  const std::string refresh_body = recorded("refresh_promise");
  const auto refresh_signer = request_signer(authorization("refresh_promise"), refresh_body);
  ASSERT_TRUE(refresh_signer.has_value());
  EXPECT_EQ(*refresh_signer, kProvider);
  const auto refresh = read_refresh(refresh_body, *refresh_signer);
  ASSERT_TRUE(refresh.ok());
  EXPECT_EQ(refresh->identity, kProvider);
  EXPECT_EQ(refresh->chain, 137u);
  EXPECT_EQ(refresh->recovery_data, "0102ff");
}

TEST(HermesServerCodec, OnlyTheSignerOfTheBodyIsBelieved) {
  const std::string body = recorded("refresh_promise");
  const auto other = request_signer(authorization("refresh_promise"), body + " ");
  EXPECT_TRUE(!other || *other != kProvider);
  for (const char* text :
       {"", "Signature", "Signature ", "Signature !", "Basic YWJj", "Signature YWJj"}) {
    EXPECT_FALSE(request_signer(text, body).has_value()) << text;
  }
}

TEST(HermesServerCodec, RefusesBrokenBodies) {
  const std::string good = recorded("request_promise");
  for (std::size_t cut = 0; cut < good.size(); cut += 7) {
    EXPECT_FALSE(read_promise_request(good.substr(0, cut), false).ok());
  }
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = good;
    const auto at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    changed.replace(at, from.size(), to);
    return read_promise_request(changed, false).ok();
  };
  EXPECT_TRUE(with("\"Amount\"", "\"amount\""));
  EXPECT_FALSE(with("4000000000005001", "\"4000000000005001\""));
  EXPECT_FALSE(with("4000000000005001", "4000000000005001.0"));
  EXPECT_FALSE(with("4000000000005001", "-1"));
  EXPECT_FALSE(with("4000000000005001", std::string(79, '9')));
  EXPECT_FALSE(with("cSqzu47TJqsisIXKCUYMHFa+24I=", "cSqzu47TJqsisIXKCUYMHFa+24"));
  EXPECT_FALSE(with("0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68", "0x53"));
  EXPECT_FALSE(with("\"00ff\"", "\"0\""));
  EXPECT_FALSE(with("\"00ff\"", "\"" + std::string(kMaxRecoveryData + 2, '0') + "\""));
  EXPECT_FALSE(read_promise_request(std::string(kMaxBody + 1, ' '), false).ok());
  for (const char* text : {"", "null", "[]", "{}", "{\"R\":1}", "{\"R\":\"00\"}"}) {
    EXPECT_FALSE(read_reveal(text).ok());
    EXPECT_FALSE(read_change_fee(text).ok());
    EXPECT_FALSE(read_sync(text, kProvider).ok());
    EXPECT_FALSE(read_refresh(text, kProvider).ok());
    EXPECT_FALSE(read_credit(text).ok());
  }
}

SignedPromise some_promise() {
  SignedPromise out;
  out.promise.chain_id = 137;
  out.promise.channel.fill(1);
  out.promise.amount = *U256::parse("123456789012345678901234567890");
  out.promise.fee = 5;
  out.promise.hashlock.fill(2);
  out.signature.fill(3);
  return out;
}

TEST(HermesServerCodec, WritesPromisesAsNodesReadThem) {
  EXPECT_EQ(write_promise(some_promise()),
            R"({"ChannelID":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=","ChainID":137,)"
            R"("Amount":123456789012345678901234567890,"Fee":5,)"
            R"("Hashlock":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=","R":null,"Signature":")" +
                to_base64(some_promise().signature) + R"("})");
}

TEST(HermesServerCodec, WritesAccountsAsTheReferenceShowsThem) {
  core::hermes::AccountData data;
  data.chain = 1;
  data.identity = *Address::parse("0x74cbcbbfed45d7836d270068116440521033edc7");
  const Address channel = *Address::parse("0xc80a1758a36cf9a0903a9fe37f98b51aec978cb6");
  data.channel = payment::to_word(channel);
  data.channel_is_address = true;
  data.balance = 133;
  data.latest.promise.amount = 1077;
  // The reference's own answer, which test vectors keep as text.
  const auto document = test::vectors("payments.json");
  std::string expected;
  for (const auto& [index, item] : document.root()["hermes_json"]) {
    expected = item["response"].string_or(expected);
  }
  const auto answer = json::Document::parse(expected);
  ASSERT_TRUE(answer.ok());
  const json::Value latest = answer->root()["1"]["LatestPromise"];
  data.latest.promise.hashlock = test::array_of<32>(latest["Hashlock"]);
  data.latest.signature = test::array_of<65>(latest["Signature"]);
  const auto written = json::Document::parse(write_data({data}));
  ASSERT_TRUE(written.ok());
  std::size_t members = 0;
  for (const auto& [name, value] : answer->root()["1"]) {
    if (name == "LatestPromise") continue;
    EXPECT_EQ(written->root()["1"][name].to_text(), value.to_text()) << name;
    ++members;
  }
  for (const auto& [name, value] : latest) {
    EXPECT_EQ(written->root()["1"]["LatestPromise"][name].to_text(), value.to_text()) << name;
    ++members;
  }
  EXPECT_EQ(members, 14u);
}

TEST(HermesServerCodec, WritesRefusals) {
  EXPECT_EQ(write_refusal({core::hermes::Cause::RRecoveryRequired, "reveal first", "00ff"}),
            R"({"cause":"r recovery required","message":"reveal first","data":"00ff"})");
}

}  // namespace
}  // namespace myst::hermes
