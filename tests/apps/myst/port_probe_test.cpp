#include "apps/myst/port_probe.hpp"

#include <gtest/gtest.h>

#include "core/base/endian.hpp"
#include "platform/system/random.hpp"

namespace myst::app {
namespace {

constexpr Duration kLimit = std::chrono::seconds{20};

struct Server {
  explicit Server(platform::Loop& loop) {
    platform::UdpSocket::Options options;
    options.local.ip = IpAddress::v4(127, 0, 0, 1);
    socket = std::move(*platform::UdpSocket::open(loop, options));
    socket->receive([this](const Endpoint&, ByteSpan datagram) {
      if (datagram.size() != core::kPortProbeSize || asked_for != 0) return;
      asked_for = get_u16be(datagram);
      if (answers) {
        (void)socket->send({IpAddress::v4(127, 0, 0, 1), asked_for}, datagram.subspan(2));
      }
    });
  }
  std::optional<platform::UdpSocket> socket;
  std::uint16_t asked_for = 0;
  bool answers = true;
};

// An owner forwards the range of udp.ports: a port beside it says nothing about those inside.
TEST(PortProbe, ThePortThatIsCheckedIsOneOfTheRange) {
  platform::Loop loop;
  platform::SystemRng rng;
  Server server(loop);
  PortProbe probe(loop, rng, platform::PortPool(loop, rng, 21000, 21100));
  probe.run({server.socket->local()});
  ASSERT_TRUE(loop.run_until([&] { return server.asked_for != 0; }, kLimit));
  EXPECT_GE(server.asked_for, 21000);
  EXPECT_LT(server.asked_for, 21100);
  EXPECT_TRUE(probe.worth_checking());
}

TEST(PortProbe, NoAnswerMeansThatFurtherChecksAreNotWorthTheWait) {
  platform::Loop loop;
  platform::SystemRng rng;
  Server server(loop);
  server.answers = false;
  PortProbe probe(loop, rng, platform::PortPool(loop, rng, 21100, 21200));
  EXPECT_TRUE(probe.worth_checking());
  probe.run({server.socket->local()});
  ASSERT_TRUE(loop.run_until([&] { return !probe.worth_checking(); }, kLimit));
}

}  // namespace
}  // namespace myst::app
