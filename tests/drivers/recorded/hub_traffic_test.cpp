// What two reference nodes asked of our hub between their start and a settlement, recorded by
// tests/interop/record.py (hub_traffic): our servers read every request, our clients every answer
// the reference was content with, and the gate lets every line of its broker clients through.
#include <gtest/gtest.h>

#include <map>

#include "core/base/text.hpp"
#include "core/hub/gate.hpp"
#include "core/hub/transactor/requests.hpp"
#include "drivers/discovery/location_codec.hpp"
#include "drivers/discovery/price_codec.hpp"
#include "drivers/discovery/proposal_codec.hpp"
#include "drivers/hermes/client_codec.hpp"
#include "drivers/hermes/server_codec.hpp"
#include "drivers/transactor/client_codec.hpp"
#include "drivers/transactor/server_codec.hpp"
#include "tests/support/support.hpp"
#include "tests/support/vectors.hpp"

namespace myst {
namespace {

class HubTraffic : public testing::Test {
 protected:
  struct Exchange {
    std::string path, query, body, answer;
    bool post = false;
    int status = 0;
    WallTime wall{};
  };
  static json::Document load() {
    auto document =
        json::Document::parse(test::read_vector("recorded/hub_traffic.json"), {4u << 20, 32});
    if (!document.ok()) test::vector_error("hub_traffic.json");
    return std::move(*document);
  }
  static WallTime time_of(json::Value entry) {
    return WallTime{std::chrono::milliseconds{*entry["wall"].i64()}};
  }
  // Those whose path starts so; at least one.
  std::vector<Exchange> about(std::string_view start) const {
    std::vector<Exchange> out;
    for (const auto item : file_.root()["http"]) {
      const json::Value e = item.value;
      Exchange one;
      one.path = e["path"].string_or("");
      const std::size_t mark = one.path.find('?');
      if (mark != std::string::npos) {
        one.query = one.path.substr(mark + 1);
        one.path.resize(mark);
      }
      if (one.path.compare(0, start.size(), start) != 0) continue;
      one.post = e["method"].string_or("") == "POST";
      one.body = e["body"]["text"].string_or("");
      one.answer = e["answer"]["text"].string_or("");
      one.status = static_cast<int>(*e["status"].i64());
      one.wall = time_of(e);
      out.push_back(std::move(one));
    }
    EXPECT_FALSE(out.empty()) << start;
    return out;
  }
  Address contract(const char* name) const {
    return *Address::parse(to_lower(file_.root()["contracts"][name].string_or("")));
  }

  json::Document file_ = load();
};

TEST_F(HubTraffic, DiscoveryAndLocation) {
  for (const Exchange& e : about("/location")) {
    EXPECT_TRUE(discovery::read_location(e.answer).ok()) << e.answer;
    EXPECT_TRUE(discovery::read_ip(e.answer).ok());
  }
  for (const Exchange& e : about("/api/v4/prices")) {
    const auto prices = discovery::read_prices(e.answer);
    ASSERT_TRUE(prices.ok());
    EXPECT_TRUE(prices->defaults.current.residential[0].has_value());
  }
  std::size_t listed = 0;
  for (const Exchange& e : about("/api/v4/proposals")) {
    const core::ProposalFilter filter = core::parse_proposal_query(e.query);
    EXPECT_EQ(filter.access_policy, "all");
    EXPECT_EQ(filter.service_type, "wireguard");
    const auto list = discovery::read_proposal_list(e.answer);
    ASSERT_TRUE(list.ok()) << e.answer;
    for (const core::Proposal& proposal : *list) {
      EXPECT_TRUE(core::is_valid(proposal) && core::matches_statically(filter, proposal));
      ++listed;
    }
  }
  EXPECT_GT(listed, 0u);
}

TEST_F(HubTraffic, PaymentsBecomePromises) {
  std::map<Address, Wei> promised;  // by the provider
  std::optional<Address> operator_address;
  for (const Exchange& e : about("/api/v2/request_promise")) {
    const auto request = hermes::read_promise_request(e.body, false);
    ASSERT_TRUE(request.ok()) << e.body;
    const auto consumer =
        payment::recover_promise_signer(request->promise.promise, request->promise.signature);
    payment::ExchangeMessage message = request->message;
    message.promise_hash = payment::promise_hash(request->promise.promise);
    const auto signer = payment::recover_exchange_signer(message, request->message_signature);
    ASSERT_TRUE(consumer.ok() && signer.ok());
    EXPECT_EQ(*consumer, *signer);
    // The channel is the one that the consumer's address leads to.
    const Address channel = payment::consumer_channel(
        *consumer, contract("hermes"), contract("registry"), contract("channel_implementation"));
    EXPECT_EQ(to_hex(request->promise.promise.channel),
              std::string(24, '0') + channel.to_string().substr(2));

    ASSERT_EQ(e.status, 200);
    const auto answer =
        hermes::read_answer(core::money::AskPromise{{}, {}, {}, {}}, e.status, e.answer);
    ASSERT_TRUE(answer.ok()) << e.answer;
    const auto* ours = std::get_if<core::hermes::SignedPromise>(&*answer);
    ASSERT_NE(ours, nullptr);
    EXPECT_EQ(ours->promise.hashlock, request->promise.promise.hashlock);
    EXPECT_GT(ours->promise.amount, promised[message.provider]);
    promised[message.provider] = ours->promise.amount;
    const auto by = payment::recover_promise_signer(ours->promise, ours->signature);
    ASSERT_TRUE(by.ok());
    if (!operator_address) operator_address = *by;
    EXPECT_EQ(*by, *operator_address);
  }
  for (const Exchange& e : about("/api/v2/reveal_r")) {
    const auto request = hermes::read_reveal(e.body);
    ASSERT_TRUE(request.ok()) << e.body;
    EXPECT_EQ(request->r.size(), 32u);
    EXPECT_EQ(promised.count(request->provider), 1u);
  }
  for (const Exchange& e : about("/api/v2/change_promise_fee")) {
    const auto request = hermes::read_change_fee(e.body);
    ASSERT_TRUE(request.ok()) << e.body;
    EXPECT_FALSE(request->new_fee.is_zero());
  }
  for (const Exchange& e : about("/api/v2/data/")) {
    const auto answer =
        hermes::read_answer(core::money::AskProviderData{Address()}, e.status, e.answer);
    EXPECT_TRUE(answer.ok()) << e.answer;
  }
}

TEST_F(HubTraffic, TheTransactorTakesWhatIsSigned) {
  core::transactor::ChainTerms chain;
  chain.id = static_cast<std::uint64_t>(*file_.root()["contracts"]["chain_id"].i64());
  chain.registry = contract("registry");
  chain.token = contract("token");
  chain.channel_implementation = contract("channel_implementation");
  chain.hermes = contract("hermes");
  chain.hermeses = {chain.hermes};
  chain.fees = {Wei{1000000000000000u}, Wei{1000000000000000u}, Wei{1000000000000000u}};
  const core::transactor::Terms terms{{chain}};
  const auto taken = [&](const core::transactor::Request& request, WallTime at) {
    const auto made = core::transactor::make_task(terms, request, at);
    const auto* refusal = std::get_if<core::transactor::Refusal>(&made);
    return refusal == nullptr ? std::string() : refusal->message;
  };
  std::size_t registrations = 0, settlements = 0;
  for (const Exchange& e : about("/transactor/api/v1/")) {
    const std::string path = e.path.substr(std::string("/transactor/api/v1/").size());
    if (e.post && path == "identity/register") {
      const auto request = transactor::read_registration(e.body);
      ASSERT_TRUE(request.ok()) << e.body;
      EXPECT_EQ(taken(*request, e.wall), "");
      ++registrations;
    } else if (e.post && path == "identity/settle_with_beneficiary") {
      const auto request = transactor::read_settle_with_beneficiary(e.body);
      ASSERT_TRUE(request.ok()) << e.body;
      EXPECT_EQ(taken(*request, e.wall), "");
      EXPECT_TRUE(transactor::read_queue_id(e.answer).ok());
      ++settlements;
    } else if (path.compare(0, 6, "queue/") == 0) {
      EXPECT_TRUE(transactor::read_queue_entry(e.answer).ok()) << e.answer;
    } else if (path.find("eligibility") != std::string::npos) {
      EXPECT_TRUE(transactor::read_eligible(e.answer).ok());
    } else if (path.compare(0, 4, "fee/") == 0) {
      EXPECT_EQ(transactor::read_fee(e.answer).ok(), e.status == 200);
    } else {
      EXPECT_TRUE(transactor::read_registrations(e.answer).ok()) << e.path;
    }
  }
  EXPECT_EQ(registrations, 2u);
  EXPECT_GE(settlements, 1u);
}

TEST_F(HubTraffic, TheGateLetsTheBrokerClientsThrough) {
  core::GateConfig config;
  core::SubscriptionMemory memory;
  core::GateCounters counters;
  std::map<std::int64_t, core::GateSession> sessions;
  std::string passed;
  for (const auto item : file_.root()["broker"]) {
    const json::Value e = item.value;
    const Now now{Instant{time_of(e).time_since_epoch()}, time_of(e)};
    core::GateSession& session =
        sessions.try_emplace(*e["connection"].i64(), config, memory, counters, now).first->second;
    if (e["from"].string_or("") != "client") continue;  // the gate's own answers
    EXPECT_TRUE(session.handle_client(now, test::bytes_of(e["hex"])).ok());
    passed += as_text(session.take_to_server());
    EXPECT_EQ(as_text(session.take_to_client()), "");
  }
  EXPECT_GT(counters.verified, 3u);
  EXPECT_EQ(counters.refused_unsigned + counters.refused_forged + counters.refused_stale +
                counters.refused_malformed,
            0u);
  for (const char* subject :
       {".proposal-register.v3", ".wireguard.p2p-config-exchange",
        ".wireguard.p2p-config-exchange-ack", ".p2p-channel-handlers-ready"}) {
    EXPECT_NE(passed.find(subject), std::string::npos) << subject;
  }
  EXPECT_EQ(passed.find("signed."), std::string::npos);
}

// The announcements among them are what the discovery index takes.
TEST_F(HubTraffic, ProposalsOfTheBrokerAreIndexed) {
  std::string stream;
  for (const auto item : file_.root()["broker"]) {
    if (item.value["from"].string_or("") == "client") {
      stream += as_text(test::bytes_of(item.value["hex"]));
    }
  }
  std::size_t found = 0;
  for (std::size_t at = stream.find("{\"proposal\":"); at != std::string::npos;
       at = stream.find("{\"proposal\":", at + 1)) {
    const std::string text = stream.substr(at, stream.find("\r\n", at) - at);
    auto proposal = discovery::read_proposal_message(text);
    ASSERT_TRUE(proposal.ok()) << text;
    // Our writer is theirs, byte for byte.
    EXPECT_EQ(discovery::proposal_message(*proposal), text);
    EXPECT_TRUE(discovery::index_proposal(std::move(*proposal)).ok());
    ++found;
  }
  EXPECT_GT(found, 0u);
}

}  // namespace
}  // namespace myst
