#include "core/system/change.hpp"

#include <gtest/gtest.h>

namespace myst::core {
namespace {

IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }
IpAddress ip(const char* text) { return *IpAddress::parse(text); }

std::vector<Change> one_of_each() {
  return {
      OwnLink{"myst0"},
      SetLinkUp{"myst0"},
      SetLinkMtu{"myst0", 1420},
      AddAddress{"myst0", prefix("10.182.3.2/24")},
      AddAddress{"myst0", prefix("fd00::2/64")},
      AddRoute{prefix("0.0.0.0/1"), std::nullopt, "myst0"},
      AddRoute{prefix("203.0.113.7/32"), ip("192.168.1.1"), "eth0", 100, 7},
      AddRoute{prefix("8000::/1"), std::nullopt, "myst0"},
      AddRule{IpFamily::V4, 100, 51, prefix("10.0.0.0/8"), std::nullopt, 7},
      AddRule{IpFamily::V6, 100, 51, std::nullopt, prefix("fd00::/8"), 0},
      IptablesChain{IpFamily::V4, "nat", "MYST"},
      IptablesRule{IpFamily::V6, "filter", "OUTPUT", 1, {"!", "-s", "fd00::/64", "-j", "MYST"}},
      SetSysctl{"net/ipv4/conf/eth0.5/rp_filter", "0"},
      SetDns{"myst0", {ip("10.182.3.1"), ip("2606:4700:4700::1111")}, {"lan", "example.org"}},
      ShapeLink{"myst0"},
      SharedRate{"rate-MYST", 12'500'000},
      SharedRate{"rate-MYST", kNoRate},
      JoinSharedRate{"myst3", "rate-MYST"},
      SessionRate{"rate-MYST", prefix("10.182.3.0/24"), 6'400'000, true},
      SessionRate{"mystp0", prefix("10.182.3.0/24"), 6'400'000, false},
  };
}

TEST(Change, EveryKindReadsBackAsItWasWritten) {
  for (const Change& change : one_of_each()) {
    EXPECT_TRUE(check(change).ok()) << describe(change);
    for (const char* prior : {"", "0", "two words\nand % a line"}) {
      const RecordedChange recorded{change, prior};
      const std::string line = encode(recorded);
      EXPECT_EQ(line.find('\n'), std::string::npos);
      const auto back = decode_change(line);
      ASSERT_TRUE(back.ok()) << line << ": " << back.error().what;
      EXPECT_TRUE(*back == recorded) << line;
    }
  }
}

TEST(Change, AWordMissingOrTooMuchIsMalformed) {
  for (const Change& change : one_of_each()) {
    const std::string line = encode({change, "x"});
    EXPECT_FALSE(decode_change(line + " more").ok()) << line;
    for (std::size_t cut = line.rfind(' '); cut != std::string::npos && cut > 0;
         cut = line.rfind(' ', cut - 1)) {
      EXPECT_FALSE(decode_change(line.substr(0, cut)).ok()) << line.substr(0, cut);
    }
  }
}

TEST(Change, WhatACommandCouldMisreadIsRefused) {
  EXPECT_FALSE(check(OwnLink{""}).ok());
  EXPECT_FALSE(check(OwnLink{"../../etc"}).ok());
  EXPECT_FALSE(check(OwnLink{"sixteen-letters!"}).ok());
  EXPECT_FALSE(check(SetSysctl{"../../etc/passwd", "1"}).ok());
  EXPECT_FALSE(check(SetSysctl{"/etc/passwd", "1"}).ok());
  EXPECT_FALSE(check(SetSysctl{"net//ipv4", "1"}).ok());
  EXPECT_FALSE(check(IptablesRule{IpFamily::V4, "nat", "MYST", 0, {"-j", "A B"}}).ok());
  EXPECT_FALSE(check(IptablesRule{IpFamily::V4, "nat", "MYST", 0, {"-j", "A\nCOMMIT"}}).ok());
  EXPECT_FALSE(check(IptablesRule{IpFamily::V4, "nat", "MYST", 0, {"-j", "\"A"}}).ok());
  EXPECT_FALSE(check(IptablesRule{IpFamily::V4, "nat", "-X", 0, {"-j", "A"}}).ok());
  EXPECT_FALSE(check(IptablesRule{IpFamily::V4, "nat", "MYST", 0, {}}).ok());
  EXPECT_FALSE(check(SetLinkMtu{"myst0", 67}).ok());
  EXPECT_FALSE(check(SetDns{"myst0", {}, {}}).ok());
  EXPECT_FALSE(check(SetDns{"myst0", {ip("1.1.1.1")}, {"a\nnameserver"}}).ok());
  EXPECT_FALSE(check(AddRoute{prefix("1.2.3.4/32"), ip("::1"), "eth0"}).ok());
  EXPECT_FALSE(check(AddRoute{prefix("1.2.3.4/32"), std::nullopt, ""}).ok());
}

TEST(Change, OnlyTheResolverFileOutlivesAReboot) {
  for (const Change& change : one_of_each()) {
    EXPECT_EQ(survives_reboot({change, "file x"}), std::holds_alternative<SetDns>(change));
    EXPECT_FALSE(survives_reboot({change, "resolvectl"}));
  }
}

}  // namespace
}  // namespace myst::core
