// The kernel's own WireGuard through generic netlink. Needs root and the module: elsewhere skipped,
// and run by tests/kernel/run in a guest that has it.
#include <gtest/gtest.h>

#include <memory>

#include "core/crypto/x25519.hpp"
#include "drivers/wireguard/device.hpp"
#include "platform/system/random.hpp"

namespace myst::wireguard {
namespace {

struct Keys {
  Secret<32> secret;
  PublicKey open{};
};

Keys make_keys(Rng& rng) {
  Keys keys;
  keys.secret = Secret<32>(rng.bytes<32>());
  keys.open = x25519::public_key(keys.secret);
  return keys;
}

class KernelDeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    wireguard_ = std::make_unique<Wireguard>(loop_, rng_, Options{});
    if (wireguard_->backend().backend != Backend::Kernel) {
      GTEST_SKIP() << wireguard_->backend().why;
    }
  }
  DeviceConfig config(const char* name, const Keys& own, const Keys& other, std::uint16_t port,
                      std::uint16_t other_port) {
    DeviceConfig out;
    out.name = name;
    out.private_key = own.secret;
    out.listen_port = port;
    out.up = true;
    PeerConfig peer;
    peer.public_key = other.open;
    peer.endpoint = Endpoint{IpAddress::v4(127, 0, 0, 1), other_port};
    peer.allowed_ips = {*IpPrefix::parse("10.77.0.0/24"), *IpPrefix::parse("fd00:77::/64")};
    peer.keepalive_s = 1;
    out.peers.push_back(peer);
    return out;
  }
  platform::Loop loop_;
  platform::SystemRng rng_;
  std::unique_ptr<Wireguard> wireguard_;
};

TEST_F(KernelDeviceTest, TwoDevicesShakeHandsAndCount) {
  const Keys a = make_keys(rng_), b = make_keys(rng_);
  auto left = wireguard_->open(config("mystka", a, b, 51901, 51902));
  ASSERT_TRUE(left.ok()) << left.error().what << " " << left.error().detail;
  EXPECT_EQ((*left)->backend(), Backend::Kernel);
  EXPECT_EQ((*left)->listen_port(), 51901);
  auto right = wireguard_->open(config("mystkb", b, a, 51902, 51901));
  ASSERT_TRUE(right.ok()) << right.error().what << " " << right.error().detail;
  bool shaken = false;
  (*left)->on_handshake([&](const PublicKey& peer) { shaken = peer == b.open; });
  EXPECT_TRUE(loop_.run_until([&] { return shaken; }, std::chrono::seconds(20)));
  const auto stats = (*left)->stats();
  ASSERT_TRUE(stats.ok());
  ASSERT_EQ(stats->size(), 1u);
  EXPECT_TRUE(stats->front().last_handshake.has_value());
  EXPECT_GT(stats->front().tx_bytes, 0u);
  EXPECT_GT(stats->front().rx_bytes, 0u);
}

TEST_F(KernelDeviceTest, ShakesHandsWithOurEngineInBothRolesAndBothCountTheSame) {
  Options ours_options;
  ours_options.backend = BackendWish::Userspace;
  Wireguard ours(loop_, rng_, ours_options);
  std::uint16_t port = 51911;
  for (const bool kernel_begins : {true, false}) {
    const Keys a = make_keys(rng_), b = make_keys(rng_);
    const auto left_port = port++, right_port = port++;
    DeviceConfig left_config = config("mystkd", a, b, left_port, right_port);
    DeviceConfig right_config = config("mystud", b, a, right_port, left_port);
    // Who has no endpoint waits for the other.
    DeviceConfig& waits = kernel_begins ? right_config : left_config;
    waits.peers.front().endpoint.reset();
    waits.peers.front().keepalive_s = 0;
    // Who waits is there first, so that nothing is sent to nobody.
    const auto open = [&](bool kernel) {
      return kernel ? wireguard_->open(std::move(left_config)) : ours.open(std::move(right_config));
    };
    auto waiting = open(!kernel_begins);
    ASSERT_TRUE(waiting.ok()) << waiting.error().what << " " << waiting.error().detail;
    auto beginning = open(kernel_begins);
    ASSERT_TRUE(beginning.ok()) << beginning.error().what << " " << beginning.error().detail;
    auto* const left = kernel_begins ? &*beginning : &*waiting;
    auto* const right = kernel_begins ? &*waiting : &*beginning;
    EXPECT_EQ((*right)->backend(), Backend::Userspace);
    bool shaken = false;
    (*right)->on_handshake([&](const PublicKey& peer) { shaken = peer == a.open; });
    EXPECT_TRUE(loop_.run_until([&] { return shaken; }, std::chrono::seconds(20)));
    const auto agree = [&] {
      const auto l = (*left)->stats();
      const auto r = (*right)->stats();
      return l.ok() && r.ok() && l->front().rx_bytes > 0 && r->front().rx_bytes > 0 &&
             l->front().tx_bytes == r->front().rx_bytes &&
             l->front().rx_bytes == r->front().tx_bytes;
    };
    EXPECT_TRUE(loop_.run_until(agree, std::chrono::seconds(20)));
  }
}

TEST_F(KernelDeviceTest, ReplacesPeersAndRefusesATakenName) {
  const Keys a = make_keys(rng_), b = make_keys(rng_), c = make_keys(rng_);
  auto device = wireguard_->open(config("mystkc", a, b, 51903, 51904));
  ASSERT_TRUE(device.ok());
  EXPECT_FALSE(wireguard_->open(config("mystkc", a, b, 51905, 51904)).ok());
  auto peers = config("x", a, c, 1, 51906).peers;
  ASSERT_TRUE((*device)->set_peers(peers).ok());
  const auto stats = (*device)->stats();
  ASSERT_TRUE(stats.ok());
  ASSERT_EQ(stats->size(), 1u);
  EXPECT_EQ(stats->front().public_key, c.open);
}

}  // namespace
}  // namespace myst::wireguard
