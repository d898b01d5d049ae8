#include "core/session/network_allocator.hpp"

#include <gtest/gtest.h>

#include "core/session/uuid.hpp"
#include "tests/support/support.hpp"

namespace myst::core {
namespace {

TEST(NetworkAllocator, GivesTheLowestFreeNetworkAndTakesItBack) {
  NetworkAllocator allocator(*IpPrefix::parse("10.182.0.0/16"), "myst");
  EXPECT_EQ(*allocator.take_network(), 0u);
  EXPECT_EQ(*allocator.take_network(), 1u);
  EXPECT_EQ(allocator.network(1)->to_string(), "10.182.1.0/24");
  allocator.release_network(0);
  EXPECT_EQ(*allocator.take_network(), 0u);
  for (int i = 2; i < 256; ++i) EXPECT_TRUE(allocator.take_network().ok());
  ASSERT_FALSE(allocator.take_network().ok());
  EXPECT_EQ(allocator.take_network().error().code, Errc::Full);
}

TEST(NetworkAllocator, StaysInsideItsBase) {
  NetworkAllocator allocator(*IpPrefix::parse("10.0.16.0/20"), "myst");
  int taken = 0;
  while (true) {
    const auto index = allocator.take_network();
    if (!index.ok()) break;
    EXPECT_TRUE(IpPrefix::parse("10.0.16.0/20")->contains(allocator.network(*index)->ip));
    ++taken;
  }
  EXPECT_EQ(taken, 16);
  NetworkAllocator small(*IpPrefix::parse("10.0.0.0/25"), "myst");
  EXPECT_EQ(small.take_network().error().code, Errc::Rejected);
}

TEST(NetworkAllocator, NeverOffersASpoiledNameAgain) {
  NetworkAllocator allocator(*IpPrefix::parse("10.182.0.0/16"), "myst");
  EXPECT_EQ(allocator.link_name(*allocator.take_link()), "myst0");
  allocator.spoil_link(0);
  EXPECT_EQ(allocator.link_name(*allocator.take_link()), "myst1");
  EXPECT_TRUE(allocator.owns_link("myst1"));
  EXPECT_FALSE(allocator.owns_link("myst0"));
  EXPECT_FALSE(allocator.owns_link("eth0"));
  allocator.release_link(1);
  EXPECT_FALSE(allocator.owns_link("myst1"));
}

TEST(Uuid, IsVersionFourInLowerCase) {
  test::SeededRng rng(1);
  const std::string id = make_uuid(rng);
  ASSERT_EQ(id.size(), 36u);
  EXPECT_EQ(id[14], '4');
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
  EXPECT_NE(make_uuid(rng), id);
}

}  // namespace
}  // namespace myst::core
