#include "apps/hub/options.hpp"

#include <gtest/gtest.h>

namespace myst::hub {
namespace {

Options good(const std::vector<std::string>& words) {
  const auto parsed = parse_options(words);
  const auto* options = std::get_if<Options>(&parsed);
  EXPECT_NE(options, nullptr);
  return options == nullptr ? Options{} : *options;
}

std::string bad(const std::vector<std::string>& words) {
  const auto parsed = parse_options(words);
  const auto* error = std::get_if<UsageError>(&parsed);
  return error == nullptr ? "" : error->line;
}

TEST(HubOptions, ReadsFlagsInBothForms) {
  const Options options =
      good({"--listen", "192.0.2.1", "--http-port=80", "--broker-upstream=nats.example:5000",
            "--country", "DE", "--ip-type=hosting", "--place=10.0.0.0/8=LT", "--place",
            "10.1.0.0/16=US/cellular", "--broker-skew=60", "--public-url", "https://hub.example/",
            "--accept-unnamed-proposals"});
  EXPECT_EQ(options.listen.to_string(), "192.0.2.1");
  EXPECT_EQ(options.broker_listen.to_string(), "192.0.2.1:4222");
  EXPECT_EQ(options.http_port, 80);
  EXPECT_EQ(options.upstream_host, "nats.example");
  EXPECT_EQ(options.upstream_port, 5000);
  EXPECT_EQ(options.place.country, "DE");
  ASSERT_EQ(options.places.size(), 2u);
  EXPECT_EQ(options.places[0].second.ip_type, "hosting");
  EXPECT_EQ(options.places[1].second.country, "US");
  EXPECT_EQ(options.places[1].second.ip_type, "cellular");
  EXPECT_EQ(options.broker_skew, std::chrono::seconds{60});
  EXPECT_EQ(options.public_url, "https://hub.example");
  EXPECT_TRUE(options.accept_unnamed_proposals);
  EXPECT_EQ(good({"--broker-listen", "4333"}).broker_listen.to_string(), "0.0.0.0:4333");
  EXPECT_EQ(
      good({"--listen=192.0.2.1", "--broker-listen", "127.0.0.1:4333"}).broker_listen.to_string(),
      "127.0.0.1:4333");
}

TEST(HubOptions, SaysWhatIsWrongInOneLine) {
  EXPECT_EQ(bad({"--prot", "1"}), "unknown flag --prot, try --help");
  EXPECT_EQ(bad({"stray"}), "unknown flag stray, try --help");
  EXPECT_EQ(bad({"--http-port"}), "--http-port needs a value");
  EXPECT_EQ(bad({"--http-port", "x"}), "--http-port: \"x\" is not a number from 1 to 65535");
  EXPECT_EQ(bad({"--http-port=0"}), "--http-port: \"0\" is not a number from 1 to 65535");
  EXPECT_EQ(bad({"--country=lt"}), "--country: \"lt\" is not a country code such as LT");
  EXPECT_EQ(bad({"--listen=here"}), "--listen: \"here\" is not an IP address");
  EXPECT_EQ(bad({"--accept-unnamed-proposals=yes"}), "--accept-unnamed-proposals takes no value");
  for (const char* word :
       {"--place=LT", "--place=10.0.0.0/8=lt", "--broker-upstream=tls://x", "--broker-listen=x",
        "--public-url=hub", "--public-address=a b", "--trusted-proxy=x", "--broker-skew=0", "{"}) {
    EXPECT_NE(bad({word}), "") << word;
  }
}

TEST(HubOptions, TakesTheLaboratorysSettings) {
  const Options options =
      good({"--country=PL",
            R"({"host":"203.0.113.1","port":8081,"nats":{"host":"127.0.0.1","port":4223},)"
            R"("chainId":1,"countries":{"198.18.1.10":"LT","198.18.2.20":"DE"}})"});
  EXPECT_EQ(options.listen.to_string(), "203.0.113.1");
  EXPECT_EQ(options.broker_listen.to_string(), "203.0.113.1:4222");
  EXPECT_EQ(options.http_port, 8081);
  EXPECT_EQ(options.upstream_port, 4223);
  ASSERT_EQ(options.places.size(), 2u);
  EXPECT_EQ(options.places[0].first.to_string(), "198.18.1.10/32");
}

TEST(HubOptions, ReadsWhatMoneyNeeds) {
  const Options options =
      good({"--contracts=a.json", "--contracts", "b.json", "--hermes-key=k", "--data-dir=d",
            "--node-rpc=http://rpc.example", "--max-unsettled=100000000000000000000", "--price=1,2",
            "--price=LT/other/dvpn=3,4"});
  EXPECT_EQ(options.contracts_files, (std::vector<std::string>{"a.json", "b.json"}));
  EXPECT_EQ(options.max_unsettled.to_string(), "100000000000000000000");
  ASSERT_EQ(options.prices.size(), 2u);
  EXPECT_EQ(options.prices[1].price.per_gib, Wei(4));
  EXPECT_EQ(bad({"--hermes-key=k", "--data-dir=d"}),
            "--hermes-key needs --contracts and --data-dir");
  EXPECT_NE(bad({"--contracts=a", "--contracts=b", "--contracts=c"}), "");
  const Options sender = good({"--contracts=a", "--transactor-key=t", "--data-dir=d",
                               "--registration-fee=5", "--settlement-fee=6", "--stake-fee=7",
                               "--min-tip=30000000000", "--confirmations=3", "--cash-interval=9"});
  EXPECT_EQ(sender.fees.register_identity, Wei(5));
  EXPECT_EQ(sender.fees.decrease_stake, Wei(7));
  EXPECT_EQ(sender.gas.min_tip, Wei(30000000000));
  EXPECT_EQ(sender.confirmations, 3u);
  EXPECT_EQ(sender.cash_interval, std::chrono::seconds{9});
  EXPECT_NE(bad({"--transactor-key=t"}), "");
  EXPECT_NE(bad({"--price=1"}), "");
  EXPECT_NE(bad({"--node-rpc=rpc"}), "");
  EXPECT_NE(bad({"--max-unsettled=1.5"}), "");
}

TEST(HubOptions, HelpNamesEveryFlag) {
  EXPECT_TRUE(std::holds_alternative<HelpWanted>(parse_options({"--help"})));
  EXPECT_TRUE(std::holds_alternative<VersionWanted>(parse_options({"--version"})));
  const std::string help = help_text();
  for (const char* flag : {"--listen", "--http-port", "--broker-listen", "--broker-upstream",
                           "--data-dir", "--place"}) {
    EXPECT_NE(help.find(flag), std::string::npos) << flag;
  }
}

}  // namespace
}  // namespace myst::hub
