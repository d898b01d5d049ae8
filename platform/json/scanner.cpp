#include "platform/json/scanner.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace myst::json {
namespace {

constexpr std::size_t kSafeDigits = 15;   // every integer of 15 digits is exact as a double
constexpr std::size_t kMaxNumber = 1024;  // characters: far beyond any amount, far below a flood

class Scanner {
 public:
  Scanner(std::string_view text, const Limits& limits) : text_(text), limits_(limits) {}

  Result<std::vector<NumberToken>> run() {
    // A value, then what may follow it; `open_` holds the brackets, so nothing recurses.
    for (;;) {
      MYST_TRY(value());
      if (just_opened_) continue;
      for (;;) {
        skip_blank();
        if (open_.empty()) {
          if (at_ != text_.size()) return error("text after the JSON value");
          return std::move(numbers_);
        }
        if (take(open_.back() == '{' ? '}' : ']')) {
          open_.pop_back();
          continue;
        }
        if (!take(',')) return error("JSON separator");
        if (open_.back() == '{') MYST_TRY(name());
        break;
      }
    }
  }

 private:
  Error error(const char* what) const {
    return Error{Errc::Malformed, static_cast<int>(at_), what};
  }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_blank() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  // One scalar or an empty container, or the opening of a filled one (just_opened_).
  Status value() {
    just_opened_ = false;
    if (++values_ > std::max<std::size_t>(1000, limits_.max_bytes / 8)) {
      return Error{Errc::Full, static_cast<int>(at_), "too many JSON values"};
    }
    skip_blank();
    if (at_ >= text_.size()) return error("JSON ends early");
    const char c = text_[at_];
    if (c == '{' || c == '[') {
      if (open_.size() >= limits_.max_depth) return error("JSON nested too deep");
      ++at_;
      skip_blank();
      if (take(c == '{' ? '}' : ']')) return {};
      open_.push_back(c);
      just_opened_ = true;
      return c == '{' ? name() : Status{};
    }
    if (c == '"') return string();
    if (c == '-' || (c >= '0' && c <= '9')) return number();
    for (const std::string_view word : {"true", "false", "null"}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return {};
      }
    }
    return error("JSON value");
  }

  Status name() {
    skip_blank();
    MYST_TRY(string());
    skip_blank();
    if (!take(':')) return error("JSON member without colon");
    return {};
  }

  Status string() {
    if (!take('"')) return error("JSON member name");
    while (at_ < text_.size()) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c < 0x20) return error("control character in JSON string");
      ++at_;
      if (c == '"') return {};
      if (c != '\\') continue;
      if (at_ >= text_.size()) break;
      const char escape = text_[at_];
      if (escape == 'u') {
        MYST_TRY(unicode_escape());
      } else if (std::string_view("\"\\/bfnrt").find(escape) == std::string_view::npos) {
        return error("JSON escape");
      } else {
        ++at_;
      }
    }
    return error("JSON string without end");
  }

  // At the 'u' of one escape; a high surrogate must be followed by a low one.
  Status unicode_escape() {
    MYST_TRY_ASSIGN(const unsigned code, hex4());
    if (code == 0) return error("NUL in JSON string");
    if (code >= 0xdc00 && code <= 0xdfff) return error("JSON surrogate");
    if (code >= 0xd800 && code <= 0xdbff) {
      if (!take('\\') || at_ >= text_.size() || text_[at_] != 'u') return error("JSON surrogate");
      MYST_TRY_ASSIGN(const unsigned low, hex4());
      if (low < 0xdc00 || low > 0xdfff) return error("JSON surrogate");
    }
    return {};
  }

  Result<unsigned> hex4() {
    ++at_;  // the 'u'
    if (text_.size() - at_ < 4) return error("JSON escape");
    unsigned code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const int digit = hex_digit(text_[at_]);
      if (digit < 0) return error("JSON escape");
      code = code * 16 + static_cast<unsigned>(digit);
    }
    return code;
  }

  std::size_t digits() {
    const std::size_t from = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ - from;
  }

  Status number() {
    const std::size_t from = at_;
    (void)take('-');
    const bool zero = at_ < text_.size() && text_[at_] == '0';
    const std::size_t whole = digits();
    if (whole == 0 || (zero && whole > 1)) return error("JSON number");
    bool plain = whole <= kSafeDigits;
    if (take('.')) {
      plain = false;
      if (digits() == 0) return error("JSON number");
    }
    if (take('e') || take('E')) {
      plain = false;
      if (!take('+')) (void)take('-');
      if (digits() == 0) return error("JSON number");
    }
    if (at_ - from > kMaxNumber) return error("JSON number too long");
    if (!plain) numbers_.push_back({count_, text_.substr(from, at_ - from)});
    ++count_;
    return {};
  }

  std::string_view text_;
  Limits limits_;
  std::size_t at_ = 0;
  std::size_t count_ = 0;   // numbers so far
  std::size_t values_ = 0;  // all values so far
  bool just_opened_ = false;
  std::string open_;  // at most max_depth brackets
  std::vector<NumberToken> numbers_;
};

}  // namespace

Result<std::vector<NumberToken>> scan(std::string_view text, const Limits& limits) {
  if (text.size() > limits.max_bytes || text.size() > INT32_MAX) {
    return Error{Errc::Full, 0, "JSON text too long"};
  }
  if (!is_utf8(text)) return Error{Errc::Malformed, 0, "JSON text is not UTF-8"};
  return Scanner(text, limits).run();
}

}  // namespace myst::json
