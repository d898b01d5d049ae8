#include "drivers/transactor/client_codec.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "core/base/time_text.hpp"
#include "core/identity/signer.hpp"
#include "core/payment/channel.hpp"
#include "core/payment/signed_requests.hpp"
#include "tests/support/vectors.hpp"

namespace myst::transactor {
namespace {

using namespace core::money;

json::Value vectors() {
  static const auto document = test::vectors("promises.json");
  return document.root()["transactor"];
}
// What the reference node sent, by path and occurrence.
json::Value recorded(const std::string& path, int nth = 0) {
  for (const auto& [index, item] : vectors()["requests"]) {
    if (item["path"].string_or("") == "/api/v1/" + path && nth-- == 0) return item;
  }
  ADD_FAILURE() << path;
  return {};
}
std::string body(const std::string& path, int nth = 0) {
  return recorded(path, nth)["body_utf8"].string_or("");
}
std::string answer(const std::string& path) { return recorded(path)["answer_utf8"].string_or(""); }

LocalSigner signer() {
  return *LocalSigner::from_key(Secret<32>(test::array_of<32>(vectors()["private_key"])));
}
Address address(const char* name) { return *Address::parse(vectors()[name].string_or("")); }

SettleBody settle_body() {
  const json::Value promise = vectors()["promise"];
  SettleBody out;
  out.hermes = address("hermes");
  out.provider = address("identity");
  out.promise.promise.chain_id = *promise["chain_id"].u64();
  out.promise.promise.channel = test::array_of<32>(promise["channel_id"]);
  out.promise.promise.amount = *U256::parse(promise["amount"].string_or(""));
  out.promise.promise.fee = *U256::parse(promise["fee"].string_or(""));
  out.promise.signature = test::array_of<65>(promise["signature"]);
  out.r = Secret<32>(test::array_of<32>(promise["r"]));
  return out;
}

RegisterIdentity registration(std::uint64_t chain, const std::string& beneficiary, const Wei& fee,
                              const Wei& stake) {
  RegisterIdentity call{chain,
                        address("registry"),
                        address("hermes"),
                        signer().address(),
                        beneficiary,
                        stake,
                        fee,
                        {},
                        {}};
  payment::RegistrationTerms terms{chain, call.registry, call.hermes,
                                   stake, fee,           Address::parse_lenient(beneficiary)};
  call.signature = *payment::sign_terms(signer(), terms);
  return call;
}

TEST(TransactorClientCodec, WritesRegistrationsOfTheReference) {
  const auto given = write_call(registration(137, "0x1234AAAAaaaaAAAAaaaaAAAAaaaaAAAAaa123412",
                                             Wei(100000000000000000), Wei()));
  EXPECT_EQ(given.path, "identity/register");
  EXPECT_EQ(given.body, body("identity/register"));
  const std::string own =
      payment::consumer_channel(signer().address(), address("hermes"), address("registry"),
                                address("channel_implementation"))
          .to_string();
  EXPECT_EQ(write_call(registration(137, own, Wei(), Wei())).body, body("identity/register", 1));

  RegisterIdentity call = registration(80001, own, Wei(), *U256::parse("62000000000000000000"));
  call.provider = true;
  EXPECT_EQ(write_call(call).path, "identity/register/provider");
  EXPECT_EQ(write_call(call).body, body("identity/register/provider"));
  call = registration(137, own, Wei(), Wei());
  call.referral_token = "token";
  EXPECT_EQ(write_call(call).path, "identity/register/referer");
  EXPECT_NE(write_call(call).body.find(R"("chainID":137,"token":"token"})"), std::string::npos);
}

TEST(TransactorClientCodec, WritesSettlementsOfTheReference) {
  const WireCall plain = write_call(Settle{settle_body(), false});
  EXPECT_EQ(plain.path, "identity/settle_and_rebalance");
  EXPECT_EQ(plain.body, body(plain.path));
  const WireCall stake = write_call(Settle{settle_body(), true});
  EXPECT_EQ(stake.path, "identity/settle/into_stake");
  EXPECT_EQ(stake.body, body(stake.path));

  SettleWithBeneficiary change;
  change.body = settle_body();
  change.beneficiary = *Address::parse("0x1234aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa123412");
  change.registry = address("registry");
  change.nonce = U256(7);
  change.signature = *payment::sign_terms(
      signer(), payment::BeneficiaryTerms{137, change.registry, signer().address(),
                                          change.beneficiary, change.nonce});
  EXPECT_EQ(write_call(change).body, body("identity/settle_with_beneficiary"));

  PayAndSettle withdraw{settle_body(), change.beneficiary, {}};
  withdraw.signature.fill(0xab);
  // The recorded call was given an address in capitals of its own.
  EXPECT_EQ(to_lower(write_call(withdraw).body), to_lower(body("identity/pay_and_settle")));
}

TEST(TransactorClientCodec, WritesStakeAndChannelCallsOfTheReference) {
  DecreaseStake stake{137,
                      address("hermes"),
                      signer().address(),
                      {},
                      Wei(1000000000000000000),
                      Wei(10000000000000000),
                      U256(42),
                      {}};
  stake.channel = payment::provider_channel_id(stake.provider, stake.hermes);
  stake.signature = *payment::sign_terms(
      signer(),
      payment::StakeDecreaseTerms{137, stake.channel, stake.amount, stake.fee, stake.nonce});
  EXPECT_EQ(write_call(stake).body, body("stake/decrease"));
  OpenChannel open{137, address("registry"), address("hermes"), {}};
  open.signature = *payment::sign_terms(
      signer(), payment::OpenChannelTerms{137, open.registry, open.hermes, Wei()});
  EXPECT_EQ(write_call(open).body, body("channel/open"));
}

TEST(TransactorClientCodec, ReadsAnswersOfTheReferencesServer) {
  EXPECT_EQ(fee_path(137, FeeKind::Register), "fee/137/register");
  EXPECT_EQ(fee_path(137, FeeKind::DecreaseStake), "fee/137/stake/decrease");
  const auto fee = read_fee(answer(fee_path(137, FeeKind::Settle)));
  ASSERT_TRUE(fee.ok());
  EXPECT_EQ(fee->amount.to_string(), "123456789012345678901");
  EXPECT_EQ(to_rfc3339(fee->valid_until), "2030-01-01T00:00:00Z");
  const auto all = read_combined_fees(answer("fee/137"));
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->current.settlement, Wei(2));
  EXPECT_EQ(all->last.settlement, Wei(5));
  EXPECT_EQ(all->current.registration, Wei(3));
  EXPECT_EQ(*read_queue_id(answer("identity/settle_and_rebalance")), "q-1");
  const auto entry = read_queue_entry(answer("queue/q-1"));
  ASSERT_TRUE(entry.ok());
  EXPECT_EQ(entry->state, QueueState::Done);
  EXPECT_EQ(entry->transaction, "0xab");
  const auto status =
      read_registrations(answer("identity/" + signer().address().to_string() + "/status"));
  ASSERT_TRUE(status.ok() && status->size() == 1);
  EXPECT_EQ(status->front().progress, RegistrationProgress::Created);
  EXPECT_EQ(status->front().bounty, Wei(5));
  EXPECT_TRUE(*read_eligible(answer("identity/register/provider/eligibility")));
}

TEST(TransactorClientCodec, OddAnswersAreErrors) {
  for (const char* text : {"", "[]", "{}", R"({"fee":"1"})", R"({"fee":1e3})", "null"}) {
    EXPECT_FALSE(read_fee(text).ok()) << text;
    EXPECT_FALSE(read_queue_id(text).ok()) << text;
    EXPECT_FALSE(read_eligible(text).ok()) << text;
  }
  EXPECT_EQ(read_queue_entry(R"({"state":"lost"})")->state, QueueState::Unknown);
  EXPECT_TRUE(read_registrations("null")->empty());
}

TEST(TransactorClientCodec, ReadsTheRewardOfAToken) {
  EXPECT_EQ(*read_reward(R"({"reward":"123456789012345678901234567890"})"),
            *Wei::parse("123456789012345678901234567890"));
  for (const char* text : {R"({"reward":""})", R"({"reward":null})", R"({"reward":5})", "{}",
                           R"({"reward":"-1"})", R"({"reward":"1e3"})"}) {
    EXPECT_EQ(read_reward(text).error().code, Errc::NotFound) << text;
  }
  EXPECT_EQ(read_reward("").error().code, Errc::Malformed);
}

TEST(TransactorClientCodec, TellsWhyItWasRefused) {
  EXPECT_EQ(read_problem(R"({"error":{"code":"x","message":"no funds"},"status":400})"),
            "no funds");
  EXPECT_EQ(read_problem(R"({"cause":"x","message":"too low"})"), "too low");
  EXPECT_EQ(read_problem(R"({"error":"plain"})"), "plain");
  EXPECT_EQ(read_problem("  busy \n"), "busy");
  EXPECT_EQ(read_problem(""), "no reason given");
}

}  // namespace
}  // namespace myst::transactor
