#include "apps/myst/clock_check.hpp"

#include <gtest/gtest.h>

namespace myst::app {
namespace {

using std::chrono::seconds;
using Verdict = ClockCheck::Verdict;

TEST(ClockCheck, AWrongClockIsSaidOnceAndOnceMoreWhenRight) {
  ClockCheck check;
  const char* const date = "Sun, 06 Nov 1994 08:49:37 GMT";
  const WallTime then = WallTime{} + seconds{784111777};
  EXPECT_EQ(check.look(date, then + seconds{119}), Verdict::Nothing);
  EXPECT_EQ(check.look(date, then - seconds{3600}), Verdict::WentWrong);
  EXPECT_EQ(check.ahead(), seconds{-3600});
  EXPECT_EQ(check.look(date, then - seconds{3600}), Verdict::Nothing);
  EXPECT_EQ(check.look("yesterday", then), Verdict::Nothing);
  EXPECT_EQ(check.look("", then), Verdict::Nothing);
  EXPECT_EQ(check.look(date, then), Verdict::IsRight);
  EXPECT_EQ(check.look(date, then), Verdict::Nothing);
}

}  // namespace
}  // namespace myst::app
