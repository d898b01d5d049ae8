// The file behind core/system/journal_codec: appended, locked against a second process, emptied
// whenever nothing is left to undo.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/system/journal_codec.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::platform {

class Journal {
 public:
  // Creates the file if need be. AlreadyExists: another process holds it.
  static Result<Journal> open(std::string path);

  // What was in the file when it was opened.
  const core::JournalContent& found() const { return found_; }
  // True: the machine (or the network namespace) is not the one that the records speak of.
  bool from_another_boot() const { return found_.boot_id != boot_id_ && !found_.boot_id.empty(); }

  // In the file when this returns; on the disk, too, if `durable`: needed only for what outlives a
  // power cut, as the page cache outlives us. An error: nothing may be changed.
  Status begin(const core::JournalEntry& entry, bool durable);
  // `live`: what remains; the file is emptied when that is nothing, rewritten when it has grown.
  Status undone(std::string_view label, const std::vector<core::JournalEntry>& live);

 private:
  Journal() = default;
  Status append(std::string_view text, bool durable);
  Status rewrite(const std::vector<core::JournalEntry>& live);

  std::string path_, boot_id_;
  UniqueFd fd_;
  std::size_t size_ = 0;
  core::JournalContent found_;
};

// Boot id and network namespace: what volatile changes belong to.
std::string current_boot_id();

}  // namespace myst::platform
