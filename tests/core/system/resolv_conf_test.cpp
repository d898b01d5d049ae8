#include "core/system/resolv_conf.hpp"

#include <gtest/gtest.h>

namespace myst::core {
namespace {

TEST(ResolvConf, ReadsWhatTheCLibraryReads) {
  const ResolvConf conf = parse_resolv_conf(
      "# nameserver 9.9.9.9\n;x\nnameserver 192.168.1.1 trailing\n\tnameserver\t1.1.1.1\r\n"
      "nameserver fe80::1%eth0\nnameserver\nnameserver nonsense\ndomain a\nsearch lan  home\n"
      "options ndots:5");
  ASSERT_EQ(conf.servers.size(), 3u);
  EXPECT_EQ(conf.servers[0].to_string(), "192.168.1.1");
  EXPECT_EQ(conf.servers[1].to_string(), "1.1.1.1");
  EXPECT_EQ(conf.servers[2].to_string(), "fe80::1");
  EXPECT_EQ(conf.search, (std::vector<std::string>{"lan", "home"}));
}

TEST(ResolvConf, OursIsRecognised) {
  ResolvConf conf;
  conf.servers = {IpAddress::v4(10, 182, 3, 1)};
  conf.search = {"lan"};
  const std::string text = render_resolv_conf(conf);
  EXPECT_TRUE(is_own_resolv_conf(text));
  EXPECT_FALSE(is_own_resolv_conf("nameserver 1.1.1.1\n"));
  EXPECT_TRUE(parse_resolv_conf(text).servers == conf.servers);
  EXPECT_EQ(parse_resolv_conf(text).search, conf.search);
}

}  // namespace
}  // namespace myst::core
