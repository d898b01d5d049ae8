#include "platform/net/port_pool.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/support.hpp"

namespace myst::platform {
namespace {

TEST(PortPool, PortsAreDistinctAndInRange) {
  Loop loop;
  test::SeededRng rng(1);
  PortPool pool(loop, rng, 20000, 60000);
  const auto sockets = pool.take_many(60);
  ASSERT_TRUE(sockets.ok());
  std::set<std::uint16_t> ports;
  for (const UdpSocket& socket : *sockets) {
    EXPECT_GE(socket.local().port, 20000);
    EXPECT_LT(socket.local().port, 60000);
    ports.insert(socket.local().port);
  }
  EXPECT_EQ(ports.size(), 60u);
  EXPECT_EQ(pool.take_many(0).error().code, Errc::Malformed);
}

TEST(PortPool, ASmallRangeIsUsedUpAndComesBack) {
  Loop loop;
  test::SeededRng rng(2);
  // Some range of three free ports.
  std::uint16_t start = 0;
  for (std::uint16_t port = 31000; port < 40000 && start == 0;
       port = static_cast<std::uint16_t>(port + 3)) {
    if (PortPool(loop, rng, port, static_cast<std::uint16_t>(port + 3)).take_many(3).ok())
      start = port;
  }
  ASSERT_NE(start, 0);
  PortPool pool(loop, rng, start, static_cast<std::uint16_t>(start + 3));
  {
    const auto all = pool.take_many(3);
    ASSERT_TRUE(all.ok());
    EXPECT_EQ(pool.take().error().code, Errc::Full);
  }
  EXPECT_EQ(pool.take_many(4).error().code, Errc::Full);
  EXPECT_TRUE(pool.take_many(3).ok());  // nothing was kept by the failure
}

TEST(PortPool, TheEndIsNotPartOfTheRange) {
  Loop loop;
  test::SeededRng rng(3);
  PortPool probe(loop, rng, 41000, 50000);
  const auto free_port = [&] { return probe.take()->local().port; }();
  EXPECT_EQ(PortPool(loop, rng, free_port, free_port).take()->local().port, free_port);
  EXPECT_EQ(PortPool(loop, rng, free_port, static_cast<std::uint16_t>(free_port + 1))
                .take()
                ->local()
                .port,
            free_port);
}

}  // namespace
}  // namespace myst::platform
