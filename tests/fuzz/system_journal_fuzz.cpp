// Journal, plan codec: what was read can be written and is read back the same.
#include <cstdlib>

#include "core/system/journal_codec.hpp"
#include "core/system/words.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst::core;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const JournalContent content = read_journal(text);
  std::string again;
  for (const JournalEntry& entry : content.entries) again += journal_begin_lines(entry);
  const JournalContent back = read_journal(again);
  if (!(back.entries == content.entries) || back.bad_lines != 0) std::abort();

  // Without the checksum in the way.
  const auto change = decode_change(text);
  if (change.ok()) {
    const auto same = decode_change(encode(*change));
    if (!same.ok() || !(*same == *change)) std::abort();
  }
  return 0;
}
