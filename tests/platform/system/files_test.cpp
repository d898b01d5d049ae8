#include "platform/system/files.hpp"

#include <errno.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>

#include "platform/loop/loop.hpp"
#include "platform/system/lock_file.hpp"
#include "platform/system/memory.hpp"
#include "platform/system/random.hpp"
#include "platform/system/systemd.hpp"

namespace myst::platform {
namespace {

constexpr Duration kLimit = std::chrono::seconds{20};

class FilesTest : public ::testing::Test {
 protected:
  FilesTest() {
    char pattern[] = "/tmp/myst-files-XXXXXX";
    folder = ::mkdtemp(pattern);
  }
  ~FilesTest() override { (void)!::system(("rm -rf " + folder).c_str()); }
  unsigned mode_of(const std::string& path) const {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info.st_mode & 07777u;
  }
  std::string folder;
};

TEST_F(FilesTest, AFileIsReplacedWhole) {
  const std::string path = folder + "/f";
  ASSERT_TRUE(write_file_atomically(path, "one", 0600).ok());
  EXPECT_EQ(*read_file(path, 100), "one");
  EXPECT_EQ(mode_of(path), 0600u);
  ASSERT_TRUE(write_file_atomically(path, std::string(100000, 'x'), 0644).ok());
  EXPECT_EQ(read_file(path, 100000)->size(), 100000u);
  EXPECT_EQ(mode_of(path), 0644u);
  EXPECT_NE(::access((path + ".new").c_str(), F_OK), 0);
}

TEST_F(FilesTest, WhatAPowerCutLeftIsNoHindranceAndNoTrap) {
  const std::string path = folder + "/f";
  ASSERT_TRUE(write_file_atomically(path + ".new", "half").ok());
  ASSERT_TRUE(write_file_atomically(path, "whole").ok());
  EXPECT_EQ(*read_file(path, 100), "whole");
  // A link in the temporary name's place is not followed.
  ASSERT_TRUE(write_file_atomically(folder + "/victim", "untouched").ok());
  ASSERT_EQ(::symlink((folder + "/victim").c_str(), (path + ".new").c_str()), 0);
  ASSERT_TRUE(write_file_atomically(path, "again").ok());
  EXPECT_EQ(*read_file(folder + "/victim", 100), "untouched");
}

TEST_F(FilesTest, AFailedWriteLeavesTheOldContent) {
  EXPECT_FALSE(write_file_atomically(folder + "/none/f", "x").ok());
  const std::string path = folder + "/f";
  ASSERT_EQ(::mkdir(path.c_str(), 0755), 0);  // cannot be renamed over
  ASSERT_EQ(::mkdir((path + "/x").c_str(), 0755), 0);
  EXPECT_FALSE(write_file_atomically(path, "x").ok());
  EXPECT_NE(::access((path + ".new").c_str(), F_OK), 0);
}

TEST_F(FilesTest, ReadingIsBounded) {
  const std::string path = folder + "/f";
  ASSERT_TRUE(write_file_atomically(path, std::string(5000, 'x')).ok());
  EXPECT_TRUE(read_file(path, 5000).ok());
  EXPECT_EQ(read_file(path, 4999).error().code, Errc::Full);
  EXPECT_EQ(read_file(folder + "/none", 10).error().code, Errc::NotFound);
  EXPECT_EQ(read_file(folder, 10).error().code, Errc::Io);
  EXPECT_EQ(read_file("/dev/zero", 100000).error().code, Errc::Full);
}

TEST_F(FilesTest, FoldersAreMadeWithTheirParents) {
  ASSERT_TRUE(make_directories(folder + "/a/b/c", 0700).ok());
  EXPECT_EQ(mode_of(folder + "/a/b/c"), 0700u);
  ASSERT_TRUE(make_directories(folder + "/a/b/c/").ok());
  ASSERT_TRUE(write_file_atomically(folder + "/file", "").ok());
  EXPECT_FALSE(make_directories(folder + "/file").ok());
  EXPECT_FALSE(make_directories(folder + "/file/x").ok());
}

TEST_F(FilesTest, ASecondProgramIsToldWhoHoldsTheLock) {
  const std::string path = folder + "/lock";
  {
    const auto first = LockFile::acquire(path);
    ASSERT_TRUE(first.ok());
    const auto second = LockFile::acquire(path);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, Errc::AlreadyExists);
    EXPECT_EQ(second.error().detail, ::getpid());
  }
  EXPECT_TRUE(LockFile::acquire(path).ok());  // the file that stayed means nothing
  EXPECT_EQ(LockFile::acquire(folder + "/none/lock").error().code, Errc::Io);
}

class SystemdTest : public FilesTest {
 protected:
  SystemdTest() : path(folder + "/notify") {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    socket.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~SystemdTest() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }
  std::string received() {
    char text[256];
    const ssize_t size = ::recv(socket.get(), text, sizeof text, 0);
    return std::string(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  }
  std::string path;
  UniqueFd socket;
};

TEST_F(SystemdTest, IsToldOnlyWhenItAsked) {
  ASSERT_TRUE(systemd_notify("READY=1").ok());
  EXPECT_EQ(received(), "");
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  ASSERT_TRUE(systemd_notify("READY=1\nSTATUS=up").ok());
  EXPECT_EQ(received(), "READY=1\nSTATUS=up");
  ::setenv("NOTIFY_SOCKET", "relative", 1);
  EXPECT_FALSE(systemd_notify("READY=1").ok());
}

TEST_F(SystemdTest, TheWatchdogIsFedFromTheLoop) {
  Loop loop;
  SystemdWatchdog none(loop);
  EXPECT_FALSE(loop.next_timer());
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  ::setenv("WATCHDOG_USEC", "4000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_FALSE(systemd_watchdog_interval());  // meant for another process
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  SystemdWatchdog watchdog(loop);
  EXPECT_EQ(received(), "WATCHDOG=1");
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(loop.run_until([&] { return received() == "WATCHDOG=1"; }, kLimit));
  }
}

TEST(SystemRng, GivesDifferentBytes) {
  SystemRng rng;
  EXPECT_NE(rng.bytes<32>(), rng.bytes<32>());
  Bytes large(100000);
  rng.fill(large);
  EXPECT_NE(std::count(large.begin(), large.end(), 0), 100000);
  rng.fill({});
}

TEST(Memory, IsSeen) {
  const auto available = available_memory();
  ASSERT_TRUE(available.ok());
  EXPECT_GT(*available, 1024u * 1024);
  tune_heap();
  trim_heap();
  if (const auto use = memory_use(); use.ok()) {
    EXPECT_GT(use->resident_bytes, use->private_dirty_bytes);
    EXPECT_GT(use->private_dirty_bytes, 0u);
  }
}

TEST(Memory, CodeThatIsForgottenComesBackWhenItRuns) {
  const auto before = memory_use();
  if (!before.ok()) GTEST_SKIP() << "no smaps_rollup";
  forget_used_code();
  const auto after = memory_use();
  ASSERT_TRUE(after.ok());
  EXPECT_LT(after->resident_bytes, before->resident_bytes);
}

}  // namespace
}  // namespace myst::platform
