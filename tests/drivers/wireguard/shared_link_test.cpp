// Many devices on one interface, with their data threads: what a provider does for its sessions.
// The interfaces are socket pairs here, so neither root nor a tun is needed.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/crypto/x25519.hpp"
#include "drivers/wireguard/data_plane.hpp"
#include "drivers/wireguard/tun_link.hpp"
#include "drivers/wireguard/userspace_device.hpp"
#include "platform/log/log.hpp"
#include "platform/loop/fd_watcher.hpp"
#include "platform/system/random.hpp"

namespace myst::wireguard {
namespace {

constexpr std::chrono::seconds kLimit{10};
constexpr int kSessions = 3;

IpPrefix network_of(int session) {
  return {IpAddress::v4(10, 182, static_cast<std::uint8_t>(session), 0), 24};
}
IpAddress consumer_of(int session) {
  return IpAddress::v4(10, 182, static_cast<std::uint8_t>(session), 2);
}
const IpAddress kWorld = IpAddress::v4(203, 0, 113, 7);

std::string packet(const IpAddress& from, const IpAddress& to, std::size_t size, char fill) {
  std::string out(size, fill);
  std::uint8_t head[20] = {0x45};
  head[2] = static_cast<std::uint8_t>(size >> 8);
  head[3] = static_cast<std::uint8_t>(size);
  head[8] = 64;
  head[9] = 253;  // for experiments
  std::memcpy(head + 12, from.bytes().data(), 4);
  std::memcpy(head + 16, to.bytes().data(), 4);
  std::memcpy(&out[0], head, sizeof head);
  return out;
}

// An interface, and the kernel's end of it.
struct Interface {
  Interface(platform::Loop& loop, const char* name) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    kernel.reset(ends[1]);
    // So that the loop looks anew whether what it waits for is there.
    auto watching = platform::FdWatcher::open(loop, ends[1], [](unsigned) {});
    EXPECT_TRUE(watching.ok());
    watcher = std::move(*watching);
    watcher.watch(platform::FdWatcher::kReadable);
    platform::Tun tun;
    tun.fd.reset(ends[0]);
    tun.name = name;
    link = std::make_shared<TunLink>(std::move(tun), 0, 1420);
  }
  void send(const std::string& data) {
    EXPECT_EQ(::send(kernel.get(), data.data(), data.size(), 0), static_cast<ssize_t>(data.size()));
  }
  std::optional<std::string> receive() {
    char buffer[65536];
    const ssize_t got = ::recv(kernel.get(), buffer, sizeof buffer, 0);
    if (got < 0) return std::nullopt;
    return std::string(buffer, static_cast<std::size_t>(got));
  }
  platform::UniqueFd kernel;
  platform::FdWatcher watcher;
  std::shared_ptr<TunLink> link;
};

class SharedLink : public ::testing::Test {
 protected:
  void SetUp() override {
    log::set_level(log::Level::Warn);
    auto plane = DataPlane::start(loop_, 2);
    ASSERT_TRUE(plane.ok()) << plane.error().what;
    plane_ = std::move(*plane);
    for (int i = 0; i < kSessions; ++i) open_session(i);
  }
  std::unique_ptr<UserspaceDevice> open(DeviceConfig config, const std::shared_ptr<TunLink>& link,
                                        const IpPrefix& network) {
    config.link = link;
    config.network = network;
    auto device =
        UserspaceDevice::open(loop_, rng_, *plane_, userspace_options(), std::move(config));
    EXPECT_TRUE(device.ok()) << device.error().what;
    return device.ok() ? std::move(*device) : nullptr;
  }
  void open_session(int i) {
    const Secret<32> provider_key = x25519::make_clamped_key(rng_);
    const Secret<32> consumer_key = x25519::make_clamped_key(rng_);
    PeerConfig peer;
    peer.allowed_ips = {*IpPrefix::parse("0.0.0.0/0")};
    DeviceConfig provider;
    provider.private_key = provider_key;
    peer.public_key = x25519::public_key(consumer_key);
    provider.peers = {peer};
    auto device = open(std::move(provider), shared_.link, network_of(i));
    ASSERT_NE(device, nullptr);
    DeviceConfig consumer;
    consumer.private_key = consumer_key;
    peer.public_key = x25519::public_key(provider_key);
    peer.endpoint = Endpoint{IpAddress::v4(127, 0, 0, 1), device->listen_port()};
    consumer.peers = {peer};
    consumers_.push_back(std::make_unique<Interface>(loop_, "consumer"));
    consumer_devices_.push_back(
        open(std::move(consumer), consumers_.back()->link, {IpAddress(), 0}));
    sessions_.push_back(std::move(device));
  }
  // Lets the loop run until a packet has come out there.
  std::optional<std::string> next_from(Interface& interface) {
    std::optional<std::string> got;
    (void)loop_.run_until([&] { return (got = interface.receive()).has_value(); }, kLimit);
    return got;
  }
  void expect_both_ways(int i, char fill) {
    Interface& consumer = *consumers_[static_cast<std::size_t>(i)];
    const std::string up = packet(consumer_of(i), kWorld, 900, fill);
    consumer.send(up);
    EXPECT_EQ(next_from(shared_), up) << i;
    const std::string down = packet(kWorld, consumer_of(i), 1400, fill);
    shared_.send(down);
    EXPECT_EQ(next_from(consumer), down) << i;
  }
  // A data thread counts what it has sent after the other side may have it already.
  void wait_for_sent(std::size_t i, std::uint64_t bytes) {
    EXPECT_TRUE(loop_.run_until([&] { return stats(*sessions_[i]).tx_bytes >= bytes; }, kLimit));
  }
  PeerStats stats(const UserspaceDevice& device) {
    auto all = const_cast<UserspaceDevice&>(device).stats();
    EXPECT_TRUE(all.ok() && all->size() == 1);
    return all->front();
  }

  platform::Loop loop_;
  platform::SystemRng rng_;
  std::unique_ptr<DataPlane> plane_;
  Interface shared_{loop_, "shared"};
  std::vector<std::unique_ptr<Interface>> consumers_;
  std::vector<std::unique_ptr<UserspaceDevice>> sessions_, consumer_devices_;
};

TEST_F(SharedLink, EachSessionHasItsPacketsBothWays) {
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < kSessions; ++i) expect_both_ways(i, static_cast<char>('a' + i));
  }
  for (std::size_t i = 0; i < kSessions; ++i) {
    EXPECT_EQ(consumers_[i]->receive(), std::nullopt) << "what belongs to another";
  }
}

// One batch of the sending thread holds packets for all of them, alternating.
TEST_F(SharedLink, MixedTrafficIsCountedToTheByteOfEachSession) {
  for (int i = 0; i < kSessions; ++i) expect_both_ways(i, 'x');
  std::vector<PeerStats> before;
  for (std::size_t i = 0; i < kSessions; ++i) {
    wait_for_sent(i, stats(*consumer_devices_[i]).rx_bytes);
    before.push_back(stats(*sessions_[i]));
  }
  constexpr int kRounds = 40;
  std::vector<int> arrived(kSessions), left(kSessions);
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kSessions; ++i) {
      shared_.send(packet(kWorld, consumer_of(i), 320, static_cast<char>('0' + i)));
      consumers_[static_cast<std::size_t>(i)]->send(
          packet(consumer_of(i), kWorld, 160, static_cast<char>('0' + i)));
    }
    const bool all = loop_.run_until(
        [&] {
          bool done = true;
          while (const auto got = shared_.receive())
            ++left[static_cast<std::size_t>(got->back() - '0')];
          for (std::size_t i = 0; i < kSessions; ++i) {
            while (const auto got = consumers_[i]->receive()) {
              EXPECT_EQ(got->back(), static_cast<char>('0' + i));
              ++arrived[i];
            }
            done = done && arrived[i] == round + 1 && left[i] == round + 1;
          }
          return done;
        },
        kLimit);
    ASSERT_TRUE(all) << round;
  }
  for (std::size_t i = 0; i < kSessions; ++i) {
    wait_for_sent(i, before[i].tx_bytes + std::uint64_t{kRounds} * (320 + 32));
    const PeerStats now = stats(*sessions_[i]), far = stats(*consumer_devices_[i]);
    EXPECT_EQ(now.tx_bytes - before[i].tx_bytes, std::uint64_t{kRounds} * (320 + 32));
    EXPECT_EQ(now.rx_bytes - before[i].rx_bytes, std::uint64_t{kRounds} * (160 + 32));
    EXPECT_EQ(now.tx_bytes, far.rx_bytes);
    EXPECT_EQ(now.rx_bytes, far.tx_bytes);
  }
}

// The keys allow any source, the link does not: else one consumer could speak for another.
TEST_F(SharedLink, NobodySpeaksForAnotherSession) {
  expect_both_ways(0, 'x');
  const std::uint64_t before = stats(*sessions_[0]).rx_bytes;
  consumers_[0]->send(packet(consumer_of(1), kWorld, 500, 's'));
  consumers_[0]->send(packet(kWorld, kWorld, 500, 's'));
  const std::string honest = packet(consumer_of(0), kWorld, 500, 'h');
  consumers_[0]->send(honest);
  EXPECT_EQ(next_from(shared_), honest);
  // It has used the line all the same (each padded to 512, and 32 of header and tag).
  EXPECT_EQ(stats(*sessions_[0]).rx_bytes - before, 3u * (512 + 32));
}

TEST_F(SharedLink, PacketsForNobodyGoNowhere) {
  expect_both_ways(0, 'x');
  shared_.send(packet(kWorld, IpAddress::v4(10, 182, 77, 2), 500, 'n'));
  shared_.send(packet(kWorld, kWorld, 500, 'n'));
  shared_.send("no packet");
  for (int i = 0; i < kSessions; ++i) expect_both_ways(i, 'y');
}

TEST_F(SharedLink, ASessionEndsWhileOthersRun) {
  for (int i = 0; i < kSessions; ++i) expect_both_ways(i, 'x');
  for (int round = 0; round < 20; ++round) {
    shared_.send(packet(kWorld, consumer_of(0), 700, 'a'));
    shared_.send(packet(kWorld, consumer_of(1), 700, 'b'));
    if (round == 10) sessions_[1].reset();
    loop_.run_until([] { return false; }, std::chrono::milliseconds{1});
  }
  int first = 0;
  (void)loop_.run_until(
      [&] {
        while (consumers_[0]->receive()) ++first;
        return first == 20;
      },
      kLimit);
  EXPECT_EQ(first, 20);
  expect_both_ways(2, 'z');
  // All may end, the interface stays, and its next session has the same network as an earlier one.
  sessions_.clear();
  consumer_devices_.clear();
  consumers_.clear();
  open_session(0);
  expect_both_ways(0, 'n');
}

TEST_F(SharedLink, ANetworkBelongsToOneSession) {
  DeviceConfig config;
  config.private_key = x25519::make_clamped_key(rng_);
  config.link = shared_.link;
  config.network = *IpPrefix::parse("10.182.1.9/24");
  const auto second =
      UserspaceDevice::open(loop_, rng_, *plane_, userspace_options(), std::move(config));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Errc::AlreadyExists);
  expect_both_ways(1, 'x');
}

}  // namespace
}  // namespace myst::wireguard
