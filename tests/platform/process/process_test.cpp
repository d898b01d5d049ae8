#include "platform/process/process.hpp"

#include <errno.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "platform/loop/timer.hpp"

namespace myst::platform {
namespace {

using std::chrono::milliseconds;
constexpr Duration kLimit = std::chrono::seconds{20};

class ProcessTest : public ::testing::Test {
 protected:
  Process::Exit run(Process::Options options) {
    std::optional<Process::Exit> exit;
    auto process =
        Process::spawn(loop, std::move(options), [&](Process::Exit e) { exit = std::move(e); });
    EXPECT_TRUE(process.ok());
    EXPECT_FALSE(exit.has_value());
    EXPECT_TRUE(loop.run_until([&] { return exit.has_value(); }, kLimit));
    return *exit;
  }
  Process::Exit shell(const std::string& script) {
    Process::Options options;
    options.argv = {"/bin/sh", "-c", script};
    return run(std::move(options));
  }
  Loop loop;
};

TEST_F(ProcessTest, OutputErrorsAndExitCodeComeBack) {
  const auto exit = shell("echo out; echo err >&2; exit 3");
  EXPECT_EQ(exit.code, 3);
  EXPECT_EQ(exit.output, "out\n");
  EXPECT_EQ(exit.errors, "err\n");
  EXPECT_FALSE(exit.timed_out);
}

TEST_F(ProcessTest, ArgumentsAreNotInterpreted) {
  Process::Options options;
  options.argv = {"printf", "%s|", "$HOME", "a b", "`id`", "*"};
  EXPECT_EQ(run(options).output, "$HOME|a b|`id`|*|");
}

TEST_F(ProcessTest, InputIsGivenAndEnds) {
  Process::Options options;
  options.argv = {"cat"};
  options.input = std::string(1000000, 'i');
  options.max_output = 2000000;
  EXPECT_EQ(run(options).output, options.input);
  options.argv = {"true"};  // does not read: we survive
  EXPECT_EQ(run(options).code, 0);
}

TEST_F(ProcessTest, OutputIsBounded) {
  Process::Options options;
  options.argv = {"/bin/sh", "-c", "head -c 1000000 /dev/zero"};
  options.max_output = 1000;
  const auto exit = run(options);
  EXPECT_EQ(exit.output.size(), 1000u);
  EXPECT_EQ(exit.code, 0);
}

TEST_F(ProcessTest, LinesComeAsTheyAreWritten) {
  std::vector<std::string> lines;
  Process::Options options;
  options.argv = {"/bin/sh", "-c",
                  "printf 'a\\nb'; printf 'c\\n\\n'; head -c 10000 /dev/zero | tr '\\0' x"};
  options.on_line = [&](std::string_view line) { lines.emplace_back(line); };
  EXPECT_EQ(run(options).output, "");
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0], "a");
  EXPECT_EQ(lines[1], "bc");
  EXPECT_EQ(lines[2], "");
  EXPECT_EQ(lines[3].size(), 4096u);
}

TEST_F(ProcessTest, TheEnvironmentAndTheFolderAreTheGivenOnes) {
  Process::Options options;
  options.argv = {"/usr/bin/env"};
  options.environment = {"A=1"};
  EXPECT_EQ(run(options).output, "A=1\n");
  options.argv = {"/bin/pwd"};
  options.folder = "/usr";
  EXPECT_EQ(run(options).output, "/usr\n");
}

TEST_F(ProcessTest, AMissingProgramIsNotFound) {
  Process::Options options;
  options.argv = {"/nonexistent/program"};
  const auto process = Process::spawn(loop, options, [](const Process::Exit&) { ADD_FAILURE(); });
  ASSERT_FALSE(process.ok());
  EXPECT_EQ(process.error().code, Errc::NotFound);
  options.argv = {};
  EXPECT_FALSE(Process::spawn(loop, options, {}).ok());
}

TEST_F(ProcessTest, TooLongIsTerminatedAndThenKilled) {
  Process::Options options;
  options.argv = {"sleep", "1000"};
  options.timeout = milliseconds{5};
  auto exit = run(options);
  EXPECT_TRUE(exit.timed_out);
  EXPECT_EQ(exit.signal, SIGTERM);
  EXPECT_EQ(exit.code, -1);
  options.argv = {"/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.01; done"};
  options.timeout = milliseconds{200};
  options.kill_delay = milliseconds{20};
  exit = run(options);
  EXPECT_EQ(exit.signal, SIGKILL);
}

TEST_F(ProcessTest, AGrandchildThatHoldsTheOutputDoesNotHoldUsUp) {
  const auto exit = shell("sleep 5 & echo started");
  EXPECT_EQ(exit.output, "started\n");
}

TEST_F(ProcessTest, TerminateEndsIt) {
  std::optional<Process::Exit> exit;
  Process::Options options;
  options.argv = {"sleep", "1000"};
  auto process = Process::spawn(loop, options, [&](Process::Exit e) { exit = std::move(e); });
  ASSERT_TRUE(process.ok());
  EXPECT_GT((*process)->pid(), 0);
  (*process)->terminate();
  ASSERT_TRUE(loop.run_until([&] { return exit.has_value(); }, kLimit));
  EXPECT_EQ(exit->signal, SIGTERM);
  EXPECT_FALSE(exit->timed_out);
}

TEST_F(ProcessTest, DestroyedItKillsTheChildAndCallsNobody) {
  int pid = 0;
  {
    Process::Options options;
    options.argv = {"sleep", "1000"};
    auto process = Process::spawn(loop, options, [](const Process::Exit&) { ADD_FAILURE(); });
    ASSERT_TRUE(process.ok());
    pid = (*process)->pid();
  }
  EXPECT_TRUE(loop.run_until([&] { return ::kill(pid, 0) != 0 && errno == ESRCH; }, kLimit));
}

TEST_F(ProcessTest, MayBeDestroyedInItsCallback) {
  std::unique_ptr<Process> process;
  Process::Options options;
  options.argv = {"true"};
  auto spawned = Process::spawn(loop, options, [&](const Process::Exit&) { process.reset(); });
  ASSERT_TRUE(spawned.ok());
  process = std::move(*spawned);
  ASSERT_TRUE(loop.run_until([&] { return process == nullptr; }, kLimit));
}

}  // namespace
}  // namespace myst::platform
