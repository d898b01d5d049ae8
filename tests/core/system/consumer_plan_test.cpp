#include "core/system/consumer_plan.hpp"

#include <gtest/gtest.h>

#include "core/system/iptables_text.hpp"

namespace myst::core {
namespace {

IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }
IpAddress ip(const char* text) { return *IpAddress::parse(text); }

const std::vector<RouteEntry> kHome{
    {prefix("0.0.0.0/0"), ip("192.168.1.1"), "eth0", 100},
    {prefix("0.0.0.0/0"), ip("192.168.2.1"), "wlan0", 600},
    {prefix("192.168.1.0/24"), std::nullopt, "eth0", 100},
};

TEST(ConsumerPlan, TunnelTakesEverything) {
  ConsumerTunnel tunnel;
  tunnel.link = "myst0";
  tunnel.address = prefix("10.182.3.2/24");
  tunnel.dns = {ip("10.182.3.1")};
  const Plan expected{
      SetLinkUp{"myst0"},
      AddRoute{prefix("0.0.0.0/1"), std::nullopt, "myst0"},
      AddRoute{prefix("128.0.0.0/1"), std::nullopt, "myst0"},
      AddRoute{prefix("::/1"), std::nullopt, "myst0"},
      AddRoute{prefix("8000::/1"), std::nullopt, "myst0"},
      AddAddress{"myst0", prefix("10.182.3.2/24")},
      SetDns{"myst0", {ip("10.182.3.1")}, {}},
  };
  EXPECT_TRUE(plan_consumer_tunnel(tunnel) == expected);

  tunnel.ipv6_enabled = false;
  tunnel.dns.clear();
  EXPECT_EQ(plan_consumer_tunnel(tunnel).size(), 4u);
}

TEST(RouteExclusions, HostRouteThroughTheBestGateway) {
  RouteExclusions exclusions;
  const auto actions = exclusions.acquire(ip("203.0.113.7"), kHome, {});
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_TRUE(actions[0].make);
  EXPECT_EQ(actions[0].label, "exclude 203.0.113.7");
  const Plan expected{AddRoute{prefix("203.0.113.7/32"), ip("192.168.1.1"), "eth0"}};
  EXPECT_TRUE(actions[0].plan == expected);
}

TEST(RouteExclusions, OnLinkPeerGetsNoRoute) {
  RouteExclusions exclusions;
  EXPECT_TRUE(exclusions.acquire(ip("192.168.1.77"), kHome, {}).empty());
  EXPECT_TRUE(exclusions.acquire(ip("127.0.0.1"), kHome, {}).empty());
  EXPECT_TRUE(exclusions.release(ip("192.168.1.77")).empty());
}

TEST(RouteExclusions, CountedAndReleasedOnce) {
  RouteExclusions exclusions;
  const IpAddress peer = ip("203.0.113.7");
  EXPECT_EQ(exclusions.acquire(peer, kHome, {}).size(), 1u);
  EXPECT_TRUE(exclusions.acquire(peer, kHome, {}).empty());
  EXPECT_TRUE(exclusions.release(peer).empty());
  const auto actions = exclusions.release(peer);
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_FALSE(actions[0].make);
  EXPECT_TRUE(exclusions.release(peer).empty());
}

TEST(RouteExclusions, FollowTheGatewayAndIgnoreTunnelsAndThemselves) {
  RouteExclusions exclusions;
  const IpAddress peer = ip("203.0.113.7");
  (void)exclusions.acquire(peer, kHome, {});
  std::vector<RouteEntry> now{
      {prefix("0.0.0.0/1"), std::nullopt, "myst0", 0},
      {prefix("128.0.0.0/1"), std::nullopt, "myst0", 0},
      {prefix("203.0.113.7/32"), ip("192.168.1.1"), "eth0", 0},  // our own
      {prefix("0.0.0.0/0"), ip("192.168.1.1"), "eth0", 100},
  };
  EXPECT_TRUE(exclusions.replan(now, {"myst0"}).empty());
  now[3].gateway = ip("10.0.0.1");
  now[3].link = "wlan0";
  const auto actions = exclusions.replan(now, {"myst0"});
  ASSERT_EQ(actions.size(), 2u);
  EXPECT_FALSE(actions[0].make);
  EXPECT_TRUE(actions[1].make);
  const Plan expected{AddRoute{prefix("203.0.113.7/32"), ip("10.0.0.1"), "wlan0"}};
  EXPECT_TRUE(actions[1].plan == expected);
  now[2].gateway = ip("10.0.0.1");  // what carrying out the actions did
  now[2].link = "wlan0";
  EXPECT_TRUE(exclusions.replan(now, {"myst0"}).empty());
}

TEST(RouteExclusions, BoundedAndFullMeansNoRoute) {
  RouteExclusions exclusions;
  for (std::uint32_t i = 0; i < RouteExclusions::kMaxAddresses; ++i) {
    EXPECT_EQ(exclusions.acquire(IpAddress::v4(0xcb007100u + i), kHome, {}).size(), 1u);
  }
  EXPECT_TRUE(exclusions.acquire(ip("8.8.8.8"), kHome, {}).empty());
  EXPECT_TRUE(exclusions.release(ip("8.8.8.8")).empty());
}

TEST(KillSwitch, RefusesBothFamilies) {
  KillSwitch wanted;
  wanted.tunnel_links = {"myst0"};
  wanted.allowed = {ip("203.0.113.7"), ip("2001:db8::7")};
  wanted.resolvers = {ip("192.168.1.1")};
  const Plan plan = plan_kill_switch(wanted);
  for (const Change& change : plan) EXPECT_TRUE(check(change).ok()) << describe(change);
  EXPECT_EQ(iptables_make_text(plan, IpFamily::V4),
            "*filter\n"
            ":MYST_CONSUMER_KILL_SWITCH - [0:0]\n"
            "-A MYST_CONSUMER_KILL_SWITCH -o lo -j RETURN\n"
            "-A MYST_CONSUMER_KILL_SWITCH -o myst0 -j RETURN\n"
            "-A MYST_CONSUMER_KILL_SWITCH -d 203.0.113.7/32 -j RETURN\n"
            "-A MYST_CONSUMER_KILL_SWITCH -d 192.168.1.1/32 -p udp -m udp --dport 53 -j RETURN\n"
            "-A MYST_CONSUMER_KILL_SWITCH -d 192.168.1.1/32 -p tcp -m tcp --dport 53 -j RETURN\n"
            "-A MYST_CONSUMER_KILL_SWITCH -p udp -m udp --sport 68 --dport 67 -j RETURN\n"
            "-A MYST_CONSUMER_KILL_SWITCH -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY "
            "-j RETURN\n"
            "-A MYST_CONSUMER_KILL_SWITCH -j REJECT\n"
            "-I OUTPUT 1 -j MYST_CONSUMER_KILL_SWITCH\n"
            "COMMIT\n");
  const std::string six = iptables_make_text(plan, IpFamily::V6);
  EXPECT_NE(six.find("-d 2001:db8::7/128 -j RETURN"), std::string::npos);
  EXPECT_NE(six.find("--icmpv6-type 135"), std::string::npos);
  EXPECT_EQ(iptables_undo_text(plan, IpFamily::V6),
            "*filter\n-D OUTPUT -j MYST_CONSUMER_KILL_SWITCH\n-F MYST_CONSUMER_KILL_SWITCH\n"
            "-X MYST_CONSUMER_KILL_SWITCH\nCOMMIT\n");
}

}  // namespace
}  // namespace myst::core
