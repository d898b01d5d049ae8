#include "core/system/journal_codec.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "core/base/text.hpp"
#include "core/system/words.hpp"
#include "core/wire/crc32.hpp"

namespace myst::core {
namespace {

std::string checksum(std::string_view body) {
  const std::uint32_t value = crc32(as_bytes(body));
  const ByteArray<4> bytes{static_cast<std::uint8_t>(value >> 24),
                           static_cast<std::uint8_t>(value >> 16),
                           static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
  return to_hex(bytes);
}

std::string line_of(const std::string& body) { return checksum(body) + " " + body + "\n"; }

// A plan whose lines are still coming.
struct Pending {
  JournalEntry entry;
  std::uint64_t missing = 0;
};

}  // namespace

std::string journal_boot_line(std::string_view boot_id) {
  return line_of("boot " + encode_words({std::string(boot_id)}));
}

std::string journal_begin_lines(const JournalEntry& entry) {
  std::string out =
      line_of("begin " + encode_words({entry.label, std::to_string(entry.changes.size())}));
  for (const RecordedChange& change : entry.changes) out += line_of("change " + encode(change));
  return out;
}

std::string journal_undone_line(std::string_view label) {
  return line_of("undone " + encode_words({std::string(label)}));
}

JournalContent read_journal(std::string_view text) {
  JournalContent out;
  std::unique_ptr<Pending> pending;
  const auto drop_pending = [&] {
    if (pending) ++out.bad_lines;
    pending.reset();
  };
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const bool complete = end != std::string_view::npos;
    text = complete ? text.substr(end + 1) : std::string_view{};
    if (!complete || line.size() < 10 || line[8] != ' ' ||
        line.substr(0, 8) != checksum(line.substr(9))) {
      ++out.bad_lines;
      drop_pending();
      continue;
    }
    const std::string_view body = line.substr(9);
    const std::string_view kind = body.substr(0, body.find(' '));
    const std::string_view rest = body.substr(std::min(body.size(), kind.size() + 1));
    if (kind == "change" && pending) {
      auto change = decode_change(rest);
      if (!change.ok()) {
        ++out.bad_lines;
        drop_pending();
        continue;
      }
      pending->entry.changes.push_back(*std::move(change));
      --pending->missing;
    } else {
      drop_pending();
      const auto words = decode_words(rest);
      if (!words.ok() || words->empty()) {
        ++out.bad_lines;
        continue;
      }
      const std::string& label = words->front();
      if (kind == "boot") {
        out.boot_id = label;
      } else if (kind == "undone") {
        const auto found =
            std::find_if(out.entries.begin(), out.entries.end(),
                         [&label](const JournalEntry& entry) { return entry.label == label; });
        if (found != out.entries.end()) out.entries.erase(found);
      } else if (kind == "begin" && words->size() == 2 && parse_decimal((*words)[1])) {
        pending = std::make_unique<Pending>(Pending{{label, {}}, *parse_decimal((*words)[1])});
      } else {
        ++out.bad_lines;
      }
    }
    if (pending && pending->missing == 0) {
      if (out.entries.size() < kMaxJournalEntries) {
        out.entries.push_back(std::move(pending->entry));
      } else {
        ++out.bad_lines;
      }
      pending.reset();
    }
  }
  drop_pending();
  return out;
}

}  // namespace myst::core
