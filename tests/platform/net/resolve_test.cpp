#include "platform/net/resolve.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <resolv.h>

#include <cstdlib>

namespace myst::platform {
namespace {

// What the C library makes of the environment: seconds to the second question, number of questions.
std::pair<int, int> resolver_patience() {
  struct __res_state state {};
  EXPECT_EQ(::res_ninit(&state), 0);
  const std::pair<int, int> out{state.retrans, state.retry};
  ::res_nclose(&state);
  return out;
}

class ResolverPatience : public testing::Test {
 protected:
  void SetUp() override { ::unsetenv("RES_OPTIONS"); }
  void TearDown() override { ::unsetenv("RES_OPTIONS"); }
};

TEST_F(ResolverPatience, ALostDatagramCostsOneSecond) {
  ask_again_soon();
  EXPECT_EQ(resolver_patience(), std::make_pair(1, 4));
}

TEST_F(ResolverPatience, AnOwnersOptionsStay) {
  ::setenv("RES_OPTIONS", "timeout:3 attempts:2", 1);
  ask_again_soon();
  EXPECT_STREQ(::getenv("RES_OPTIONS"), "timeout:3 attempts:2");
}

}  // namespace
}  // namespace myst::platform
