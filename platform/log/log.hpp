// The program's log: one line an event, values as key=value.
//
//   log::info("session opened", "id", session_id, "peer", endpoint.to_string());
//
// To stderr, with the priority prefix journald reads when it is at the other end, and to a file
// that is rotated and bounded. Nothing a single packet can cause is logged above trace; what a peer
// can cause at will passes a RateLimit first. Keys and passphrases never. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace myst::log {

enum class Level : std::uint8_t { Trace, Debug, Info, Warn, Error, Off };
// trace, debug, info, warn, error, and fatal, panic, disabled, which leave nothing. Anything else
// is an error; the reference takes it for debug.
Result<Level> parse_level(std::string_view text);

struct Options {
  Level level = Level::Info;
  bool to_stderr = true;
  std::string folder;                       // empty: no file
  std::string name = "mysterium-node.log";  // in the folder
  std::size_t max_file_bytes = 512 * 1024;  // then it becomes <name>.1, .1 becomes .2 ...
  unsigned old_files = 3;
  // At level Info and above, lines beyond this many bytes a (UTC) day are left out and counted;
  // errors have as much again. The reference writes 35 MB an hour, which wears out cards. 0: no
  // limit.
  std::size_t max_bytes_a_day = 1024 * 1024;
};
// Before it: Info to stderr. Again: replaces the settings. Io: the folder or file cannot be
// written; stderr works all the same.
Status open(const Options& options);
void set_level(Level level);
bool enabled(Level level);
std::uint64_t written_bytes();

class Line {
 public:
  Line(Level level, std::string_view message);
  ~Line();  // writes it
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void add(std::string_view key, std::string_view value);
  void add(std::string_view key, const char* value) { add(key, std::string_view(value)); }
  void add(std::string_view key, const std::string& value) { add(key, std::string_view(value)); }
  void add(std::string_view key, bool value) { add(key, value ? "true" : "false"); }
  template <typename T, typename = std::enable_if_t<std::is_integral_v<T>>>
  void add(std::string_view key, T value) {
    add(key, std::string_view(std::to_string(value)));
  }

 private:
  Level level_;
  std::string text_;
};

inline void fill(Line&) {}
template <typename V, typename... Rest>
void fill(Line& line, std::string_view key, const V& value, const Rest&... rest) {
  line.add(key, value);
  fill(line, rest...);
}
template <typename... Values>
void write(Level level, std::string_view message, const Values&... values) {
  static_assert(sizeof...(values) % 2 == 0, "values come as key, value");
  if (!enabled(level)) return;
  Line line(level, message);
  fill(line, values...);
}
template <typename... Values>
void trace(std::string_view message, const Values&... values) {
  write(Level::Trace, message, values...);
}
template <typename... Values>
void debug(std::string_view message, const Values&... values) {
  write(Level::Debug, message, values...);
}
template <typename... Values>
void info(std::string_view message, const Values&... values) {
  write(Level::Info, message, values...);
}
template <typename... Values>
void warn(std::string_view message, const Values&... values) {
  write(Level::Warn, message, values...);
}
template <typename... Values>
void error(std::string_view message, const Values&... values) {
  write(Level::Error, message, values...);
}

}  // namespace myst::log

namespace myst::platform {

// At most `burst` at once, refilled one each `interval`.
class RateLimit {
 public:
  explicit RateLimit(unsigned burst = 10, Duration interval = std::chrono::minutes{1})
      : burst_(burst), left_(burst), interval_(interval) {}
  bool allow(Instant now);

 private:
  unsigned burst_, left_;
  Duration interval_;
  Instant refilled_{};
};

}  // namespace myst::platform
