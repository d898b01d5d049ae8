#include "drivers/wireguard/uapi.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"

namespace myst::wireguard::uapi {
namespace {

const std::string kKey(64, 'a'), kOther(64, 'b');

// The request in the documentation of the cross-platform interface, keys aside.
TEST(Uapi, ReadsWhatWgSends) {
  const auto set =
      parse_set("private_key=" + kKey +
                "\nfwmark=0\nlisten_port=12912\nreplace_peers=true\npublic_key=" + kOther +
                "\npreshared_key=" + kKey +
                "\nreplace_allowed_ips=true\nallowed_ip=192.168.4.4/32\n"
                "endpoint=[abcd:23::33]:51820\npublic_key=" +
                kKey +
                "\nupdate_only=true\npersistent_keepalive_interval=111\n"
                "endpoint=182.122.22.19:3233\nallowed_ip=-192.168.4.6/32\n"
                "public_key=" +
                kOther + "\nremove=true\nprotocol_version=1\n");
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(to_hex(set->private_key->bytes()), kKey);
  EXPECT_EQ(set->listen_port, 12912);
  EXPECT_EQ(set->fwmark, 0u);
  EXPECT_TRUE(set->replace_peers);
  ASSERT_EQ(set->peers.size(), 3u);
  EXPECT_TRUE(set->peers[0].replace_allowed_ips);
  ASSERT_EQ(set->peers[0].allowed_ips.size(), 1u);
  EXPECT_EQ(set->peers[0].endpoint->to_string(), "[abcd:23::33]:51820");
  EXPECT_EQ(to_hex(set->peers[0].preshared_key->bytes()), kKey);
  EXPECT_TRUE(set->peers[1].update_only);
  EXPECT_EQ(set->peers[1].keepalive_s, 111);
  EXPECT_TRUE(set->peers[1].allowed_ips[0].remove);
  EXPECT_TRUE(set->peers[2].remove);
}

TEST(Uapi, AnythingElseIsMalformedAsAWhole) {
  for (const std::string& bad :
       {std::string("x"), std::string("private_key="), "private_key=" + kKey + "0",
        std::string("listen_port=65536"), std::string("listen_port=-1"),
        std::string("replace_peers=false"), std::string("allowed_ip=10.0.0.0/8"),
        "public_key=" + kKey + "\nlisten_port=1", "public_key=" + kKey + "\nallowed_ip=10.0.0.0/33",
        "public_key=" + kKey + "\nendpoint=host:1", "public_key=" + kKey + "\nprotocol_version=2",
        "public_key=" + kKey + "\npersistent_keepalive_interval=70000",
        "public_key=" + kKey + "\nnew_key=1", std::string("\n\n")}) {
    EXPECT_FALSE(parse_set(bad).ok()) << bad;
  }
  EXPECT_FALSE(parse_verb("get=2").ok());
  EXPECT_EQ(*parse_verb("set=1"), Verb::Set);
}

TEST(Uapi, TooManyPeersAreFull) {
  std::string text;
  for (std::size_t i = 0; i <= kMaxPeers; ++i) text += "public_key=" + kKey + "\n";
  EXPECT_EQ(parse_set(text).error().code, Errc::Full);
}

TEST(Uapi, AnswersAGet) {
  Device device;
  device.listen_port = 51820;
  device.fwmark = 7;
  Peer peer;
  peer.public_key.fill(0xaa);
  peer.endpoint = *Endpoint::parse("192.0.2.1:5");
  peer.last_handshake = WallTime{std::chrono::milliseconds{1700000000123}};
  peer.tx_bytes = 1;
  peer.rx_bytes = std::uint64_t{1} << 40;
  peer.keepalive_s = 18;
  peer.allowed_ips = {*IpPrefix::parse("0.0.0.0/0"), *IpPrefix::parse("::/0")};
  device.peers.push_back(peer);
  EXPECT_EQ(format_get(device),
            "listen_port=51820\nfwmark=7\npublic_key=" + kKey +
                "\npreshared_key=" + std::string(64, '0') +
                "\nprotocol_version=1\nendpoint=192.0.2.1:5\n"
                "last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=123000000\n"
                "tx_bytes=1\nrx_bytes=1099511627776\npersistent_keepalive_interval=18\n"
                "allowed_ip=0.0.0.0/0\nallowed_ip=::/0\nerrno=0\n\n");
}

}  // namespace
}  // namespace myst::wireguard::uapi
