#include "drivers/discovery/proposal_codec.hpp"

#include <gtest/gtest.h>

#include "core/market/filter.hpp"
#include "tests/support/support.hpp"

namespace myst::discovery {
namespace {

json::Document vector_file(const std::string& name) {
  json::Limits limits;
  limits.max_bytes = 16u << 20;
  auto document = json::Document::parse(test::read_vector(name), limits);
  EXPECT_TRUE(document.ok());
  return std::move(*document);
}

core::SupportedKinds all_kinds() {
  core::SupportedKinds kinds;
  kinds.service_types = {"wireguard",     "openvpn",       "noop", "scraping",
                         "quic_scraping", "data_transfer", "dvpn", "monitoring"};
  return kinds;
}

TEST(ProposalCodec, WritesWhatTheReferencePublishes) {
  const auto document = vector_file("proposals.json");
  std::size_t count = 0;
  for (const auto& [name, item] : document.root()["published"]) {
    const std::string payload(*item["payload_utf8"].string());
    const auto proposal = read_proposal_message(payload);
    ASSERT_TRUE(proposal.ok());
    EXPECT_EQ(proposal_message(*proposal), payload);
    EXPECT_EQ(core::is_valid(*proposal), *item["passes_validation"].boolean());
    EXPECT_EQ(core::is_supported(*proposal, all_kinds()), *item["supported_by_consumer"].boolean());
    ++count;
  }
  EXPECT_EQ(count, 12u);
}

TEST(ProposalCodec, WritesTheBytesOfTheVectors) {
  const auto document = vector_file("discovery.json");
  std::size_t count = 0;
  for (const char* group : {"proposal_encode", "server_proposal_encode"}) {
    for (const auto& [name, item] : document.root()[group]) {
      const auto bytes = item["expected_bytes_utf8"].string();
      if (!bytes.ok()) continue;
      const bool server = bytes->substr(0, 5) == "{\"id\"";
      const auto parsed = json::Document::parse(*bytes);
      ASSERT_TRUE(parsed.ok());
      const auto proposal = server ? read_proposal(parsed->root()) : read_proposal_message(*bytes);
      ASSERT_TRUE(proposal.ok());
      EXPECT_EQ(server ? proposal_json(*proposal) : proposal_message(*proposal), *bytes);
      ++count;
    }
  }
  EXPECT_EQ(count, 3u);
}

TEST(ProposalCodec, ReadsAsTheReferenceConsumerDoes) {
  const auto document = vector_file("proposals.json");
  std::size_t count = 0;
  for (const auto& [index, item] : document.root()["decode"]["cases"]) {
    const std::string name(*item["name"].string());
    const auto parsed = json::Document::parse(*item["json_utf8"].string());
    ASSERT_TRUE(parsed.ok());
    const auto proposal = read_proposal(parsed->root());
    ASSERT_EQ(proposal.ok(), *item["parses"].boolean()) << name;
    ++count;
    if (!proposal.ok()) continue;
    EXPECT_EQ(core::is_valid(*proposal), *item["valid"].boolean()) << name;
    EXPECT_EQ(core::is_supported(*proposal, all_kinds()), *item["supported"].boolean()) << name;
    EXPECT_EQ(proposal->compatibility, *item["compatibility"].i64()) << name;
    std::vector<std::string> seen, expected;
    for (const auto& contact : proposal->contacts) {
      std::string text = contact.type;
      if (contact.type != core::kNatsContact || !contact.usable) text += " unsupported";
      for (const auto& address : contact.broker_addresses) text += " " + address;
      seen.push_back(text);
    }
    for (const auto& [i, contact] : item["contacts_seen"]) expected.emplace_back(*contact.string());
    EXPECT_EQ(seen, expected) << name;
  }
  EXPECT_EQ(count, 18u);
}

TEST(ProposalCodec, ConsumerKeepsOnlyValidAndSupportedOnes) {
  const auto document = vector_file("discovery.json");
  core::SupportedKinds kinds = all_kinds();
  for (const auto& [index, item] : document.root()["api_proposal_acceptance"]["cases"]) {
    const auto proposal = read_proposal(item);
    ASSERT_TRUE(proposal.ok());
    EXPECT_EQ(core::is_valid(*proposal) && core::is_supported(*proposal, kinds),
              *item["kept"].boolean())
        << *item["name"].string();
  }
}

TEST(ProposalCodec, ListIsAnArrayOrNull) {
  EXPECT_TRUE(read_proposal_list("null")->empty());
  EXPECT_TRUE(read_proposal_list("[]")->empty());
  EXPECT_EQ(read_proposal_list(R"([{"provider_id":"0x1"},{"provider_id":"0x2"}])")->size(), 2u);
  EXPECT_FALSE(read_proposal_list(R"([{"provider_id":"0x1"},{"provider_id":2}])").ok());
  EXPECT_FALSE(read_proposal_list("{}").ok());
  EXPECT_FALSE(read_proposal_list("").ok());
  EXPECT_FALSE(read_proposal_message(R"({"proposal":null})").ok());
  EXPECT_FALSE(read_proposal_message(std::string(40000, ' ') + "{}").ok());
}

TEST(ProposalCodec, HubRewritesContacts) {
  const auto document = vector_file("discovery.json");
  for (const auto& [index, item] : document.root()["server_broker_ip_cleanup"]["cases"]) {
    const std::string text = R"({"provider_id":"0x1","service_type":"noop","contacts":[)"
                             R"({"type":"nats/p2p/v1","definition":)" +
                             item["in"].to_text() + "}]}";
    const auto parsed = json::Document::parse(text);
    const auto indexed = index_proposal(*read_proposal(parsed->root()));
    ASSERT_TRUE(indexed.ok());
    EXPECT_NE(
        indexed->json_head.find("\"definition\":" + std::string(*item["out_bytes"].string()) + "}"),
        std::string::npos);
  }
}

TEST(ProposalCodec, HubRefusesWhatReadersStumbleOver) {
  for (const char* contacts :
       {R"([{"type":"nats/p2p/v1"}])", R"([{"type":"nats/p2p/v1","definition":null}])",
        R"([{"type":"nats/p2p/v1","definition":"x"}])", "[]", "null"}) {
    const auto parsed = json::Document::parse(
        std::string(R"({"provider_id":"0x1","service_type":"noop","contacts":)") + contacts + "}");
    ASSERT_TRUE(parsed.ok());
    EXPECT_FALSE(index_proposal(*read_proposal(parsed->root())).ok()) << contacts;
  }
  core::Proposal proposal;
  proposal.provider_id = std::string(300, 'x');
  proposal.service_type = "noop";
  proposal.contacts.push_back({"x/y", true, {}, "{}"});
  EXPECT_FALSE(index_proposal(proposal).ok());
  proposal.provider_id = "0x1";
  EXPECT_TRUE(index_proposal(proposal).ok());
}

TEST(ClientFilter, MatchesAsTheReference) {
  const auto document = vector_file("discovery.json");
  const auto group = document.root()["client_filter"];
  core::SupportedKinds kinds;
  kinds.service_types = {"noop"};
  kinds.contact_types = {"phone"};
  std::size_t count = 0;
  for (const auto& [index, item] : group["cases"]) {
    const auto given = item["filter"];
    core::ProposalFilter filter;
    if (given["provider_id"].exists()) filter.provider_ids = {given["provider_id"].string_or("")};
    filter.service_type = given["service_type"].string_or("");
    filter.location_country = given["location_country"].string_or("");
    filter.ip_type = given["ip_type"].string_or("");
    filter.access_policy = given["access_policy"].string_or("");
    filter.access_policy_source = given["access_policy_source"].string_or("");
    const bool supported_only = given["exclude_unsupported"].boolean_or(false);
    for (const char* side : {"match", "no_match"}) {
      for (const auto& [i, name] : item[side]) {
        const auto proposal = read_proposal(group["proposals"][*name.string()]);
        ASSERT_TRUE(proposal.ok());
        const bool matches = core::matches_locally(filter, *proposal) &&
                             (!supported_only || core::is_supported(*proposal, kinds));
        EXPECT_EQ(matches, side == std::string("match")) << given.to_text() << *name.string();
        ++count;
      }
    }
  }
  EXPECT_GT(count, 30u);
}

TEST(ClientQuery, IsEncodedAsTheReferenceDoes) {
  const auto document = vector_file("discovery.json");
  for (const auto& [index, item] : document.root()["client_query_string"]["cases"]) {
    const auto given = item["filter"];
    core::ProposalFilter filter;
    if (given["provider_id"].exists())
      filter.provider_ids.push_back(given["provider_id"].string_or(""));
    for (const auto& [i, id] : given["provider_ids"])
      filter.provider_ids.emplace_back(*id.string());
    filter.service_type = given["service_type"].string_or("");
    filter.location_country = given["location_country"].string_or("");
    filter.ip_type = given["ip_type"].string_or("");
    filter.access_policy = given["access_policy"].string_or("");
    filter.compatibility_min = static_cast<int>(given["compatibility_min"].i64_or(0));
    filter.compatibility_max = static_cast<int>(given["compatibility_max"].i64_or(0));
    filter.quality_min = given["quality_min"].number_or(0);
    filter.bandwidth_min = given["bandwidth_min"].number_or(0);
    filter.nat_compatibility = given["nat_compatibility"].string_or("");
    filter.preset_id = static_cast<int>(given["preset_id"].i64_or(0));
    filter.include_monitoring_failed = given["include_monitoring_failed"].boolean_or(false);
    const std::string query(*item["query"].string());
    EXPECT_EQ(core::to_query(filter), query);
    EXPECT_EQ(core::to_query(core::parse_proposal_query(query)), query);
  }
}

}  // namespace
}  // namespace myst::discovery
