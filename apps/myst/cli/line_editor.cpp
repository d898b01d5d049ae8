#include "apps/myst/cli/line_editor.hpp"

#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/base/text.hpp"
#include "platform/system/files.hpp"

namespace myst::app {
namespace {

constexpr char kCtrlA = 1, kCtrlC = 3, kCtrlD = 4, kCtrlE = 5, kBackspace = 8, kTab = 9,
               kCtrlK = 11, kCtrlL = 12, kCtrlU = 21, kCtrlW = 23, kEscape = 27, kDelete = 127;

// The terminal byte by byte, and as it was afterwards.
class RawMode {
 public:
  RawMode() {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG | IEXTEN);
    raw.c_iflag &= ~static_cast<tcflag_t>(ICRNL | IXON);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    active_ = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
  }
  ~RawMode() {
    if (active_) (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  bool active() const { return active_; }

 private:
  termios before_{};
  bool active_ = false;
};

void put(std::string_view text) {
  (void)std::fwrite(text.data(), 1, text.size(), stdout);
  (void)std::fflush(stdout);
}

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::size_t columns(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += continues(c) ? 0 : 1;
  return count;
}

}  // namespace

std::size_t LineBuffer::left_of(std::size_t at) const {
  if (at == 0) return 0;
  do {
    --at;
  } while (at > 0 && continues(text_[at]));
  return at;
}

std::size_t LineBuffer::right_of(std::size_t at) const {
  if (at >= text_.size()) return text_.size();
  do {
    ++at;
  } while (at < text_.size() && continues(text_[at]));
  return at;
}

void LineBuffer::insert(std::string_view piece) {
  if (text_.size() + piece.size() > kLongest) return;
  text_.insert(cursor_, piece);
  cursor_ += piece.size();
}

void LineBuffer::reset() { *this = LineBuffer(); }

void LineBuffer::erase_before() {
  const std::size_t from = left_of(cursor_);
  text_.erase(from, cursor_ - from);
  cursor_ = from;
}

void LineBuffer::erase_at() { text_.erase(cursor_, right_of(cursor_) - cursor_); }

void LineBuffer::recall(const std::vector<std::string>& history, bool older) {
  if (older ? from_end_ >= history.size() : from_end_ == 0) return;
  if (from_end_ == 0) draft_ = text_;
  from_end_ = older ? from_end_ + 1 : from_end_ - 1;
  text_ = from_end_ == 0 ? draft_ : history[history.size() - from_end_];
  cursor_ = text_.size();
}

void LineBuffer::escape(const std::vector<std::string>& history) {
  // "[A" and "OA" for arrows, "[3~" and the like for the others.
  const char last = sequence_.back();
  if (last == 'A') recall(history, true);
  if (last == 'B') recall(history, false);
  if (last == 'C') cursor_ = right_of(cursor_);
  if (last == 'D') cursor_ = left_of(cursor_);
  if (last == 'H' || sequence_ == "[1~" || sequence_ == "[7~") cursor_ = 0;
  if (last == 'F' || sequence_ == "[4~" || sequence_ == "[8~") cursor_ = text_.size();
  if (sequence_ == "[3~") erase_at();
}

LineBuffer::Result LineBuffer::key(char c, const std::vector<std::string>& history) {
  if (!sequence_.empty()) {
    if (sequence_ == "\x1b") sequence_.clear();
    sequence_ += c;
    const bool introduces = sequence_ == "[" || sequence_ == "O";
    const bool ends = !introduces && c >= '@' && c <= '~';
    if (ends) escape(history);
    if (ends || sequence_.size() > 8 || (sequence_.size() == 1 && !introduces)) sequence_.clear();
    return Result::More;
  }
  switch (c) {
    case kEscape:
      sequence_ = "\x1b";
      return Result::More;
    case '\r':
    case '\n':
      return Result::Enter;
    case kTab:
      return Result::Complete;
    case kCtrlL:
      return Result::Clear;
    case kCtrlC:
      if (text_.empty()) return Result::Leave;
      reset();
      return Result::More;
    case kCtrlD:
      if (text_.empty()) return Result::Leave;
      erase_at();
      return Result::More;
    case kCtrlA:
      cursor_ = 0;
      return Result::More;
    case kCtrlE:
      cursor_ = text_.size();
      return Result::More;
    case kCtrlK:
      text_.resize(cursor_);
      return Result::More;
    case kCtrlU:
      text_.erase(0, cursor_);
      cursor_ = 0;
      return Result::More;
    case kCtrlW:
      while (cursor_ > 0 && text_[cursor_ - 1] == ' ') erase_before();
      while (cursor_ > 0 && text_[cursor_ - 1] != ' ') erase_before();
      return Result::More;
    case kBackspace:
    case kDelete:
      erase_before();
      return Result::More;
    default:
      if (static_cast<unsigned char>(c) >= 0x20) insert({&c, 1});
      return Result::More;
  }
}

LineEditor::LineEditor(std::string history_file) : history_file_(std::move(history_file)) {
  if (history_file_.empty()) return;
  const auto content = platform::read_file(history_file_, 1 << 20);
  if (!content.ok()) return;
  for (const std::string_view line : split(*content, '\n')) {
    if (!line.empty()) history_.emplace_back(line);
  }
  if (history_.size() > kMaxHistory) {
    history_.erase(history_.begin(), history_.end() - static_cast<std::ptrdiff_t>(kMaxHistory));
  }
}

void LineEditor::remember(const std::string& line) {
  if (trim(line).empty() || (!history_.empty() && history_.back() == line)) return;
  history_.push_back(line);
  if (history_.size() > kMaxHistory) history_.erase(history_.begin());
  if (history_file_.empty()) return;
  std::string content;
  for (const std::string& item : history_) content += item + "\n";
  // Passphrases are typed here: for the owner's eyes. A history that cannot be kept is no error.
  (void)platform::write_file_atomically(history_file_, content, 0600);
}

std::optional<std::string> LineEditor::read(const std::string& prompt) {
  auto line = isatty(STDIN_FILENO) != 0 ? read_terminal(prompt) : read_plain();
  if (line) remember(*line);
  return line;
}

std::optional<std::string> LineEditor::read_plain() {
  std::string line;
  for (;;) {
    char c = 0;
    const ssize_t got = ::read(STDIN_FILENO, &c, 1);
    if (got <= 0) return line.empty() ? std::nullopt : std::optional<std::string>(line);
    if (c == '\n') return line;
    if (line.size() < 65536) line += c;
  }
}

void LineEditor::complete(LineBuffer& buffer, const std::string& prompt) {
  if (!completer_) return;
  const std::string before = buffer.text().substr(0, buffer.cursor());
  const std::vector<std::string> found = completer_(before);
  if (found.empty()) return;
  const std::size_t blank = before.rfind(' ');
  const std::size_t typed = before.size() - (blank == std::string::npos ? 0 : blank + 1);
  std::string common = found[0];
  for (const std::string& item : found) {
    const auto differs = std::mismatch(common.begin(), common.end(), item.begin(), item.end());
    common.erase(differs.first, common.end());
  }
  if (common.size() > typed) buffer.insert(std::string_view(common).substr(typed));
  if (found.size() == 1) {
    buffer.insert(" ");
    return;
  }
  std::string list = "\r\n";
  for (std::size_t i = 0; i < found.size() && i < 40; ++i) list += found[i] + "  ";
  put(list + "\r\n" + prompt);
}

std::optional<std::string> LineEditor::read_terminal(const std::string& prompt) {
  RawMode raw;
  if (!raw.active()) return read_plain();
  LineBuffer buffer;
  const auto redraw = [&] {
    // The line again, then the cursor back to its place.
    std::string out = "\r\x1b[K" + prompt + buffer.text();
    const std::size_t back = columns(std::string_view(buffer.text()).substr(buffer.cursor()));
    if (back > 0) out += "\x1b[" + std::to_string(back) + "D";
    put(out);
  };
  redraw();
  for (;;) {
    char c = 0;
    if (::read(STDIN_FILENO, &c, 1) != 1) return std::nullopt;
    switch (buffer.key(c, history_)) {
      case LineBuffer::Result::Enter:
        put("\r\n");
        return buffer.text();
      case LineBuffer::Result::Leave:
        put("\r\n");
        return std::nullopt;
      case LineBuffer::Result::Clear:
        put("\x1b[H\x1b[2J");
        break;
      case LineBuffer::Result::Complete:
        complete(buffer, prompt);
        break;
      case LineBuffer::Result::More:
        break;
    }
    redraw();
  }
}

}  // namespace myst::app
