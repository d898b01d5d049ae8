#include "core/base/net.hpp"

#include <gtest/gtest.h>

namespace myst {
namespace {

TEST(IpAddress, ParsesAndPrintsBothFamilies) {
  for (const char* text : {"0.0.0.0", "203.0.113.7", "255.255.255.255", "::", "::1", "2001:db8::1",
                           "2001:db8:0:1:1:1:1:1", "fe80::1:0:0:1", "1:2:3:4:5:6:7:8"}) {
    const auto ip = IpAddress::parse(text);
    ASSERT_TRUE(ip.ok()) << text;
    EXPECT_EQ(ip->to_string(), text);
  }
  EXPECT_EQ(IpAddress::parse("::ffff:1.2.3.4")->to_string(), "::ffff:102:304");
}

TEST(IpAddress, RefusesWhatIsNotOne) {
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.", "a.b.c.d",
                           ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
                           "12345::", "::1%lo", "1:2:3:4:5:6:7:8::", "g::"}) {
    EXPECT_FALSE(IpAddress::parse(text).ok()) << text;
  }
}

TEST(IpAddress, KnowsPrivateRanges) {
  for (const char* text : {"10.0.0.1", "172.31.0.1", "192.168.1.1", "100.127.0.1", "127.0.0.1",
                           "169.254.1.1", "::1", "fd00::1", "fe80::1"}) {
    EXPECT_TRUE(IpAddress::parse(text)->is_private()) << text;
  }
  for (const char* text : {"172.32.0.1", "100.128.0.1", "8.8.8.8", "2001:db8::1"}) {
    EXPECT_FALSE(IpAddress::parse(text)->is_private()) << text;
  }
}

TEST(Endpoint, ParsesWithBracketsForIpv6) {
  EXPECT_EQ(Endpoint::parse("1.2.3.4:5")->port, 5);
  EXPECT_EQ(Endpoint::parse("[::1]:65535")->to_string(), "[::1]:65535");
  for (const char* text : {"1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "::1:5", ":5"}) {
    EXPECT_FALSE(Endpoint::parse(text).ok()) << text;
  }
}

TEST(IpPrefix, ContainsAndMasks) {
  const IpPrefix prefix = *IpPrefix::parse("10.182.3.2/23");
  EXPECT_EQ(prefix.network().to_string(), "10.182.2.0/23");
  EXPECT_TRUE(prefix.contains(*IpAddress::parse("10.182.2.255")));
  EXPECT_FALSE(prefix.contains(*IpAddress::parse("10.182.4.0")));
  EXPECT_TRUE(IpPrefix::parse("::/0")->contains(*IpAddress::parse("2001:db8::1")));
  EXPECT_FALSE(IpPrefix::parse("::/0")->contains(*IpAddress::parse("1.2.3.4")));
  EXPECT_FALSE(IpPrefix::parse("1.2.3.4/33").ok());
}

}  // namespace
}  // namespace myst
