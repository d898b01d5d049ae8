#include "platform/system/journal.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <optional>

#include "platform/system/files.hpp"

namespace myst::platform {
namespace {

class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/myst-journal-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    path_ = std::string(folder) + "/journal";
    folder_ = folder;
  }
  void TearDown() override {
    (void)std::remove(path_.c_str());
    (void)::rmdir(folder_.c_str());
  }
  static core::JournalEntry entry(const std::string& label) {
    return {label, {{core::SetSysctl{"net/ipv4/ip_forward", "1"}, "0"}}};
  }
  std::string folder_, path_;
};

TEST_F(JournalTest, KeepsWhatIsNotUndone) {
  {
    auto journal = Journal::open(path_);
    ASSERT_TRUE(journal.ok());
    EXPECT_TRUE(journal->found().entries.empty());
    ASSERT_TRUE(journal->begin(entry("a"), true).ok());
    ASSERT_TRUE(journal->begin(entry("b"), false).ok());
    ASSERT_TRUE(journal->undone("a", {entry("b")}).ok());
  }
  const auto journal = Journal::open(path_);
  ASSERT_TRUE(journal.ok());
  ASSERT_EQ(journal->found().entries.size(), 1u);
  EXPECT_TRUE(journal->found().entries[0] == entry("b"));
  EXPECT_FALSE(journal->from_another_boot());
}

TEST_F(JournalTest, EmptyWhenNothingIsLeft) {
  auto journal = Journal::open(path_);
  ASSERT_TRUE(journal->begin(entry("a"), false).ok());
  ASSERT_TRUE(journal->undone("a", {}).ok());
  EXPECT_EQ(*read_file(path_, 1000), "");
  ASSERT_TRUE(journal->begin(entry("c"), false).ok());
  EXPECT_EQ(core::read_journal(*read_file(path_, 1000)).entries.size(), 1u);
}

TEST_F(JournalTest, ASecondProcessIsRefused) {
  const auto first = Journal::open(path_);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Journal::open(path_).error().code, Errc::AlreadyExists);
}

TEST_F(JournalTest, ATornLineDoesNotSwallowTheNextOne) {
  std::ofstream(path_) << core::journal_begin_lines(entry("a")) << "deadbeef begin to";
  {
    auto journal = Journal::open(path_);
    ASSERT_TRUE(journal.ok());
    EXPECT_EQ(journal->found().entries.size(), 1u);
    ASSERT_TRUE(journal->begin(entry("b"), false).ok());
  }
  EXPECT_EQ(Journal::open(path_)->found().entries.size(), 2u);
}

TEST_F(JournalTest, AnotherBootIsKnown) {
  std::ofstream(path_) << core::journal_boot_line("elsewhere")
                       << core::journal_begin_lines(entry("a"));
  EXPECT_TRUE(Journal::open(path_)->from_another_boot());
}

TEST_F(JournalTest, GrowsNoFurtherThanWhatIsLive) {
  auto journal = Journal::open(path_);
  ASSERT_TRUE(journal->begin(entry("kept"), false).ok());
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(journal->begin(entry("x"), false).ok());
    ASSERT_TRUE(journal->undone("x", {entry("kept")}).ok());
  }
  const auto text = read_file(path_, 300 * 1024);
  ASSERT_TRUE(text.ok()) << "the journal is over 300 KB";
  EXPECT_EQ(core::read_journal(*text).entries.size(), 1u);
  EXPECT_EQ(Journal::open(path_).error().code, Errc::AlreadyExists) << "the lock was lost";
}

TEST_F(JournalTest, NoFolderNoJournal) {
  EXPECT_FALSE(Journal::open(folder_ + "/missing/journal").ok());
}

}  // namespace
}  // namespace myst::platform
