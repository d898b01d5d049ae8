#include "platform/net/udp_socket.hpp"

#include <errno.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "platform/loop/timer.hpp"

namespace myst::platform {
namespace {

constexpr Duration kLimit = std::chrono::seconds{20};
const Endpoint kLoopback{IpAddress::v4(127, 0, 0, 1), 0};

UdpSocket open_socket(Loop& loop, const UdpSocket::Options& options = {kLoopback, {}, 0}) {
  auto socket = UdpSocket::open(loop, options);
  EXPECT_TRUE(socket.ok());
  return std::move(*socket);
}

TEST(UdpSocket, DatagramsArriveWithTheirSender) {
  Loop loop;
  UdpSocket a = open_socket(loop), b = open_socket(loop);
  ASSERT_NE(a.local().port, 0);
  std::vector<std::string> got;
  Endpoint sender;
  b.receive([&](const Endpoint& from, ByteSpan datagram) {
    sender = from;
    got.emplace_back(as_text(datagram));
  });
  ASSERT_TRUE(a.send(b.local(), as_bytes("one")).ok());
  ASSERT_TRUE(a.send(b.local(), {}).ok());
  ASSERT_TRUE(a.send(b.local(), as_bytes("three"), 3).ok());
  ASSERT_TRUE(loop.run_until([&] { return got.size() == 3; }, kLimit));
  EXPECT_EQ(got, (std::vector<std::string>{"one", "", "three"}));
  EXPECT_EQ(sender, a.local());
}

TEST(UdpSocket, TheTtlIsThatOfOneDatagram) {
  Loop loop;
  UdpSocket a = open_socket(loop), b = open_socket(loop);
  const int on = 1;
  ASSERT_EQ(::setsockopt(b.fd(), IPPROTO_IP, IP_RECVTTL, &on, sizeof on), 0);
  ASSERT_TRUE(a.send(b.local(), as_bytes("x"), 7).ok());
  ASSERT_TRUE(a.send(b.local(), as_bytes("y")).ok());
  int ttls[2] = {};
  for (int& ttl : ttls) {
    char data[8], control[64];
    iovec part{data, sizeof data};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ASSERT_EQ(::recvmsg(b.fd(), &message, 0), 1);
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    ASSERT_NE(header, nullptr);
    memcpy(&ttl, CMSG_DATA(header), sizeof ttl);
  }
  EXPECT_EQ(ttls[0], 7);
  EXPECT_GT(ttls[1], 7);
}

TEST(UdpSocket, ARefusedDatagramHurtsNeitherSendingNorReceiving) {
  Loop loop;
  UdpSocket a = open_socket(loop);
  Endpoint gone;
  {
    UdpSocket b = open_socket(loop);
    gone = b.local();
  }
  ASSERT_TRUE(a.connect(gone).ok());
  std::string got;
  a.receive([&](const Endpoint&, ByteSpan datagram) { got = as_text(datagram); });
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(a.send(as_bytes("anyone?")).ok());
    EXPECT_FALSE(loop.run_until([] { return false; }, std::chrono::milliseconds{1}));
  }
  UdpSocket b = open_socket(loop, {gone, {}, 0});
  ASSERT_TRUE(b.send(a.local(), as_bytes("back")).ok());
  ASSERT_TRUE(loop.run_until([&] { return !got.empty(); }, kLimit));
  EXPECT_EQ(got, "back");
}

TEST(UdpSocket, APortInUseIsAnError) {
  Loop loop;
  UdpSocket a = open_socket(loop);
  const auto again = UdpSocket::open(loop, {a.local(), {}, 0});
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().detail, EADDRINUSE);
}

TEST(UdpSocket, MayBeDestroyedOrReplacedInItsCallback) {
  Loop loop;
  UdpSocket a = open_socket(loop);
  auto b = std::make_unique<UdpSocket>(open_socket(loop));
  const Endpoint to = b->local();
  int first = 0, second = 0;
  auto payload = std::make_shared<int>(7);
  b->receive([&, payload](const Endpoint&, ByteSpan) {
    b->receive([&](const Endpoint&, ByteSpan) {
      ++second;
      b.reset();
    });
    first += *payload;
  });
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(a.send(to, as_bytes("x")).ok());
  ASSERT_TRUE(loop.run_until([&] { return b == nullptr; }, kLimit));
  EXPECT_EQ(first, 7);
  EXPECT_EQ(second, 1);
}

TEST(UdpSocket, AReleasedDescriptorKeepsPortAndDatagrams) {
  Loop loop;
  UdpSocket a = open_socket(loop), b = open_socket(loop);
  const Endpoint to = b.local();
  b.receive([](const Endpoint&, ByteSpan) { ADD_FAILURE(); });
  const int fd = b.release_fd();
  ASSERT_TRUE(a.send(to, as_bytes("kept")).ok());
  EXPECT_FALSE(loop.run_until([] { return false; }, std::chrono::milliseconds{1}));
  auto again = UdpSocket::adopt(loop, fd);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->local(), to);
  std::string got;
  again->receive([&](const Endpoint&, ByteSpan datagram) { got = as_text(datagram); });
  ASSERT_TRUE(loop.run_until([&] { return !got.empty(); }, kLimit));
  EXPECT_EQ(got, "kept");
}

TEST(UdpSocket, AClosedPortIsToldWhenAskedFor) {
  Loop loop;
  UdpSocket a = open_socket(loop), other = open_socket(loop);
  Endpoint gone;
  {
    UdpSocket b = open_socket(loop);
    gone = b.local();
  }
  std::string got;
  std::vector<Endpoint> refused;
  a.receive([&](const Endpoint&, ByteSpan datagram) { got = as_text(datagram); });
  a.tell_refused([&](const Endpoint& to) { refused.push_back(to); });
  ASSERT_TRUE(a.send(gone, as_bytes("one")).ok());
  ASSERT_TRUE(loop.run_until([&] { return !refused.empty(); }, kLimit));
  EXPECT_EQ(refused.front(), gone);
  // It is no error of what follows, and what arrives is still read.
  ASSERT_TRUE(other.send(a.local(), as_bytes("x")).ok());
  ASSERT_TRUE(loop.run_until([&] { return got == "x"; }, kLimit));
  EXPECT_TRUE(a.send(other.local(), as_bytes("y")).ok());
  EXPECT_EQ(refused.size(), 1u);
}

TEST(UdpSocket, TheSocketMayGoWhenAClosedPortIsTold) {
  Loop loop;
  Endpoint gone;
  {
    UdpSocket b = open_socket(loop);
    gone = b.local();
  }
  auto a = std::make_unique<UdpSocket>(open_socket(loop));
  a->receive([&](const Endpoint&, ByteSpan) {});
  a->tell_refused([&](const Endpoint&) { a.reset(); });
  ASSERT_TRUE(a->send(gone, as_bytes("one")).ok());
  EXPECT_TRUE(loop.run_until([&] { return a == nullptr; }, kLimit));
}

TEST(UdpSocket, TooLargeIsAnErrorAndTheSocketStaysUsable) {
  Loop loop;
  UdpSocket a = open_socket(loop), b = open_socket(loop);
  const std::vector<std::uint8_t> large(70000);
  EXPECT_EQ(a.send(b.local(), large).error().detail, EMSGSIZE);
  EXPECT_TRUE(a.send(b.local(), as_bytes("x")).ok());
}

}  // namespace
}  // namespace myst::platform
