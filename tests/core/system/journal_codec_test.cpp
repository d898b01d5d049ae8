#include "core/system/journal_codec.hpp"

#include <gtest/gtest.h>

namespace myst::core {
namespace {

JournalEntry entry(const char* label, const char* link) {
  return {label,
          {{OwnLink{link}, ""},
           {SetSysctl{"net/ipv4/ip_forward", "1"}, "0"},
           {SetDns{link, {IpAddress::v4(1, 1, 1, 1)}, {}}, "file nameserver 9.9.9.9\n"}}};
}

TEST(Journal, ReadsBackWhatIsNotUndone) {
  const auto a = entry("session a", "myst0"), b = entry("b", "myst1");
  const std::string text = journal_boot_line("boot-1") + journal_begin_lines(a) +
                           journal_begin_lines(b) + journal_undone_line("b") +
                           journal_undone_line("unknown");
  const JournalContent content = read_journal(text);
  EXPECT_EQ(content.boot_id, "boot-1");
  EXPECT_EQ(content.bad_lines, 0u);
  ASSERT_EQ(content.entries.size(), 1u);
  EXPECT_TRUE(content.entries[0] == a);
}

TEST(Journal, ATornEndLosesOnlyThePlanThatWasNotBegun) {
  const auto a = entry("a", "myst0"), b = entry("b", "myst1");
  const std::string first = journal_boot_line("boot") + journal_begin_lines(a);
  const std::string text = first + journal_begin_lines(b);
  for (std::size_t size = first.size(); size < text.size(); ++size) {
    const JournalContent content = read_journal(std::string_view(text).substr(0, size));
    ASSERT_EQ(content.entries.size(), 1u) << size;
    EXPECT_TRUE(content.entries[0] == a);
    EXPECT_EQ(content.bad_lines > 0, size > first.size());
  }
  EXPECT_EQ(read_journal(text).entries.size(), 2u);
}

TEST(Journal, WhatFollowsATornLineIsRead) {
  const auto a = entry("a", "myst0"), b = entry("b", "myst1");
  const std::string torn = journal_begin_lines(a).substr(0, 40);
  const JournalContent content = read_journal(torn + "\n" + journal_begin_lines(b));
  ASSERT_EQ(content.entries.size(), 1u);
  EXPECT_TRUE(content.entries[0] == b);
}

TEST(Journal, AFlippedBitIsABadLine) {
  std::string text = journal_begin_lines(entry("a", "myst0"));
  for (std::size_t i = 0; i < text.size(); ++i) {
    text[i] = static_cast<char>(text[i] ^ 1);
    EXPECT_TRUE(read_journal(text).entries.empty()) << i;
    text[i] = static_cast<char>(text[i] ^ 1);
  }
}

}  // namespace
}  // namespace myst::core
