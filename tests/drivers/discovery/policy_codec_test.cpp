#include "drivers/discovery/policy_codec.hpp"

#include <gtest/gtest.h>

#include "drivers/discovery/location_codec.hpp"
#include "platform/json/json.hpp"
#include "tests/support/support.hpp"

namespace myst::discovery {
namespace {

class PolicyTest : public testing::Test {
 protected:
  PolicyTest()
      : document_(std::move(*json::Document::parse(test::read_vector("discovery.json")))) {}
  json::Value group() const { return document_.root()["access_policy"]; }
  static core::AccessRules rules(json::Value list) {
    core::AccessRules out;
    core::AccessPolicyDocument document;
    for (const auto& [i, rule] : list) {
      document.allow.push_back({rule["type"].string_or(""), rule["value"].string_or("")});
    }
    out.add(document);
    return out;
  }
  json::Document document_;
};

TEST_F(PolicyTest, SourceIsBaseAndId) {
  for (const auto& [i, item] : group()["source_url"]["cases"]) {
    EXPECT_EQ(core::access_policy_source(*item["base"].string(), *item["id"].string()),
              *item["source"].string());
  }
}

TEST_F(PolicyTest, DocumentsSurviveTheWire) {
  std::size_t count = 0;
  for (const auto& [path, item] : group()["documents"]["by_path"]) {
    const auto policy = read_access_policy(item.to_text());
    ASSERT_TRUE(policy.ok());
    EXPECT_EQ(write_access_policy(*policy), item.to_text());
    ++count;
  }
  EXPECT_EQ(count, 3u);
  const auto list = group()["list_document"]["body"];
  const auto only = read_access_policy((*list["entries"].begin()).value.to_text());
  EXPECT_EQ(write_access_policies({*only}), list.to_text());
  for (const char* bad :
       {"", "[]", "{}", R"({"id":""})", R"({"id":"x","allow":1})", R"({"id":"x","allow":[{}]})"}) {
    EXPECT_FALSE(read_access_policy(bad).ok()) << bad;
  }
}

TEST_F(PolicyTest, IdentityRulesAreExact) {
  for (const auto& [i, item] : group()["identity_rules"]["cases"]) {
    EXPECT_EQ(rules(item["rules"]).allows_identity(item["identity"].string_or("")),
              *item["allowed"].boolean())
        << item.to_text();
  }
}

TEST_F(PolicyTest, HostRulesEndAtDots) {
  for (const auto& [i, item] : group()["host_rules"]["cases"]) {
    const std::string host = item["host"].string_or("");
    // The one case where the reference lets a stranger in (its zone is a bare suffix).
    const bool expected = host == "notwildcard.com" ? false : *item["allowed"].boolean();
    EXPECT_EQ(rules(item["rules"]).allows_host(host), expected) << item.to_text();
    EXPECT_EQ(rules(item["rules"]).allows_host(host + "."), expected) << item.to_text();
  }
}

TEST(LocationCodec, SurvivesTheWireAndForgivesGaps) {
  LocationAnswer answer;
  answer.ip = *IpAddress::parse("192.0.2.1");
  answer.location = {"EU", "LT", "Vilnius County", "Vilnius", 8764, "Example Net", "residential"};
  const std::string text = write_location(answer);
  EXPECT_EQ(text,
            R"({"ip":"192.0.2.1","asn":8764,"isp":"Example Net","continent":"EU","country":"LT",)"
            R"("region":"Vilnius County","city":"Vilnius","node_type":"residential"})");
  const auto again = read_location(text);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->location, answer.location);
  EXPECT_EQ(read_location(R"({"IP":"::1","country":"LT"})")->location.country, "LT");
  for (const char* bad : {"", "[]", "{}", R"({"ip":""})", R"({"ip":7})"})
    EXPECT_FALSE(read_location(bad).ok()) << bad;
  EXPECT_EQ(read_ip(" 192.0.2.7\n")->to_string(), "192.0.2.7");
  EXPECT_EQ(read_ip(R"({"Ip":"192.0.2.7"})")->to_string(), "192.0.2.7");
  EXPECT_FALSE(read_ip("<html>").ok());
}

}  // namespace
}  // namespace myst::discovery
