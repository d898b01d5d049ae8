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

#include "platform/system/files.hpp"

namespace myst::log {
namespace {

struct Sink {
  std::mutex mutex;
  Options options;
  int file = -1;
  std::size_t file_bytes = 0;
  bool journal = false;
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
  // systemd says with this variable that stderr leads to the journal.
  s.journal = std::getenv("JOURNAL_STREAM") != nullptr;
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
  for (const char c : message) text_ += c < ' ' && c >= 0 ? ' ' : c;
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
      text_ += (c >= 0 && c < ' ') || c == 0x7f ? ' ' : c;  // no line breaks, no terminal escapes
    }
    text_ += '"';
  }
  if (cut) text_ += "...";
}

Line::~Line() {
  text_ += '\n';
  Sink& s = sink();
  const std::lock_guard<std::mutex> lock(s.mutex);
  bytes_written += text_.size();
  if (s.options.to_stderr) {
    if (s.journal) write_all(STDERR_FILENO, journal_prefix(level_));
    write_all(STDERR_FILENO, text_);
  }
  if (s.file < 0) return;
  if (s.file_bytes + text_.size() > s.options.max_file_bytes) rotate(s);
  if (s.file < 0) return;
  write_all(s.file, text_);
  s.file_bytes += text_.size();
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
