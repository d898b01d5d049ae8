// Whole sessions between real nodes on a virtual network.
#include <gtest/gtest.h>

#include <chrono>

#include "tests/support/sim_world.hpp"

namespace myst::test {
namespace {

using namespace std::chrono_literals;
using core::node::ConnectionState;

class Sim : public ::testing::Test {
 protected:
  explicit Sim(std::uint64_t seed = 1) : world(seed) {}
  void TearDown() override {
    for (const auto& v : world.violations()) ADD_FAILURE() << "seed " << world.seed() << ": " << v;
  }
  bool connected(SimWorld::Id id, int slot = 0) {
    return world.state(id, slot) == ConnectionState::Connected;
  }
  std::string why(SimWorld::Id id) {
    const auto* done = world.last<core::node::ConnectDone>(id);
    return done == nullptr ? "nothing yet" : done->reason;
  }
  SimWorld world;
};

TEST_F(Sim, OpenPortsConnectFastAndLeaveNothingBehind) {
  const auto provider = world.add({});
  const auto consumer = world.add({});
  ASSERT_FALSE(world.provide(provider).empty());
  ASSERT_TRUE(world.run_until([&] { return world.proposals() == 1; }, 5s));
  const std::size_t idle_sockets = world.sockets(consumer);
  world.run_for(1s);
  const Instant began = world.now().instant;
  world.connect(consumer, provider);
  ASSERT_TRUE(world.run_until([&] { return connected(consumer); }, 20s)) << why(consumer);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(world.now().instant - began);
  // Four one-way trips over the broker and a dozen over the network, 10 ms each.
  EXPECT_LT(took.count(), 400) << "ms";
  RecordProperty("connect_ms", static_cast<int>(took.count()));
  EXPECT_EQ(world.node(provider).sessions().size(), 1u);
  EXPECT_EQ(world.tunnels(provider), 1u);
  EXPECT_EQ(world.tunnels(consumer), 1u);
  EXPECT_EQ(world.excluded(consumer), 1u);
  world.run_for(120s);
  EXPECT_TRUE(connected(consumer));
  EXPECT_GE(world.disk(consumer).payments, 3u);
  EXPECT_EQ(world.disk(consumer).payments, world.disk(provider).accepted);
  ASSERT_EQ(world.disk(provider).reports.size(), 1u);
  EXPECT_EQ(world.disk(provider).reports[0].code, 1000u);

  world.disconnect(consumer);
  ASSERT_TRUE(world.run_until([&] { return world.state(consumer) == ConnectionState::NotConnected; }, 2s));
  world.run_for(5s);
  EXPECT_EQ(world.node(provider).sessions().size(), 0u);
  EXPECT_EQ(world.tunnels(provider), 0u);
  EXPECT_EQ(world.tunnels(consumer), 0u);
  EXPECT_EQ(world.excluded(consumer), 0u);
  EXPECT_EQ(world.sockets(consumer), idle_sockets);
  for (const auto& entry : world.disk(consumer).sessions) EXPECT_TRUE(entry.second.completed);
  for (const auto& entry : world.disk(provider).sessions) EXPECT_TRUE(entry.second.completed);
  world.run_for(70s);  // the idle channel is closed
  world.act(provider, [&](core::Node& n) { n.shutdown(world.now()); });
  EXPECT_TRUE(world.run_until([&] { return world.node(provider).idle(); }, 5s));
  EXPECT_EQ(world.sockets(provider), 0u);
  world.run_for(1s);
  EXPECT_EQ(world.proposals(), 0u);
}

}  // namespace
}  // namespace myst::test
