#include "core/system/provider_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/system/iptables_text.hpp"

namespace myst::core {
namespace {

IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }
IpAddress ip(const char* text) { return *IpAddress::parse(text); }

SessionNetwork session() {
  SessionNetwork out;
  out.link = "mystp0";
  out.address = prefix("10.182.3.1/24");
  out.dns = ip("10.182.3.1");
  out.outbound = ip("192.0.2.9");
  return out;
}

TEST(ProviderPlan, SessionRulesInOneRun) {
  const auto plan = plan_session(session());
  ASSERT_TRUE(plan.ok());
  for (const Change& change : *plan) EXPECT_TRUE(check(change).ok()) << describe(change);
  EXPECT_EQ(
      iptables_make_text(*plan, IpFamily::V4),
      "*nat\n"
      "-A MYST -i mystp0 -s 10.182.3.0/24 -d 10.182.3.1/32 -p udp -m udp --dport 53 -j DNAT "
      "--to-destination 10.182.3.1:11253\n"
      "-A MYST -i mystp0 -s 10.182.3.0/24 -d 10.182.3.1/32 -p tcp -m tcp --dport 53 -j DNAT "
      "--to-destination 10.182.3.1:11253\n"
      "-A MYST_SNAT -s 10.182.3.0/24 ! -d 10.182.3.0/24 -j SNAT --to-source 192.0.2.9\n"
      "COMMIT\n"
      "*filter\n"
      "-I MYST_INPUT 1 -i mystp0 -s 10.182.3.0/24 -d 10.182.3.1/32 -p udp -m udp --dport 11253 "
      "-j ACCEPT\n"
      "-I MYST_INPUT 1 -i mystp0 -s 10.182.3.0/24 -d 10.182.3.1/32 -p tcp -m tcp --dport 11253 "
      "-j ACCEPT\n"
      "-I MYST_FORWARD 1 -o mystp0 -d 10.182.3.0/24 -m conntrack --ctstate RELATED,ESTABLISHED "
      "-j ACCEPT\n"
      "-I MYST_FORWARD 1 -i mystp0 ! -o mystp0 -s 10.182.3.0/24 -j ACCEPT\n"
      "-I MYST_FORWARD 1 -i mystp0 -s 10.182.3.0/24 -j MYST_BLOCK\n"
      "COMMIT\n");
  EXPECT_EQ(iptables_make_text(*plan, IpFamily::V6), "");
  EXPECT_TRUE(plan->back() == Change(AddAddress{"mystp0", prefix("10.182.3.1/24")}));
}

TEST(ProviderPlan, ALimitIsHeldByTheSharedRateOrWithoutOneByTheLinkAndARule) {
  const auto rates = [](const SessionNetwork& wanted) {
    std::vector<std::string> out;
    ProviderLink link;
    link.link = wanted.link;
    link.limited = wanted.limit_bytes_per_second > 0;
    link.shared_rate = wanted.shared_rate;
    Plan plan = plan_provider_link(link);
    const auto of_session = plan_session(wanted);
    plan.insert(plan.end(), of_session->begin(), of_session->end());
    for (const Change& change : plan) {
      EXPECT_TRUE(check(change).ok()) << describe(change);
      const std::string text = describe(change);
      if (text.find("hashlimit-above") != std::string::npos) out.push_back("rule");
      if (text.find("shape") == 0 || text.find("redirect") == 0 || text.find("session-") == 0) {
        out.push_back(text);
      }
    }
    return out;
  };
  using Texts = std::vector<std::string>;
  auto wanted = session();
  EXPECT_EQ(rates(wanted), Texts{});
  wanted.limit_bytes_per_second = 1'000'000;
  EXPECT_EQ(rates(wanted),
            (Texts{"shape-link mystp0", "rule", "session-rate mystp0 10.182.3.0/24 1000000 0"}));
  wanted.shared_rate = "rate-MYST";
  EXPECT_EQ(rates(wanted),
            (Texts{"redirect mystp0 rate-MYST", "session-rate rate-MYST 10.182.3.0/24 1000000 1"}));
  wanted.limit_bytes_per_second = 0;
  EXPECT_EQ(rates(wanted), (Texts{"redirect mystp0 rate-MYST",
                                  "session-rate rate-MYST 10.182.3.0/24 18446744073709551615 1"}));
  wanted.address = prefix("10.182.0.1/16");  // more than one class can tell apart
  EXPECT_EQ(rates(wanted), Texts{"redirect mystp0 rate-MYST"});
  wanted.limit_bytes_per_second = 1'000'000;
  EXPECT_EQ(rates(wanted), (Texts{"redirect mystp0 rate-MYST", "rule"}));
}

TEST(ProviderPlan, UndoDeletesSessionRulesInReverse) {
  auto wanted = session();
  wanted.dns.reset();
  wanted.outbound.reset();
  wanted.dns_policy = true;
  const auto plan = plan_session(wanted);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(iptables_undo_text(*plan, IpFamily::V4),
            "*filter\n"
            "-D MYST_FORWARD -i mystp0 -s 10.182.3.0/24 -j MYST_BLOCK\n"
            "-D MYST_FORWARD -i mystp0 ! -o mystp0 -s 10.182.3.0/24 -j MYST_PROVIDER_FIREWALL\n"
            "-D MYST_FORWARD -o mystp0 -d 10.182.3.0/24 -m conntrack --ctstate "
            "RELATED,ESTABLISHED -j ACCEPT\n"
            "COMMIT\n"
            "*nat\n"
            "-D MYST_SNAT -s 10.182.3.0/24 ! -d 10.182.3.0/24 -j MASQUERADE\n"
            "COMMIT\n");
}

TEST(ProviderPlan, BaseBlocksBeforeItForwards) {
  ProviderBase base;
  base.protected_networks = default_protected();
  base.protected_networks.push_back(prefix("10.1.0.0/16"));  // inside 10/8: no rule of its own
  base.protected_networks.push_back(prefix("fd00::/8"));
  base.own_addresses = {ip("198.51.100.4"), ip("192.168.1.5"), ip("2001:db8::1")};
  const Plan plan = plan_provider_base(base);
  for (const Change& change : plan) EXPECT_TRUE(check(change).ok()) << describe(change);
  std::vector<std::string> blocked;
  for (const Change& change : plan) {
    const auto* rule = std::get_if<IptablesRule>(&change);
    if (rule != nullptr && rule->chain == "MYST_BLOCK") blocked.push_back(rule->args[1]);
  }
  EXPECT_EQ(blocked,
            (std::vector<std::string>{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                      "127.0.0.0/8", "0.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16",
                                      "224.0.0.0/4", "240.0.0.0/4", "198.51.100.4/32"}));
  EXPECT_TRUE(plan.back() == Change(SetSysctl{"net/ipv4/ip_forward", "1"}));

  const std::string undo = iptables_undo_text(plan, IpFamily::V4);
  EXPECT_EQ(undo,
            "*filter\n-D FORWARD -j MYST_FORWARD\n-D INPUT -j MYST_INPUT\n"
            "-F MYST_PROVIDER_FIREWALL\n-F MYST_BLOCK\n-F MYST_FORWARD\n-F MYST_INPUT\n"
            "-X MYST_PROVIDER_FIREWALL\n-X MYST_BLOCK\n-X MYST_FORWARD\n-X MYST_INPUT\nCOMMIT\n"
            "*nat\n-D POSTROUTING -j MYST_SNAT\n-D PREROUTING -j MYST\n"
            "-F MYST_SNAT\n-F MYST\n-X MYST_SNAT\n-X MYST\nCOMMIT\n");
}

TEST(ProviderPlan, NoRuleWithoutAnAddress) {
  auto wanted = session();
  wanted.outbound = IpAddress();
  EXPECT_FALSE(plan_session(wanted).ok());
  wanted = session();
  wanted.address = prefix("fd00::1/64");
  EXPECT_FALSE(plan_session(wanted).ok());
}

TEST(ProviderPlan, NothingPassesALinkWithoutSessions) {
  const Plan plan = plan_provider_link({ChainNames(), "mystp0", 1400, false, ""});
  EXPECT_TRUE(plan.front() == Change(SetLinkMtu{"mystp0", 1400}));
  EXPECT_TRUE(plan[1] == Change(SetSysctl{"net/ipv6/conf/mystp0/disable_ipv6", "1"}));
  EXPECT_TRUE(plan.back() == Change(SetLinkUp{"mystp0"}));
  EXPECT_EQ(iptables_make_text(plan, IpFamily::V4),
            "*filter\n"
            "-A MYST_INPUT -i mystp0 -j REJECT\n"
            "-A MYST_FORWARD -i mystp0 -j DROP\n"
            "-A MYST_FORWARD -o mystp0 -j DROP\n"
            "COMMIT\n");
}

TEST(ProviderPlan, SessionNetworksStayInsideTheSubnet) {
  EXPECT_EQ(session_network(prefix("10.182.0.0/16"), 3)->to_string(), "10.182.3.0/24");
  EXPECT_EQ(session_network(prefix("10.182.0.0/16"), 255)->to_string(), "10.182.255.0/24");
  EXPECT_FALSE(session_network(prefix("10.182.0.0/16"), 256).ok());
  EXPECT_FALSE(session_network(prefix("10.0.16.0/20"), 200).ok());
  EXPECT_FALSE(session_network(prefix("10.0.16.0/20"), 3).ok());
  EXPECT_EQ(session_network(prefix("10.0.16.0/20"), 31)->to_string(), "10.0.31.0/24");
  EXPECT_FALSE(session_network(prefix("10.0.16.0/25"), 16).ok());
  EXPECT_FALSE(session_network(prefix("fd00::/16"), 1).ok());
}

}  // namespace
}  // namespace myst::core
