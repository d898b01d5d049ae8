#include "drivers/transactor/server_codec.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "tests/support/vectors.hpp"

namespace myst::transactor {
namespace {

using core::transactor::Kind;
using core::transactor::Task;
using core::transactor::TaskState;

const Address kIdentity = *Address::parse("0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68");

std::vector<std::string> recorded(const std::string& path) {
  static const auto document = test::vectors("promises.json");
  std::vector<std::string> out;
  for (const auto& [index, item] : document.root()["transactor"]["requests"]) {
    if (item["path"].string_or("") == "/api/v1/" + path) {
      out.push_back(item["body_utf8"].string_or(""));
    }
  }
  EXPECT_FALSE(out.empty()) << path;
  return out;
}

core::transactor::Terms terms() {
  core::transactor::ChainTerms chain;
  chain.id = 137;
  chain.registry = *Address::parse("0x87F0F4b7e0FAb14A565C87BAbbA6c40c92281b51");
  chain.hermes = *Address::parse("0x80Ed28d84792d8b153bf2F25F0C4B7a1381dE4ab");
  chain.channel_implementation = *Address::parse("0x6b423D3885B4877b5760E149364f85f185f477aD");
  chain.hermeses = {chain.hermes};
  core::transactor::Terms out;
  out.chains = {chain};
  return out;
}

TEST(TransactorServerCodec, ReadsRegistrationsWhoseSignaturesHold) {
  for (const std::string& body : recorded("identity/register")) {
    const auto request = read_registration(body);
    ASSERT_TRUE(request.ok());
    EXPECT_EQ(request->identity, kIdentity);
    const auto made = core::transactor::make_task(terms(), *request, WallTime{});
    ASSERT_TRUE(std::holds_alternative<Task>(made)) << body;
    // The default beneficiary is the own channel.
    EXPECT_EQ(std::get<Task>(made).channel.to_string(),
              "0x2c56b1c86825f87abdfa12711e43a8b2d859abeb");
  }
  const auto with_token = read_registration(recorded("identity/register/referer").front());
  ASSERT_TRUE(with_token.ok());
  const auto provider = read_registration(recorded("identity/register/provider").front());
  ASSERT_TRUE(provider.ok());
  EXPECT_EQ(provider->terms.stake.to_string(), "62000000000000000000");
}

TEST(TransactorServerCodec, ReadsWhatOpensChannels) {
  const auto open = read_open_channel(recorded("channel/open").front());
  ASSERT_TRUE(open.ok());
  const auto made = core::transactor::make_task(terms(), *open, WallTime{});
  ASSERT_TRUE(std::holds_alternative<Task>(made));
  EXPECT_EQ(std::get<Task>(made).identity, kIdentity) << "recovered from the signature";
  const auto status = read_channel_status(recorded("channel/status").front());
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->identity, kIdentity);
}

TEST(TransactorServerCodec, ReadsSettlements) {
  const auto plain = read_settle(recorded("identity/settle_and_rebalance").front(), Kind::Settle);
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->amount.to_string(), "123456789012345678901");
  EXPECT_EQ(plain->fee.to_string(), "20000000000000000");
  EXPECT_EQ(plain->r[0], 0x51);
  EXPECT_EQ(plain->channel[31], 0x40);
  EXPECT_TRUE(
      read_settle(recorded("identity/settle/into_stake").front(), Kind::SettleIntoStake).ok());
  const auto with =
      read_settle_with_beneficiary(recorded("identity/settle_with_beneficiary").front());
  ASSERT_TRUE(with.ok());
  EXPECT_EQ(with->terms.nonce, U256(7));
  EXPECT_EQ(with->settle.amount, plain->amount);
  const auto signer = payment::recover_terms_signer(with->terms, with->signature);
  ASSERT_TRUE(signer.ok());
  EXPECT_EQ(*signer, kIdentity);
  const auto pay = read_pay_and_settle(recorded("identity/pay_and_settle").front());
  ASSERT_TRUE(pay.ok());
  EXPECT_EQ(pay->signature[0], 0xab);
}

TEST(TransactorServerCodec, ReadsStakeDecreases) {
  const auto bodies = recorded("stake/decrease");
  ASSERT_EQ(bodies.size(), 2u);
  const auto first = read_decrease_stake(bodies[0]);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->terms.nonce, U256(42));
  const auto signer = payment::recover_terms_signer(first->terms, first->signature);
  ASSERT_TRUE(signer.ok());
  EXPECT_EQ(*signer, kIdentity);
  // An amount that wrapped in the sender's program: what is signed is another one.
  const auto wrapped = read_decrease_stake(bodies[1]);
  ASSERT_TRUE(wrapped.ok());
  EXPECT_TRUE(wrapped->terms.amount.is_zero());
  const auto made = core::transactor::make_task(terms(), *wrapped, WallTime{});
  ASSERT_TRUE(std::holds_alternative<core::transactor::Refusal>(made));
  EXPECT_EQ(std::get<core::transactor::Refusal>(made).code, "invalid_signature");
}

TEST(TransactorServerCodec, RefusesBrokenBodies) {
  const std::string good = recorded("identity/settle_with_beneficiary").front();
  for (std::size_t cut = 0; cut < good.size(); cut += 11) {
    EXPECT_FALSE(read_settle_with_beneficiary(good.substr(0, cut)).ok());
  }
  for (const char* text : {"", "null", "[]", "{}", "{\"chainID\":-1}", "{\"Promise\":1}"}) {
    EXPECT_FALSE(read_registration(text).ok());
    EXPECT_FALSE(read_open_channel(text).ok());
    EXPECT_FALSE(read_settle(text, Kind::Settle).ok());
    EXPECT_FALSE(read_settle_with_beneficiary(text).ok());
    EXPECT_FALSE(read_pay_and_settle(text).ok());
    EXPECT_FALSE(read_decrease_stake(text).ok());
    EXPECT_FALSE(read_channel_status(text).ok());
  }
}

TEST(TransactorServerCodec, WritesWhatNodesRead) {
  const WallTime now = WallTime{} + std::chrono::seconds{1893456000};
  EXPECT_EQ(write_fee(*U256::parse("123456789012345678901"), now),
            R"({"fee":123456789012345678901,"valid_until":"2030-01-01T00:00:00Z"})");
  EXPECT_EQ(write_fees({3, 2, 1}, {3, 1, 1}, now, now),
            R"({"current":{"decreaseStake":1,"settle":2,"register":3,)"
            R"("valid_until":"2030-01-01T00:00:00Z"},"last":{"decreaseStake":1,"settle":1,)"
            R"("register":3,"valid_until":"2030-01-01T00:00:00Z"},)"
            R"("server_time":"2030-01-01T00:00:00Z"})");
  Task task;
  task.id = "q-1";
  task.identity = kIdentity;
  task.chain = 137;
  task.created = task.updated = now;
  EXPECT_EQ(write_queue_entry(task), R"({"id":"q-1","tx_hash":"","state":"queue","error":""})");
  EXPECT_EQ(write_registrations({task}),
            R"([{"identity_id":"0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68","status":"created",)"
            R"("tx_hash":"","created_at":"2030-01-01T00:00:00Z",)"
            R"("updated_at":"2030-01-01T00:00:00Z","bounty_amount":0,"chain_id":137}])");
  task.state = TaskState::Failed;
  task.reason = "no money";
  task.tx_hash.fill(0xab);
  EXPECT_EQ(write_queue_entry(task), R"({"id":"q-1","tx_hash":"0x)" + to_hex(task.tx_hash) +
                                         R"(","state":"error","error":"no money"})");
  EXPECT_NE(write_registrations({task}).find(R"("status":"failed")"), std::string::npos);
  EXPECT_EQ(write_channel_status(ChannelStatus::InProgress, ""), R"({"status":"in_progress"})");
  EXPECT_EQ(write_error({402, "fee_too_low", "more"}, "/x"),
            R"({"error":{"code":"fee_too_low","message":"more"},"status":402,"path":"/x"})");
}

}  // namespace
}  // namespace myst::transactor
