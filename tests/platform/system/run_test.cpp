#include "platform/system/run.hpp"

#include <gtest/gtest.h>

namespace myst::platform {
namespace {

TEST(Run, GivesInputAndTakesBothOutputs) {
  const auto cat = run({find_program("cat")}, "hello");
  ASSERT_TRUE(cat.ok());
  EXPECT_EQ(cat->exit_code, 0);
  EXPECT_EQ(cat->output, "hello");
  const auto ls = run({find_program("ls"), "/does-not-exist"});
  ASSERT_TRUE(ls.ok());
  EXPECT_NE(ls->exit_code, 0);
  EXPECT_NE(ls->errors.find("/does-not-exist"), std::string::npos);
}

TEST(Run, BigInputAndOutputDoNotBlockEachOther) {
  const std::string big(1'000'000, 'x');
  const auto cat = run({find_program("cat")}, big);
  ASSERT_TRUE(cat.ok());
  EXPECT_EQ(cat->output, big);
}

TEST(Run, InputNobodyReadsIsNoError) {
  const auto result = run({find_program("true")}, std::string(1'000'000, 'x'));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->exit_code, 0);
}

TEST(Run, AProgramThatHangsIsKilled) {
  const auto result = run({find_program("sleep"), "1000"}, {}, std::chrono::milliseconds{20});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Errc::Timeout);
}

TEST(Run, MissingProgramIsNotFound) {
  EXPECT_EQ(run({"/does/not/exist"}).error().code, Errc::NotFound);
  EXPECT_EQ(run({}).error().code, Errc::NotFound);
  EXPECT_EQ(find_program("no-such-program-at-all"), "");
}

}  // namespace
}  // namespace myst::platform
