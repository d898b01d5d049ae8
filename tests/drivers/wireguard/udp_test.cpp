#include "drivers/wireguard/udp.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <cstring>

#include "platform/net/sockaddr.hpp"

namespace myst::wireguard {
namespace {

platform::UniqueFd bound(const std::string& at) {
  platform::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto address = platform::to_sockaddr(*Endpoint::parse(at));
  EXPECT_EQ(::bind(fd.get(), address.get(), address.size), 0);
  return fd;
}

std::optional<Received> wait_and_receive(int fd, MutableByteSpan buffer) {
  pollfd wait{fd, POLLIN, 0};
  if (::poll(&wait, 1, 5000) != 1) return std::nullopt;
  return receive_datagrams(fd, buffer);
}

TEST(AdoptSocket, KeepsThePortAndForgetsTheRemoteEnd) {
  for (const bool connected : {false, true}) {
    platform::UniqueFd other = bound("127.0.0.1:0");
    platform::UniqueFd fd = bound("0.0.0.0:0");
    const std::uint16_t port = platform::local_endpoint(fd.get()).port;
    if (connected) {
      const auto to = platform::to_sockaddr(*Endpoint::parse("192.0.2.1:9"));
      ASSERT_EQ(::connect(fd.get(), to.get(), to.size), 0);
    }
    auto pair = adopt_socket(std::move(fd), {});
    ASSERT_TRUE(pair.ok());
    EXPECT_EQ(pair->port, port);
    EXPECT_FALSE(pair->v6.valid());
    EXPECT_EQ(platform::local_endpoint(pair->v4.get()).port, port);
    // Anybody can reach it now.
    const PathAddress to{*Endpoint::parse("127.0.0.1:" + std::to_string(port)), std::nullopt, 0};
    const Bytes hello{1, 2, 3};
    ASSERT_EQ(send_datagrams(other.get(), to, hello, 0), 0);
    Bytes buffer(2000);
    const auto got = wait_and_receive(pair->v4.get(), buffer);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->size, 3u);
    EXPECT_EQ(got->from.remote, platform::local_endpoint(other.get()));
    EXPECT_EQ(got->from.local, IpAddress::v4(127, 0, 0, 1));
  }
}

TEST(AdoptSocket, RefusesWhatIsNotABoundUdpSocket) {
  platform::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(adopt_socket(std::move(fd), {}).error().code, Errc::InvalidState);
  platform::UniqueFd local(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(adopt_socket(std::move(local), {}).error().code, Errc::Unsupported);
}

TEST(OpenSockets, TakesOnePortInBothFamilies) {
  auto pair = open_sockets(0, {});
  ASSERT_TRUE(pair.ok());
  EXPECT_NE(pair->port, 0);
  ASSERT_TRUE(pair->v4.valid());
  if (pair->v6.valid()) {
    EXPECT_EQ(platform::local_endpoint(pair->v6.get()).port, pair->port);
  }
  EXPECT_EQ(open_sockets(pair->port, {}).error().code, Errc::AlreadyExists);
}

TEST(Buffers, FollowTheMachinesMemory) {
  constexpr std::uint64_t kMega = 1 << 20;
  EXPECT_EQ(buffers_for(240 * kMega).receive, 256u << 10);
  EXPECT_EQ(buffers_for(240 * kMega).send, 256u << 10);
  EXPECT_EQ(buffers_for(490 * kMega).receive, 1u << 20);
  EXPECT_EQ(buffers_for(920 * kMega).receive, 4u << 20);
  EXPECT_EQ(buffers_for(920 * kMega).send, 1u << 20);
  EXPECT_EQ(buffers_for(64 * 1024 * kMega).receive, 4u << 20);
}

TEST(Buffers, AreWhatTheSocketHas) {
  SocketOptions options;
  options.buffers = {96 << 10, 64 << 10};  // below what any user may ask for
  auto pair = open_sockets(0, options);
  ASSERT_TRUE(pair.ok());
  int value = 0;
  socklen_t size = sizeof value;
  ASSERT_EQ(::getsockopt(pair->v4.get(), SOL_SOCKET, SO_RCVBUF, &value, &size), 0);
  EXPECT_EQ(value, 2 * (96 << 10));  // the kernel counts its own needs, too
  ASSERT_EQ(::getsockopt(pair->v4.get(), SOL_SOCKET, SO_SNDBUF, &value, &size), 0);
  EXPECT_EQ(value, 2 * (64 << 10));
}

class Sending : public testing::TestWithParam<bool> {};

TEST_P(Sending, OneSlotArrivesAsItsDatagrams) {
  platform::UniqueFd from = bound("127.0.0.1:0");
  SocketOptions options;
  options.receive_offload = GetParam();
  auto to_pair = adopt_socket(bound("127.0.0.1:0"), options);
  ASSERT_TRUE(to_pair.ok());
  const PathAddress to{*Endpoint::parse("127.0.0.1:" + std::to_string(to_pair->port)),
                       IpAddress::v4(127, 0, 0, 1), 0};
  Bytes data(1000 * 7 + 300);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i / 1000);
  std::size_t sent = GetParam() ? data.size() : 0;
  const int error = GetParam() ? send_datagrams(from.get(), to, data, 1000)
                               : send_datagrams_singly(from.get(), to, data, 1000, sent);
  ASSERT_EQ(error, 0);
  EXPECT_EQ(sent, data.size());
  Bytes buffer(65536), all;
  while (all.size() < data.size()) {
    const auto got = wait_and_receive(to_pair->v4.get(), buffer);
    ASSERT_TRUE(got);
    EXPECT_LE(got->segment, 1000u);
    all.insert(all.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got->size));
  }
  EXPECT_EQ(all, data);
}

INSTANTIATE_TEST_SUITE_P(SegmentedOrNot, Sending, testing::Bool());

}  // namespace
}  // namespace myst::wireguard
