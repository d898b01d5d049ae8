#include "core/config/flags.hpp"

#include <gtest/gtest.h>

namespace myst::core {
namespace {

using Words = std::vector<std::string>;
constexpr FlagSet kGlobalSet{ConfigKey::kGlobal, {}, true};
constexpr FlagSpec kOwn[] = {{"country", ConfigType::Text, "", "two letters"},
                             {"sort", ConfigType::Text, "quality", "order"},
                             {"include-failed", ConfigType::Bool, "false", ""},
                             {"proxy", ConfigType::Integer, "0", "slot"}};
const FlagSet kCommandSet{0, kOwn, false};

TEST(Flags, OneOrTwoDashesWithBlankOrEquals) {
  for (const Words& words :
       {Words{"--ui.port=4450", "daemon"}, Words{"-ui.port", "4450", "daemon"},
        Words{"--ui.port", "4450", "daemon"}, Words{"-ui.port=4450", "daemon"}}) {
    const ParsedFlags parsed = parse_flags(kGlobalSet, words);
    ASSERT_TRUE(parsed.ok()) << parsed.error;
    ASSERT_NE(parsed.find("ui.port"), nullptr);
    EXPECT_EQ(parsed.find("ui.port")->as_integer(), 4450);
    EXPECT_EQ(words[parsed.rest], "daemon");
  }
}

TEST(Flags, BooleansTakeNoNextWord) {
  const ParsedFlags parsed = parse_flags(kGlobalSet, Words{"--userspace", "daemon"});
  EXPECT_EQ(parsed.rest, 1u);
  EXPECT_TRUE(parsed.find("userspace")->as_bool());
  EXPECT_FALSE(parse_flags(kGlobalSet, Words{"--consumer=0"}).find("consumer")->as_bool());
  EXPECT_FALSE(parse_flags(kGlobalSet, Words{"--consumer=maybe"}).ok());
}

TEST(Flags, ListsJoinCommasAndRepeats) {
  const ParsedFlags parsed =
      parse_flags(kGlobalSet, Words{"--broker-address=a,b", "--broker-address", "c"});
  EXPECT_EQ(parsed.find("broker-address")->as_list(), (Words{"a", "b", "c"}));
}

TEST(Flags, StopAtTheFirstWordAndAfterTwoDashes) {
  EXPECT_EQ(parse_flags(kGlobalSet, Words{"service", "--nonsense"}).rest, 0u);
  EXPECT_EQ(parse_flags(kCommandSet, Words{"--", "--country"}).rest, 1u);
  EXPECT_EQ(parse_flags(kCommandSet, Words{"-", "x"}).rest, 0u);
}

TEST(Flags, MistakesAreNamed) {
  const struct {
    Words words;
    const char* says;
  } rows[] = {{{"--no-such"}, "flag provided but not defined: -no-such"},
              {{"--data-dir=x"}, "put it before the command"},
              {{"--active-services=x"}, "flag of `service`"},
              {{"--country"}, "flag needs an argument: -country"},
              {{"--proxy=many"}, "invalid value \"many\" for flag -proxy"},
              {{"--proxy=99999999999999999999"}, "invalid value"},
              {{"---x"}, "bad flag syntax"},
              {{"--=x"}, "bad flag syntax"}};
  for (const auto& row : rows) {
    const ParsedFlags parsed = parse_flags(kCommandSet, row.words);
    EXPECT_NE(parsed.error.find(row.says), std::string::npos) << parsed.error;
  }
}

TEST(Flags, DefaultsComeFromTheSet) {
  const ParsedFlags parsed = parse_flags(kCommandSet, Words{"--country=LT"});
  EXPECT_EQ(parsed.get(kCommandSet, "sort").as_text(), "quality");
  EXPECT_EQ(parsed.get(kCommandSet, "country").as_text(), "LT");
}

TEST(Flags, HelpAndVersionAreSeen) {
  EXPECT_TRUE(parse_flags(kGlobalSet, Words{"-h"}).help);
  EXPECT_TRUE(parse_flags(kGlobalSet, Words{"-v"}).version);
  EXPECT_FALSE(parse_flags(kCommandSet, Words{"-v"}).ok());
}

TEST(Flags, EverySettingOfATestNetworkIsAFlag) {
  // What a network of one's own with a chain gives by hand, in the spelling of the reference.
  Words words;
  for (const char* directory : {"data", "config", "log", "runtime", "script"}) {
    words.push_back("--" + std::string(directory) + "-dir=/x");
  }
  for (const char* chain : {"--chains.1.", "--chains.2."}) {
    for (const char* item : {"registry=0x1", "hermes=0x1", "knownHermeses=0x1", "myst=0x1",
                             "channelImplementation=0x1", "chainID=5"}) {
      words.push_back(std::string(chain) + item);
    }
  }
  for (const char* flag : {"--node-ui-dir=/x",
                           "--ether.client.rpcl1=http://h/rpc1",
                           "--ether.client.rpcl2=http://h/rpc2",
                           "--chain-id=80001",
                           "--broker-address=nats://h:4222",
                           "--discovery.address=http://h/api/v4",
                           "--location.address=http://h/location",
                           "--ip-detector=http://h/location",
                           "--transactor.address=http://h/t",
                           "--affiliator.address=http://h/a",
                           "--pilvytis.address=http://h/p",
                           "--observer.address=http://h/o",
                           "--quality.address=http://h/q",
                           "--access-policy.address=http://h/ap/",
                           "--mmn.api-address=http://h/m",
                           "--mmn.web-address=http://h/w",
                           "--feedback.url=http://h/f",
                           "--stun-servers=h:3478",
                           "--port-check-servers=h:4589",
                           "--traversal=holepunching",
                           "--payments.registry-transactor-poll.interval=1s",
                           "--local-service-discovery=false",
                           "--keystore.lightweight",
                           "--ui.features=restart",
                           "--vendor.id=v",
                           "--log-level=info"}) {
    words.push_back(flag);
  }
  const ParsedFlags parsed = parse_flags(kGlobalSet, words);
  EXPECT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.values.size(), words.size());
}

TEST(Flags, HelpTextNamesVisibleFlagsOnly) {
  const std::string help = describe_flags(kGlobalSet, NetworkKind::Mainnet);
  EXPECT_NE(help.find("--tequilapi.port value"), std::string::npos);
  EXPECT_NE(help.find("(default: 4050)"), std::string::npos);
  EXPECT_EQ(help.find("docs-url"), std::string::npos);
  EXPECT_EQ(help.find("node.version"), std::string::npos);
}

}  // namespace
}  // namespace myst::core
