#include "core/config/node_config.hpp"

#include <gtest/gtest.h>

#include <set>

#include "core/base/text.hpp"

namespace myst::core {
namespace {

using List = std::vector<std::string>;
using Table = ConfigValue::Table;

NodeConfig make() { return NodeConfig({"/home/u", "/opt/myst"}); }

NodeConfig with_flags(std::vector<FlagValue> flags) {
  NodeConfig config = make();
  EXPECT_TRUE(config.set_command_line(std::move(flags)).ok());
  return config;
}

TEST(NodeConfig, EveryDefaultReadsAsItsType) {
  for (const ConfigKey& key : config_keys()) {
    for (const auto kind :
         {NetworkKind::Mainnet, NetworkKind::Testnet, NetworkKind::Localnet, NetworkKind::Own}) {
      EXPECT_TRUE(parse_config_text(key.type, key.default_text(kind)).ok())
          << key.name << " " << to_string(kind);
    }
  }
}

TEST(NodeConfig, NoKeyIsTheTableOfAnother) {
  std::set<std::string> names;
  for (const ConfigKey& key : config_keys()) {
    EXPECT_TRUE(names.insert(to_lower(key.name)).second) << key.name;
  }
  for (const std::string& name : names) {
    const auto next = names.lower_bound(name + ".");
    const bool prefix = next != names.end() && next->compare(0, name.size() + 1, name + ".") == 0;
    // The one known pair; the passphrase is kept out of every tree.
    EXPECT_TRUE(!prefix || name == "identity") << name;
  }
}

TEST(NodeConfig, DefaultsFollowHomeAndProgram) {
  const NodeConfig config = make();
  EXPECT_EQ(config.text("data-dir"), "/home/u/.mysterium");
  EXPECT_EQ(config.text("script-dir"), "/opt/myst/config");
  EXPECT_EQ(config.integer("Tequilapi.Port"), 4050);
  EXPECT_EQ(config.duration("discovery.ping"), std::chrono::minutes{3});
  EXPECT_EQ(config.list("stun-servers").size(), 3u);
  EXPECT_EQ(config.list("traversal"), (List{"manual", "upnp", "holepunching"}));
  EXPECT_EQ(config.text("chains.2.channelImplementation"),
            "0x6b423D3885B4877b5760E149364f85f185f477aD");
  EXPECT_TRUE(config.get("no.such.key").is_null());
  EXPECT_EQ(config.first_fault(), "");
}

TEST(NodeConfig, HigherLayersWin) {
  NodeConfig config = with_flags({{"ui.port", ConfigValue(std::int64_t{1})}});
  ASSERT_TRUE(
      config
          .set_user(ConfigValue(Table{{"ui", Table{{"port", std::int64_t{2}}, {"enable", false}}}}))
          .ok());
  EXPECT_EQ(config.integer("ui.port"), 1);
  EXPECT_EQ(config.origin("ui.port"), NodeConfig::Layer::CommandLine);
  EXPECT_FALSE(config.flag("ui.enable"));
  EXPECT_EQ(config.origin("ui.enable"), NodeConfig::Layer::User);
  EXPECT_EQ(config.origin("ui.address"), NodeConfig::Layer::Default);
  EXPECT_EQ(config.origin("ui.colour"), NodeConfig::Layer::None);
}

TEST(NodeConfig, NetworkFlagChoosesDefaults) {
  const NodeConfig config = with_flags({{"network", "TestNet"}});
  EXPECT_EQ(config.network(), NetworkKind::Testnet);
  EXPECT_EQ(config.integer("chain-id"), 80002);
  EXPECT_EQ(config.list("broker-address"), (List{"nats://broker.mysterium.network:4223"}));
  EXPECT_EQ(config.network_folder(), "testnet");
}

TEST(NodeConfig, NetworkInTheUserFileOnlyNamesTheFolder) {
  NodeConfig config = make();
  ASSERT_TRUE(config.set_user(ConfigValue(Table{{"network", "testnet"}})).ok());
  EXPECT_EQ(config.network(), NetworkKind::Mainnet);
  EXPECT_EQ(config.integer("chain-id"), 137);
  EXPECT_EQ(config.network_folder(), "testnet");
}

TEST(NodeConfig, ABadNetworkIsReportedAndIgnored) {
  NodeConfig config = make();
  EXPECT_FALSE(config.set_command_line({{"network", "moon"}}).ok());
  EXPECT_EQ(config.network(), NetworkKind::Mainnet);
  EXPECT_EQ(config.text("network"), "mainnet");
}

TEST(NodeConfig, HubsAreNamedByUrlOrHost) {
  for (const char* hub : {"http://hub", "https://hub.example/network", "hub.example", "hub:8080",
                          "10.0.0.1", "[fd00::1]:8080", "HTTP://HUB:1"}) {
    EXPECT_EQ(*parse_network(hub), NetworkKind::Own) << hub;
  }
  for (const char* bad :
       {"", "moon", "http://", "http:///x", "ftp://a.b", "a b.c", "x.y?z", "http://a@b"}) {
    EXPECT_FALSE(parse_network(bad).ok()) << bad;
  }
  EXPECT_EQ(with_flags({{"network", "hub.example:8080"}}).network_folder(), "own-hub_example_8080");
}

TEST(NodeConfig, OwnNetworkCallsNobodyElse) {
  const NodeConfig config = with_flags({{"network", "http://hub.example:8080/"}});
  EXPECT_EQ(config.network(), NetworkKind::Own);
  EXPECT_EQ(config.hub_url(), "http://hub.example:8080");
  EXPECT_EQ(config.network_folder(), "own-hub_example_8080");
  for (const ConfigKey& key : config_keys()) {
    if (key.name == "docs-url") continue;  // a link for people, never called
    const std::string text = std::string(key.default_text(NetworkKind::Own));
    EXPECT_EQ(text.find("mysterium.network"), std::string::npos) << key.name;
    EXPECT_EQ(text.find("google"), std::string::npos) << key.name;
    EXPECT_EQ(text.find("mystnodes"), std::string::npos) << key.name;
  }
}

TEST(NodeConfig, DocumentLiesBetweenDefaultsAndTheUser) {
  NodeConfig config =
      with_flags({{"network", "http://hub"}, {"stun-servers", ConfigValue::List{"mine:1"}}});
  ASSERT_TRUE(
      config.set_user(ConfigValue(Table{{"discovery", Table{{"address", "http://user"}}}})).ok());
  const auto taken =
      config.absorb_document({{"broker-address", ConfigValue::List{"nats://b:1", "nats://b:2"}},
                              {"discovery.address", "http://hub/api/v4"},
                              {"stun-servers", ConfigValue::List{"hub:3478"}},
                              {"data-dir", "/etc"},
                              {"tequilapi.address", "0.0.0.0"},
                              {"no-such-key", "x"}});
  ASSERT_EQ(taken.size(), 3u);
  EXPECT_EQ(taken[0].key, "broker-address");
  EXPECT_EQ(taken[0].value, "nats://b:1,nats://b:2");
  EXPECT_EQ(taken[0].used, NodeConfig::Layer::Document);
  EXPECT_EQ(taken[1].used, NodeConfig::Layer::User);
  EXPECT_EQ(taken[2].used, NodeConfig::Layer::CommandLine);
  EXPECT_EQ(config.list("broker-address").size(), 2u);
  EXPECT_EQ(config.text("discovery.address"), "http://user");
  EXPECT_EQ(config.list("stun-servers"), (List{"mine:1"}));
  EXPECT_EQ(config.text("data-dir"), "/home/u/.mysterium");
  EXPECT_EQ(config.text("tequilapi.address"), "127.0.0.1");
}

TEST(NodeConfig, DumpMergesLayersWithLowerCaseKeys) {
  NodeConfig config = with_flags({{"chains.2.chainID", ConfigValue(std::int64_t{80001})},
                                  {"identity", "0x1"},
                                  {"identity.passphrase", "secret"}});
  ASSERT_TRUE(config.set_user(ConfigValue(Table{{"Shaper", Table{{"Enabled", true}}}})).ok());
  const ConfigValue dump = config.dump();
  const Table& tree = *dump.table();
  EXPECT_EQ(tree.at("chains").table()->at("2").table()->at("chainid"),
            ConfigValue(std::int64_t{80001}));
  EXPECT_EQ(tree.at("shaper").table()->at("enabled"), ConfigValue(true));
  EXPECT_EQ(tree.at("shaper").table()->at("bandwidth"), ConfigValue(std::int64_t{6250}));
  EXPECT_EQ(tree.at("discovery").table()->at("ping"), ConfigValue(std::int64_t{180000000000}));
  EXPECT_EQ(tree.at("identity"), ConfigValue("0x1"));
  EXPECT_TRUE(tree.at("firewall").table()->at("killswitch").is_table());
  EXPECT_TRUE(config.flag("shaper.enabled"));
}

TEST(NodeConfig, UserValuesAreSetAndRemoved) {
  NodeConfig config = make();
  ASSERT_TRUE(config.set_user(ConfigValue(Table{{"Shaper", Table{{"Enabled", true}}}})).ok());
  ASSERT_TRUE(config.set_user_value("shaper.Enabled", false).ok());
  EXPECT_FALSE(config.flag("shaper.enabled"));
  ASSERT_TRUE(config.set_user_value("shaper", ConfigValue(Table{{"bandwidth", 100.0}})).ok());
  EXPECT_EQ(config.integer("shaper.bandwidth"), 100);
  config.remove_user_value("SHAPER.bandwidth");
  EXPECT_EQ(config.integer("shaper.bandwidth"), 6250);
  config.remove_user_value("not.there");
  ASSERT_TRUE(config.set_user_value("node-ui.theme", "dark").ok());
  EXPECT_EQ(config.text("node-ui.theme"), "dark");
}

TEST(NodeConfig, ValuesThatWouldBreakTheTreeAreRefused) {
  NodeConfig config = make();
  EXPECT_FALSE(config.set_user_value("shaper", std::int64_t{5}).ok());
  EXPECT_FALSE(config.set_user_value("ui.port", ConfigValue(Table{})).ok());
  EXPECT_FALSE(config.set_user_value("ui.port.x", true).ok());
  for (const char* bad : {"", ".", "a..b", "a."}) {
    EXPECT_FALSE(config.set_user_value(bad, true).ok()) << bad;
  }
  EXPECT_FALSE(config.set_user_value("big", std::string(70000, 'x')).ok());
  EXPECT_EQ(config.user(), ConfigValue(Table{}));
}

TEST(NodeConfig, FaultsNameKeyAndRemedy) {
  EXPECT_NE(with_flags({{"wireguard.mtu", ConfigValue(std::int64_t{20})}})
                .first_fault()
                .find("68 to 1500"),
            std::string::npos);
  EXPECT_NE(with_flags({{"udp.ports", "9:1"}}).first_fault().find("udp.ports"), std::string::npos);
  EXPECT_NE(with_flags({{"tequilapi.port", ConfigValue(std::int64_t{70000})}}).first_fault(), "");
  EXPECT_NE(with_flags({{"location.type", "stars"}}).first_fault(), "");
}

}  // namespace
}  // namespace myst::core
