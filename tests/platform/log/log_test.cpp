#include "platform/log/log.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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

TEST_F(LogTest, ADayHasItsShareAndErrorsHaveAsMuchAgain) {
  options_.max_bytes_a_day = 2000;
  ASSERT_TRUE(open(options_).ok());
  for (int i = 0; i < 100; ++i) info("a line of some length", "i", i);
  EXPECT_LE(content().size(), 2000u);
  error("errors still pass");
  EXPECT_NE(content().find("used up left_out="), std::string::npos);
  EXPECT_NE(content().find("errors still pass"), std::string::npos);
  for (int i = 0; i < 100; ++i) error("an error of some length", "i", i);
  EXPECT_LE(content().size(), 4200u);
  options_.level = Level::Debug;
  ASSERT_TRUE(open(options_).ok());
  for (int i = 0; i < 100; ++i) info("who asks for details gets them", "i", i);
  EXPECT_NE(content().find("i=99"), std::string::npos);
}

TEST_F(LogTest, TheJournalGetsPrioritiesAndOthersDoNot) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  struct stat info_of {};
  ASSERT_EQ(::fstat(ends[1], &info_of), 0);
  const int saved = ::dup(STDERR_FILENO);
  const auto say = [&](const std::string& stream) {
    ::setenv("JOURNAL_STREAM", stream.c_str(), 1);
    ::dup2(ends[1], STDERR_FILENO);
    const Status opened = open({});
    warn("hello");
    ::dup2(saved, STDERR_FILENO);
    EXPECT_TRUE(opened.ok());
    char text[256];
    const ssize_t size = ::read(ends[0], text, sizeof text);
    return std::string(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  };
  EXPECT_EQ(say(std::to_string(info_of.st_dev) + ":" + std::to_string(info_of.st_ino)).substr(0, 4),
            "<4>2");
  EXPECT_EQ(say("1:1").substr(0, 1), "2");  // redirected: the date
  ::unsetenv("JOURNAL_STREAM");
  for (const int fd : {ends[0], ends[1], saved}) ::close(fd);
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
