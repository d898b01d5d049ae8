#include "platform/log/log.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>

#include "platform/system/files.hpp"

namespace myst::log {
namespace {

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/myst-log-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    options_.folder = name;
    options_.to_stderr = false;
  }
  void TearDown() override {
    (void)open(Options{});
    (void)std::system(("rm -rf " + options_.folder).c_str());
  }
  std::string content(const char* name = "mysterium-node.log") {
    return platform::read_file(options_.folder + "/" + name, 1 << 20).ok()
               ? *platform::read_file(options_.folder + "/" + name, 1 << 20)
               : std::string();
  }
  Options options_;
};

TEST_F(LogTest, WritesValuesSoThatNobodyCanForgeALine) {
  ASSERT_TRUE(open(options_).ok());
  info("session\nopened", "id", "a-1", "text", "two words\n2026 ERR fake \"x\"\x1b[2J", "n", 7,
       "ok", true);
  const std::string text = content();
  EXPECT_NE(text.find(" INF session opened id=a-1 text=\"two words 2026 ERR fake \\\"x\\\" [2J\" "
                      "n=7 ok=true\n"),
            std::string::npos)
      << text;
}

TEST_F(LogTest, LeavesOutWhatIsBelowTheLevel) {
  options_.level = Level::Warn;
  ASSERT_TRUE(open(options_).ok());
  info("quiet");
  warn("loud");
  EXPECT_EQ(content().find("quiet"), std::string::npos);
  EXPECT_NE(content().find("loud"), std::string::npos);
  EXPECT_FALSE(parse_level("loud").ok());
  EXPECT_EQ(*parse_level("disabled"), Level::Off);
}

TEST_F(LogTest, NeverTakesMoreDiskThanItsFiles) {
  options_.max_file_bytes = 1000;
  options_.old_files = 2;
  ASSERT_TRUE(open(options_).ok());
  for (int i = 0; i < 200; ++i) info("line", "number", i);
  EXPECT_LE(content().size(), 1000u);
  EXPECT_LE(content("mysterium-node.log.1").size(), 1000u);
  EXPECT_NE(content("mysterium-node.log.2"), "");
  EXPECT_EQ(content("mysterium-node.log.3"), "");
  EXPECT_NE(content().find("number=199"), std::string::npos);
}

TEST_F(LogTest, CutsLongValues) {
  ASSERT_TRUE(open(options_).ok());
  info("long", "text", std::string(100000, 'x'));
  EXPECT_LT(content().size(), 700u);
}

TEST(RateLimit, AllowsABurstAndThenOneEachInterval) {
  platform::RateLimit limit(2, std::chrono::seconds{10});
  const Instant start{std::chrono::hours{1}};
  EXPECT_TRUE(limit.allow(start));
  EXPECT_TRUE(limit.allow(start));
  EXPECT_FALSE(limit.allow(start + std::chrono::seconds{9}));
  EXPECT_TRUE(limit.allow(start + std::chrono::seconds{10}));
  EXPECT_FALSE(limit.allow(start + std::chrono::seconds{11}));
}

}  // namespace
}  // namespace myst::log
