// The hub's index, filled through the codec: the vectors are JSON.
#include "core/hub/proposal_index.hpp"

#include <gtest/gtest.h>

#include <set>

#include "drivers/discovery/proposal_codec.hpp"
#include "tests/support/support.hpp"

namespace myst::core {
namespace {

using std::chrono::seconds;

class ProposalIndexTest : public testing::Test {
 protected:
  static IndexedProposal make(const std::string& provider, const std::string& service,
                              const std::string& country = "LT") {
    Proposal proposal;
    proposal.provider_id = provider;
    proposal.service_type = service;
    proposal.location.country = country;
    proposal.contacts.push_back({std::string(kNatsContact), true, {"nats://b:4222"}, ""});
    return *discovery::index_proposal(proposal);
  }
  std::size_t count(const std::string& query, bool limited = true) {
    return discovery::read_proposal_list(index_.list(parse_proposal_query(query), limited, rng_))
        ->size();
  }
  void pass(Duration time) {
    now_.instant += time;
    now_.wall += std::chrono::duration_cast<std::chrono::milliseconds>(time);
  }
  test::SeededRng rng_{3};
  Now now_{Instant{} + seconds{1000}, WallTime{} + seconds{1700000000}};
  ProposalIndex::Config config_;
  ProposalIndex index_{config_};
};

std::string query_of(json::Value object) {
  std::string out;
  for (const auto& [name, value] : object) {
    const auto add = [&, key = name](const std::string& text) {
      out += (out.empty() ? "" : "&") + std::string(key) + "=" + form_encode(text);
    };
    if (value.is_array()) {
      for (const auto& [i, item] : value) add(std::string(*item.string()));
    } else {
      add(value.is_string() ? std::string(*value.string()) : value.to_text());
    }
  }
  return out;
}

// Vector server_list; its rows are the upstream server's own end-to-end test.
TEST_F(ProposalIndexTest, ListsWhatTheReferenceServerLists) {
  const auto document = json::Document::parse(test::read_vector("discovery.json"));
  ASSERT_TRUE(document.ok());
  const auto group = document->root()["server_list"];
  for (const auto& [i, item] : group["proposals"]) {
    ASSERT_TRUE(index_.put(now_, *discovery::index_proposal(*discovery::read_proposal(item))).ok());
  }
  const auto check = [&](json::Value cases) {
    std::size_t checked = 0;
    for (const auto& [i, item] : cases) {
      const std::string query = query_of(item["query"]);
      std::set<std::string> expected, got;
      for (const auto& [k, id] : item["provider_ids_any_order"]) expected.emplace(*id.string());
      const auto list =
          discovery::read_proposal_list(index_.list(parse_proposal_query(query), true, rng_));
      ASSERT_TRUE(list.ok());
      for (const auto& proposal : *list) got.insert(proposal.provider_id);
      EXPECT_EQ(got, expected) << query;
      ++checked;
    }
    EXPECT_GT(checked, 1u);
  };
  check(group["empty_oracle_response_cases"]);
  std::map<std::string, QualityRecord> quality;
  for (const auto& [name, value] : group["quality_oracle_response"]) {
    QualityRecord record;
    record.quality.quality = value["quality"].number_or(0);
    record.quality.latency = value["latency"].number_or(0);
    record.quality.bandwidth = value["bandwidth"].number_or(0);
    record.quality.monitoring_failed = value["monitoringFailed"].boolean_or(false);
    record.restricted = value["restrictedNode"].boolean_or(false);
    record.json = discovery::quality_json(record.quality);
    quality[std::string(name)] = record;
  }
  index_.set_quality(quality);
  check(group["cases"]);
  const auto countries = [&](json::Value item) {
    std::map<std::string, std::size_t> expected;
    for (const auto& [name, value] : item["body"]) {
      expected[std::string(name)] = static_cast<std::size_t>(*value.i64());
    }
    EXPECT_EQ(index_.countries(parse_proposal_query(query_of(item["query"]))), expected);
  };
  countries(group["countries"]["no_preset"]);
  countries(group["countries"]["preset_2"]);
  // Served with the oracle's figures.
  const auto one = discovery::read_proposal_list(
      index_.list(parse_proposal_query("provider_id=0x2&service_type=openvpn"), true, rng_));
  ASSERT_EQ(one->size(), 1u);
  EXPECT_DOUBLE_EQ(one->front().quality.quality, 2.7);
  // Unknown to the oracle: failed.
  ASSERT_TRUE(index_.put(now_, make("notMockedInWiremock", "openvpn")).ok());
  EXPECT_EQ(count("provider_id=notMockedInWiremock&service_type=openvpn"), 0u);
}

TEST_F(ProposalIndexTest, EmptyIsNull) { EXPECT_EQ(index_.list({}, true, rng_), "null"); }

TEST_F(ProposalIndexTest, LivesFor190SecondsAfterTheLastPing) {
  ASSERT_TRUE(index_.put(now_, make("0x1", "wireguard")).ok());
  ASSERT_TRUE(index_.put(now_, make("0x2", "wireguard")).ok());
  pass(seconds{180});
  ASSERT_TRUE(index_.put(now_, make("0x1", "wireguard")).ok());
  EXPECT_EQ(*index_.next_timeout(), now_.instant + seconds{10});
  pass(seconds{10});
  EXPECT_EQ(index_.expire(now_.instant).size(), 1u);
  EXPECT_EQ(count("provider_id=0x1"), 1u);
  EXPECT_EQ(count("provider_id=0x2"), 0u);
  EXPECT_EQ(index_.counters().refreshed, 1u);
  pass(seconds{180});
  EXPECT_EQ(index_.expire(now_.instant).size(), 1u);
  EXPECT_EQ(index_.size(), 0u);
  EXPECT_FALSE(index_.next_timeout());
}

TEST_F(ProposalIndexTest, RemovalKeepsTheOthersReachable) {
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(index_.put(now_, make("0x" + std::to_string(i), "wireguard")).ok());
    ASSERT_TRUE(index_.put(now_, make("0x" + std::to_string(i), "dvpn")).ok());
  }
  for (int i = 0; i < 20; i += 2) EXPECT_TRUE(index_.remove("0x" + std::to_string(i), "wireguard"));
  EXPECT_FALSE(index_.remove("0x0", "wireguard"));
  EXPECT_FALSE(index_.remove("0x99", "wireguard"));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(count("provider_id=0x" + std::to_string(i)), i % 2 == 0 ? 1u : 2u);
  }
  EXPECT_EQ(count(""), 30u);
  EXPECT_EQ(count("provider_id=0x1&provider_id=0x1&provider_id="), 2u);
}

TEST_F(ProposalIndexTest, LimitsArePerCountryAndSample) {
  config_.soft_limit = 10;
  config_.hard_limit = 40;
  index_ = ProposalIndex(config_);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(
        index_.put(now_, make("0x" + std::to_string(i), "wireguard", i % 2 == 0 ? "LT" : "DE"))
            .ok());
  }
  EXPECT_EQ(count(""), 2 * (10u + 3));  // 20, 30 and 40 of each country
  EXPECT_EQ(count("", false), 100u);
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const auto list = discovery::read_proposal_list(index_.list({}, true, rng_));
    for (const auto& proposal : *list) seen.insert(proposal.provider_id);
  }
  EXPECT_EQ(seen.size(), 100u);  // everyone has a turn
}

TEST_F(ProposalIndexTest, IsBounded) {
  config_.max_proposals = 3;
  config_.max_per_provider = 2;
  config_.compatibility_min = 2;
  index_ = ProposalIndex(config_);
  ASSERT_TRUE(index_.put(now_, make("0x1", "a")).ok());
  ASSERT_TRUE(index_.put(now_, make("0x1", "b")).ok());
  EXPECT_EQ(index_.put(now_, make("0x1", "c")).error().code, Errc::Full);
  ASSERT_TRUE(index_.put(now_, make("0x2", "a")).ok());
  EXPECT_EQ(index_.put(now_, make("0x3", "a")).error().code, Errc::Full);
  EXPECT_TRUE(index_.put(now_, make("0x2", "a")).ok());
  auto old = make("0x2", "a");
  old.proposal.compatibility = 1;
  EXPECT_EQ(index_.put(now_, old).error().code, Errc::Rejected);
}

TEST_F(ProposalIndexTest, RestoredEntriesKeepTheirAge) {
  ASSERT_TRUE(index_.restore(now_, make("0x1", "a"), seconds{100}).ok());
  EXPECT_FALSE(index_.restore(now_, make("0x2", "a"), seconds{190}).ok());
  EXPECT_FALSE(index_.restore(now_, make("0x2", "a"), seconds{-5}).ok());
  EXPECT_EQ(*index_.next_timeout(), now_.instant + seconds{90});
  EXPECT_EQ(unix_seconds(index_.metadata()[0].updated_at), 1699999900);
}

}  // namespace
}  // namespace myst::core
