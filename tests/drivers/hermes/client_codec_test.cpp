#include "drivers/hermes/client_codec.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "drivers/hermes/server_codec.hpp"
#include "tests/support/vectors.hpp"

namespace myst::hermes {
namespace {

using core::hermes::Cause;
using core::hermes::Refusal;
using core::hermes::SignedPromise;
using namespace core::money;

// What the reference node sent, by path and occurrence.
json::Value recorded(const std::string& path, int nth = 0) {
  static const auto document = test::vectors("promises.json");
  for (const auto& [index, item] : document.root()["hermes_requests"]) {
    if (item["path"].string_or("") == "/api/v2/" + path && nth-- == 0) return item;
  }
  ADD_FAILURE() << path;
  return {};
}

LocalSigner provider() {
  const auto document = test::vectors("promises.json");
  return *LocalSigner::from_key(
      Secret<32>(test::array_of<32>(document.root()["transactor"]["private_key"])));
}

Bytes base64(json::Value text) {
  return text.is_nothing() ? Bytes() : *from_base64(*text.string());
}

AskPromise ask_promise(json::Value body) {
  AskPromise call;
  const json::Value message = body["exchange_message"], promise = message["Promise"];
  core::pb::Promise wire;
  wire.channel_id = base64(promise["ChannelID"]);
  wire.chain_id = *promise["ChainID"].i64();
  wire.amount = promise["Amount"].to_text();
  wire.fee = promise["Fee"].to_text();
  wire.hashlock = base64(promise["Hashlock"]);
  wire.signature = base64(promise["Signature"]);
  call.message.promise = wire;
  call.message.agreement_id = message["AgreementID"].to_text();
  call.message.agreement_total = message["AgreementTotal"].to_text();
  call.message.provider = *message["Provider"].string();
  call.message.signature = *message["Signature"].string();
  call.message.hermes_id = *message["HermesID"].string();
  call.message.chain_id = *message["ChainID"].i64();
  call.transactor_fee = *body["transactor_fee"].u256();
  call.recovery = *body["r_recovery_data"].string();
  return call;
}

SignedPromise fee_promise(json::Value promise) {
  SignedPromise out;
  const Bytes channel = base64(promise["ChannelID"]), lock = base64(promise["Hashlock"]),
              signature = base64(promise["Signature"]);
  out.promise.channel = *payment::left_padded(channel);
  out.promise.hashlock = *payment::left_padded(lock);
  std::copy(signature.begin(), signature.end(), out.signature.begin());
  out.promise.chain_id = *promise["ChainID"].u64();
  out.promise.amount = *promise["Amount"].u256();
  out.promise.fee = *promise["Fee"].u256();
  return out;
}

TEST(HermesClientCodec, WritesThePromiseRequestOfTheReference) {
  const std::string body = recorded("request_promise")["body_utf8"].string_or("");
  const auto document = json::Document::parse(body);
  const auto wire = write_call(ask_promise(document->root()));
  ASSERT_TRUE(wire.ok());
  EXPECT_EQ(wire->path, "request_promise");
  EXPECT_TRUE(wire->post);
  EXPECT_EQ(wire->body, body);
  EXPECT_FALSE(wire->signed_by_us);
}

TEST(HermesClientCodec, WhatAConsumerPutIntoRIsNotPassedOn) {
  const auto document =
      json::Document::parse(recorded("request_promise")["body_utf8"].string_or(""));
  AskPromise call = ask_promise(document->root());
  call.message.promise->r = Bytes{1, 2, 3};
  EXPECT_NE(write_call(call)->body.find("\"R\":null"), std::string::npos);
  call.r.emplace(ByteArray<32>{});
  EXPECT_EQ(write_call(call)->path, "pay_and_settle");
}

TEST(HermesClientCodec, NumbersThatAreNoneAreRefused) {
  const auto document =
      json::Document::parse(recorded("request_promise")["body_utf8"].string_or(""));
  for (const char* bad : {"", "1e3", "-1", "0x1", "1}", "\"1\""}) {
    AskPromise call = ask_promise(document->root());
    call.message.agreement_total = bad;
    EXPECT_FALSE(write_call(call).ok()) << bad;
  }
}

TEST(HermesClientCodec, WritesRevealsOfTheReference) {
  const Bytes r =
      test::bytes_of("5152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f70");
  const Address id = provider().address();
  EXPECT_EQ(write_call(RevealR{r, id, U256(21)})->body,
            recorded("reveal_r")["body_utf8"].string_or(""));
  EXPECT_EQ(write_call(RevealR{r, id, {}})->body,
            recorded("reveal_r", 1)["body_utf8"].string_or(""));
}

TEST(HermesClientCodec, WritesTheFeeChangeOfTheReference) {
  const std::string body = recorded("change_promise_fee")["body_utf8"].string_or("");
  const auto document = json::Document::parse(body);
  const json::Value promise = document->root()["hermes_promise"];
  ChangeFee call;
  call.promise = fee_promise(promise);
  ByteArray<32> r;
  const Bytes secret = base64(promise["R"]);
  std::copy(secret.begin(), secret.end(), r.begin());
  call.r = Secret<32>(r);
  call.new_fee = *document->root()["new_fee"].u256();
  EXPECT_EQ(write_call(call)->body, body);
}

TEST(HermesClientCodec, SignsAsTheReferenceDoes) {
  const json::Value sync = recorded("provider/sync_promise");
  const auto fees =
      json::Document::parse(recorded("change_promise_fee")["body_utf8"].string_or(""));
  const auto wire = write_call(SyncPromise{fee_promise(fees->root()["hermes_promise"])});
  EXPECT_EQ(wire->body, sync["body_utf8"].string_or(""));
  ASSERT_TRUE(wire->signed_by_us);
  EXPECT_EQ(*authorization(provider(), wire->body), sync["authorization"].string_or(""));

  const json::Value refresh = recorded("refresh_promise");
  RefreshPromise call{137, provider().address(), {}, "0102ff"};
  call.hashlock = test::array_of<32>(
      json::Document::parse(refresh["body_utf8"].string_or(""))->root()["hashlock"]);
  const auto refreshed = write_call(call);
  EXPECT_EQ(refreshed->body, refresh["body_utf8"].string_or(""));
  EXPECT_EQ(*authorization(provider(), refreshed->body), refresh["authorization"].string_or(""));
}

TEST(HermesClientCodec, AsksForData) {
  const Address id = *Address::parse("0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a");
  EXPECT_EQ(write_call(AskConsumerData{id})->path, "data/consumer/" + id.to_string());
  EXPECT_EQ(write_call(AskProviderData{id})->path, "data/provider/" + id.to_string());
  EXPECT_FALSE(write_call(AskProviderData{id})->post);
}

TEST(HermesClientCodec, ReadsPromisesThatItsServerWrites) {
  const auto fees =
      json::Document::parse(recorded("change_promise_fee")["body_utf8"].string_or(""));
  const SignedPromise promise = fee_promise(fees->root()["hermes_promise"]);
  const auto answer = read_answer(ChangeFee{}, 200, write_promise(promise));
  ASSERT_TRUE(answer.ok());
  const auto* read = std::get_if<SignedPromise>(&*answer);
  ASSERT_NE(read, nullptr);
  EXPECT_TRUE(read->promise == promise.promise);
  EXPECT_EQ(read->signature, promise.signature);
}

// Bodies a reference node takes or refuses. Ours wants all members that a promise has.
TEST(HermesClientCodec, RefusesWhatTheReferenceRefuses) {
  const auto document = test::vectors("promises.json");
  for (const auto& [index, item] : document.root()["hermes_answers"]["cases"]) {
    const auto answer = read_answer(AskPromise{}, static_cast<int>(item["status"].i64_or(0)),
                                    item["body_utf8"].string_or(""));
    if (item["accepted"].boolean_or(true)) continue;
    EXPECT_TRUE(!answer.ok() || std::holds_alternative<Refusal>(*answer))
        << item["name"].string_or("");
  }
}

TEST(HermesClientCodec, ReadsRefusalsByTheirExactCause) {
  for (const auto& [cause, text] :
       {std::pair(Cause::RRecoveryRequired, "r recovery required"),
        std::pair(Cause::InvalidPreviousPromise,
                  "invalid previuos latest promise, impossible to issue new one"),
        std::pair(Cause::HashlockMismatch, "hashlock missmatch"),
        std::pair(Cause::NotFound, "resource not found"),
        std::pair(Cause::Internal, "Internal Error"), std::pair(Cause::Internal, "")}) {
    const std::string body =
        std::string(R"({"cause":")") + text + R"(","message":"why","data":"00ff"})";
    const auto answer = read_answer(AskPromise{}, 400, body);
    ASSERT_TRUE(answer.ok());
    const auto* refusal = std::get_if<Refusal>(&*answer);
    ASSERT_NE(refusal, nullptr);
    EXPECT_EQ(refusal->cause, cause) << text;
    EXPECT_EQ(refusal->message, "why");
    EXPECT_EQ(refusal->data, "00ff");
  }
  const auto html = read_answer(RevealR{}, 502, "<html>");
  EXPECT_EQ(std::get<Refusal>(*html).cause, Cause::Internal);
}

TEST(HermesClientCodec, ReadsAccountData) {
  const auto answer = read_answer(
      AskConsumerData{}, 200,
      R"({"80001":{"Identity":"0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a","Beneficiary":"0x0000000000000000000000000000000000000000","ChannelID":"0x712ab3bb8ed326ab2290ac85ca09460c7156fb60","Balance":5,"Settled":7,"Stake":0,"LatestPromise":{"ChainID":80001,"ChannelID":"0x712ab3bb8ed326ab2290ac85ca0946071c56fb60","Amount":123456789012345678901234,"Fee":0,"Hashlock":"0xe69fdf8f7c7ea5bc8c84370d5c8d2b4ca4b45c02806a611b9d369caa9f0be3d6","Signature":"0x)" +
          std::string(130, '1') +
          R"("},"LatestSettlement":"0001-01-01T00:00:00Z","IsOffchain":true},"5":{"LatestPromise":null}})");
  ASSERT_TRUE(answer.ok());
  const auto& accounts = std::get<std::vector<core::hermes::AccountData>>(*answer);
  ASSERT_EQ(accounts.size(), 2u);
  EXPECT_EQ(accounts[0].chain, 80001u);
  EXPECT_EQ(accounts[0].balance, Wei(5));
  EXPECT_EQ(accounts[0].settled, Wei(7));
  EXPECT_TRUE(accounts[0].offchain);
  EXPECT_EQ(accounts[0].latest.promise.amount.to_string(), "123456789012345678901234");
  EXPECT_TRUE(accounts[1].latest.promise.amount.is_zero());
  EXPECT_FALSE(read_answer(AskConsumerData{}, 200, R"({"x":{}})").ok());
  EXPECT_FALSE(read_answer(AskConsumerData{}, 200, "[]").ok());
}

TEST(HermesClientCodec, TheBaseUrlIsWhatTheRegistrySaysWithoutItsPath) {
  EXPECT_EQ(*base_url("https://hermes.example/api/v1?x=y"), "https://hermes.example/api/v2");
  EXPECT_EQ(*base_url("http://hub.test:8080"), "http://hub.test:8080/api/v2");
  for (const char* bad : {"", "hermes.example", "ftp://hermes.example", "http://"}) {
    EXPECT_FALSE(base_url(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace myst::hermes
