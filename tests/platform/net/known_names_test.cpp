#include "platform/net/known_names.hpp"

#include <gtest/gtest.h>

namespace myst::platform {
namespace {

using namespace std::chrono_literals;

constexpr Instant kNow = Instant{} + std::chrono::hours{1};
const std::vector<IpAddress> kA{IpAddress::v4(192, 0, 2, 1)}, kB{IpAddress::v4(192, 0, 2, 2)};

TEST(KnownNames, AreKnownForAsLongAsAsked) {
  KnownNames names;
  EXPECT_TRUE(names.find("a.test", kNow, 5s).empty());
  names.remember("a.test", kA, kNow);
  names.remember("b.test", kB, kNow);
  EXPECT_EQ(names.find("a.test", kNow + 5s, 5s), kA);
  EXPECT_TRUE(names.find("a.test", kNow + 6s, 5s).empty());
  EXPECT_EQ(names.find("a.test", kNow + 6s, 10min), kA);
  EXPECT_EQ(names.find("b.test", kNow, 5s), kB);
}

TEST(KnownNames, TheLastAnswerCounts) {
  KnownNames names;
  names.remember("a.test", kA, kNow);
  names.remember("a.test", kB, kNow + 1min);
  EXPECT_EQ(names.find("a.test", kNow + 1min, 5s), kB);
  names.forget("a.test");
  EXPECT_TRUE(names.find("a.test", kNow + 1min, 5s).empty());
}

TEST(KnownNames, TheOldestGoesWhenFull) {
  KnownNames names;
  for (std::size_t i = 0; i <= KnownNames::kMax; ++i) {
    names.remember("n" + std::to_string(i), kA, kNow);
  }
  EXPECT_TRUE(names.find("n0", kNow, 5s).empty());
  EXPECT_EQ(names.find("n1", kNow, 5s), kA);
}

}  // namespace
}  // namespace myst::platform
