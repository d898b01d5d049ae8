#include "platform/log/log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <mutex>
#include <utility>

#include "platform/system/files.hpp"

namespace myst::log {
namespace {

struct Sink {
  std::mutex mutex;
  Options options;
  int file = -1;
  std::size_t file_bytes = 0;
  bool journal = false;
  std::int64_t day = 0;
  std::size_t day_bytes = 0;
  std::uint64_t left_out = 0;
};

Sink& sink() {
  static Sink* const instance = new Sink;  // outlives every thread and destructor that may log
  return *instance;
}
std::atomic<Level> current_level{Level::Info};
std::atomic<std::uint64_t> bytes_written{0};

std::string path_of(const Options& options, unsigned generation) {
  std::string path = options.folder + "/" + options.name;
  if (generation > 0) path += "." + std::to_string(generation);
  return path;
}

Status open_file(Sink& s) {
  if (s.file >= 0) ::close(s.file);
  s.file = ::open(path_of(s.options, 0).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (s.file < 0) return Error{Errc::Io, errno, "the log file cannot be written"};
  struct stat info {};
  s.file_bytes = ::fstat(s.file, &info) == 0 ? static_cast<std::size_t>(info.st_size) : 0;
  return {};
}

void rotate(Sink& s) {
  for (unsigned n = s.options.old_files; n > 0; --n) {
    (void)std::rename(path_of(s.options, n - 1).c_str(), path_of(s.options, n).c_str());
  }
  (void)open_file(s);
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // a full disk or a closed stderr must not stop the program
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

const char* name_of(Level level) {
  constexpr const char* kNames[] = {"TRC", "DBG", "INF", "WRN", "ERR", "OFF"};
  return kNames[static_cast<std::size_t>(level)];
}

// syslog priorities: debug 7, info 6, warning 4, error 3.
const char* journal_prefix(Level level) {
  constexpr const char* kPrefixes[] = {"<7>", "<7>", "<6>", "<4>", "<3>", ""};
  return kPrefixes[static_cast<std::size_t>(level)];
}

std::string timestamp() {
  timespec now{};
  (void)clock_gettime(CLOCK_REALTIME, &now);
  std::tm local{};
  (void)localtime_r(&now.tv_sec, &local);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &local);
  (void)std::snprintf(text + size, sizeof text - size, ".%03ld", now.tv_nsec / 1000000);
  return text;
}

// systemd names the device and inode of the stream it gave (systemd.exec(5)); after a redirection
// standard error is another one.
bool leads_to_journal(int fd) {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  if (stream == nullptr || ::fstat(fd, &info) != 0) return false;
  return std::string(stream) == std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
}

// Whether the day's share has room for a line of this size.
bool spend(Sink& s, Level level, std::size_t size) {
  const std::size_t limit = s.options.max_bytes_a_day;
  // Who asks for details has room for them.
  if (limit == 0 || current_level.load() < Level::Info) return true;
  const std::int64_t day = std::time(nullptr) / 86400;
  if (day != s.day) {
    s.day = day;
    s.day_bytes = 0;
  }
  if (s.day_bytes + size > (level == Level::Error ? 2 * limit : limit)) {
    ++s.left_out;
    return false;
  }
  s.day_bytes += size;
  return true;
}

void put(Sink& s, Level level, std::string_view line) {
  bytes_written += line.size();
  if (s.options.to_stderr) {
    // One write: the lines of two programs may meet on one terminal.
    const std::string prefixed = std::string(s.journal ? journal_prefix(level) : "").append(line);
    write_all(STDERR_FILENO, prefixed);
  }
  if (s.file < 0) return;
  if (s.file_bytes + line.size() > s.options.max_file_bytes) rotate(s);
  if (s.file < 0) return;
  write_all(s.file, line);
  s.file_bytes += line.size();
}

bool plain(std::string_view value) {
  if (value.empty()) return false;
  for (const char c : value) {
    if (c <= ' ' || c == '"' || c == '=' || c == 0x7f) return false;
  }
  return true;
}

}  // namespace

Result<Level> parse_level(std::string_view text) {
  constexpr std::string_view kNames[] = {"trace", "debug", "info", "warn", "error"};
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (text == kNames[i]) return static_cast<Level>(i);
  }
  if (text == "fatal" || text == "panic" || text == "disabled") return Level::Off;
  return Error{Errc::Malformed, 0, "log level: trace, debug, info, warn, error or disabled"};
}

Status open(const Options& options) {
  Sink& s = sink();
  const std::lock_guard<std::mutex> lock(s.mutex);
  s.options = options;
  current_level = options.level;
  s.journal = leads_to_journal(STDERR_FILENO);
  s.day_bytes = 0;
  s.left_out = 0;
  if (options.folder.empty()) {
    if (s.file >= 0) ::close(s.file);
    s.file = -1;
    return {};
  }
  MYST_TRY(platform::make_directories(options.folder, 0750));
  return open_file(s);
}

void set_level(Level level) { current_level = level; }
bool enabled(Level level) { return level >= current_level.load() && level != Level::Off; }
std::uint64_t written_bytes() { return bytes_written; }

Line::Line(Level level, std::string_view message) : level_(level) {
  text_.reserve(160);
  text_ = timestamp();
  text_ += ' ';
  text_ += name_of(level);
  text_ += ' ';
  for (const char c : message) text_ += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
}

void Line::add(std::string_view key, std::string_view value) {
  constexpr std::size_t kMaxValue = 512;  // a peer's text must not fill the disk
  text_ += ' ';
  text_ += key;
  text_ += '=';
  const bool cut = value.size() > kMaxValue;
  value = value.substr(0, kMaxValue);
  if (plain(value)) {
    text_ += value;
  } else {
    text_ += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += static_cast<unsigned char>(c) < ' ' || c == 0x7f
                   ? ' '
                   : c;  // no line breaks, no terminal escapes
    }
    text_ += '"';
  }
  if (cut) text_ += "...";
}

Line::~Line() {
  text_ += '\n';
  Sink& s = sink();
  const std::lock_guard<std::mutex> lock(s.mutex);
  if (!spend(s, level_, text_.size())) return;
  if (s.left_out > 0) {
    const std::uint64_t missing = std::exchange(s.left_out, 0);
    put(s, Level::Warn,
        timestamp() + " WRN the day's share of the log was used up left_out=" +
            std::to_string(missing) + "\n");
  }
  put(s, level_, text_);
}

}  // namespace myst::log

namespace myst::platform {

bool RateLimit::allow(Instant now) {
  if (now - refilled_ >= interval_) {
    const auto tokens = static_cast<std::uint64_t>((now - refilled_) / interval_);
    left_ = tokens >= burst_ ? burst_ : std::min(burst_, left_ + static_cast<unsigned>(tokens));
    refilled_ = now;
  }
  if (left_ == 0) return false;
  --left_;
  return true;
}

}  // namespace myst::platform
