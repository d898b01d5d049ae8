// The journal of system changes as text: one line per record, each with a checksum, so that a line
// torn by a power cut is known for what it is. Reading never fails: what does not parse is counted
// and left out, and everything before it stands.
//
//   <crc32, 8 hex digits> boot <boot id>
//   <crc32> begin <label> <number of changes>   followed by that many lines
//   <crc32> change <prior> <words of the change>
//   <crc32> undone <label>
//
// A plan counts only as a whole: `begin` and its changes are written in one piece before the first
// change is made, so a plan with a line missing was never begun.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/system/change.hpp"

namespace myst::core {

struct JournalEntry {
  std::string label;
  std::vector<RecordedChange> changes;
  bool operator==(const JournalEntry& o) const { return label == o.label && changes == o.changes; }
};

std::string journal_boot_line(std::string_view boot_id);
std::string journal_begin_lines(const JournalEntry& entry);
std::string journal_undone_line(std::string_view label);

struct JournalContent {
  std::string boot_id;                // of the last boot line
  std::vector<JournalEntry> entries;  // not undone, in the order they were begun
  std::size_t bad_lines = 0;          // torn or damaged
};
inline constexpr std::size_t kMaxJournalEntries = 4096;  // more: the rest is counted as bad lines
JournalContent read_journal(std::string_view text);

}  // namespace myst::core
