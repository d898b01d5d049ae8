#include "drivers/config/toml_reader.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/text.hpp"

namespace myst::config {
namespace {

using core::ConfigLimits;
using core::ConfigValue;

// What TOML's rules against defining a thing twice need to know of a value.
enum class Kind : std::uint8_t {
  Leaf,       // a scalar, an array or an inline table: complete as written
  Implicit,   // a table that only lies on the path to another one
  Header,     // a table with a [header] of its own
  Dotted,     // a table made by a dotted key
  TableList,  // [[header]]: an array whose last table is open
};

struct Node {
  Kind kind = Kind::Leaf;
  ConfigValue leaf;
  std::map<std::string, std::unique_ptr<Node>, std::less<>> members;
  std::vector<std::unique_ptr<Node>> tables;  // of a TableList
};

using Path = std::vector<std::string>;

bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

ConfigValue to_value(const Node& node) {
  if (node.kind == Kind::Leaf) return node.leaf;
  if (node.kind == Kind::TableList) {
    ConfigValue::List list;
    for (const auto& table : node.tables) list.push_back(to_value(*table));
    return list;
  }
  ConfigValue::Table table;
  for (const auto& [name, member] : node.members) table[name] = to_value(*member);
  return table;
}

class Reader {
 public:
  Reader(std::string_view text, TomlMistake& mistake) : text_(text), mistake_(mistake) {
    root_.kind = Kind::Header;
  }

  ConfigValue read() {
    if (text_.substr(0, 3) == "\xef\xbb\xbf") at_ = 3;  // a byte order mark is allowed
    Node* table = &root_;
    while (good() && at_ < text_.size()) {
      skip_blanks();
      if (at_ == text_.size()) break;
      if (peek() == '[') {
        table = header();
      } else if (peek() != '#' && !at_line_end()) {
        key_value(*table, 0);
      }
      end_of_line();
    }
    if (!good()) return {};
    return to_value(root_);
  }

 private:
  bool good() const { return mistake_.what == nullptr; }
  bool fail(const char* what, Errc code = Errc::Malformed) {
    if (good()) {
      int line = 1;
      for (std::size_t i = 0; i < at_ && i < text_.size(); ++i) line += text_[i] == '\n' ? 1 : 0;
      mistake_ = {code, line, what};
    }
    return false;
  }
  // One more value or table; false when there are too many.
  bool count() { return ++values_ <= ConfigLimits::kValues || fail("too many values", Errc::Full); }
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  bool at_line_end() const { return peek() == '\n' || (peek() == '\r' && peek(1) == '\n'); }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }
  // Control characters are allowed nowhere but as blanks and line ends.
  static bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  }
  bool comment() {
    if (peek() != '#') return true;
    while (at_ < text_.size() && !at_line_end()) {
      if (is_control(peek())) return fail("a control character in a comment");
      ++at_;
    }
    return true;
  }
  bool end_of_line() {
    if (!good()) return false;
    skip_blanks();
    if (!comment()) return false;
    if (at_ == text_.size()) return true;
    if (!at_line_end()) return fail("something unexpected before the end of the line");
    at_ += peek() == '\r' ? 2 : 1;
    return true;
  }
  // Blanks, line ends and comments inside an array.
  bool skip_space() {
    while (good()) {
      skip_blanks();
      if (!comment()) return false;
      if (!at_line_end()) return true;
      at_ += peek() == '\r' ? 2 : 1;
    }
    return false;
  }

  bool key_part(std::string& out) {
    if (peek() == '"' || peek() == '\'') {
      if (text_.substr(at_, 3) == "\"\"\"" || text_.substr(at_, 3) == "'''") {
        return fail("a key of several lines");
      }
      return peek() == '"' ? basic_text(out, false) : literal_text(out, false);
    }
    const std::size_t from = at_;
    while (is_bare(peek())) ++at_;
    if (at_ == from) return fail("a key is missing");
    out.assign(text_.substr(from, at_ - from));
    return true;
  }
  bool key(Path& path) {
    for (;;) {
      skip_blanks();
      path.emplace_back();
      if (path.size() > ConfigLimits::kDepth) return fail("nested too deep", Errc::Full);
      if (!key_part(path.back())) return false;
      skip_blanks();
      if (peek() != '.') return true;
      ++at_;
    }
  }

  // [a.b] or [[a.b]]: the table that follows; nullptr after a mistake.
  Node* header() {
    const bool list = text_.substr(at_, 2) == "[[";
    at_ += list ? 2 : 1;
    Path path;
    if (!key(path)) return nullptr;
    if (!take(list ? "]]" : "]")) {
      fail("a table's name is not closed");
      return nullptr;
    }
    Node* table = &root_;
    for (std::size_t i = 0; i < path.size(); ++i) {
      const bool last = i + 1 == path.size();
      std::unique_ptr<Node>& member = table->members[path[i]];
      if (member == nullptr) {
        if (!count()) return nullptr;
        member = std::make_unique<Node>();
        member->kind = !last ? Kind::Implicit : list ? Kind::TableList : Kind::Header;
      } else if (last && list ? member->kind != Kind::TableList
                 : last       ? member->kind != Kind::Implicit
                              : member->kind == Kind::Leaf) {
        fail("this name is defined already");
        return nullptr;
      } else if (last && !list) {
        member->kind = Kind::Header;
      }
      table = member.get();
      if (table->kind != Kind::TableList) continue;
      if (last) {
        if (!count()) return nullptr;
        table->tables.push_back(std::make_unique<Node>());
        table->tables.back()->kind = Kind::Header;
      }
      table = table->tables.back().get();
    }
    return table;
  }

  // `name = value` into a table, where dotted names make tables on their way.
  bool key_value(Node& into, std::size_t depth) {
    Path path;
    if (!key(path)) return false;
    if (!take("=")) return fail("'=' is missing after a key");
    Node* table = &into;
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
      std::unique_ptr<Node>& member = table->members[path[i]];
      if (member == nullptr) {
        if (!count()) return false;
        member = std::make_unique<Node>();
        member->kind = Kind::Dotted;
      } else if (member->kind != Kind::Dotted) {
        // Neither values nor tables with a header of their own may be added to from afar.
        if (member->kind != Kind::Implicit) return fail("this name is defined already");
        member->kind = Kind::Dotted;
      }
      table = member.get();
    }
    std::unique_ptr<Node>& member = table->members[path.back()];
    if (member != nullptr) return fail("this name is defined already");
    member = std::make_unique<Node>();
    skip_blanks();
    return value(member->leaf, depth + path.size());
  }

  bool value(ConfigValue& out, std::size_t depth) {
    if (depth > ConfigLimits::kDepth) return fail("nested too deep", Errc::Full);
    if (!count()) return false;
    const char c = peek();
    if (c == '"' || c == '\'') {
      std::string text;
      const bool several = text_.substr(at_, 3) == (c == '"' ? "\"\"\"" : "'''");
      if (!(c == '"' ? basic_text(text, several) : literal_text(text, several))) return false;
      out = std::move(text);
      return true;
    }
    if (c == '[') return array(out, depth);
    if (c == '{') return inline_table(out, depth);
    const std::size_t from = at_;
    while (is_bare(peek()) || peek() == '+' || peek() == '.' || peek() == ':') ++at_;
    std::string_view word = text_.substr(from, at_ - from);
    // "1979-05-27 07:32:00": the blank belongs to the date.
    if (word.size() == 10 && word[4] == '-' && peek() == ' ' && is_digit(peek(1)) &&
        is_digit(peek(2)) && peek(3) == ':') {
      ++at_;
      while (is_bare(peek()) || peek() == '+' || peek() == '.' || peek() == ':') ++at_;
      word = text_.substr(from, at_ - from);
    }
    if (word.empty()) return fail("a value is missing");
    return scalar(word, out) || fail("not a value: texts need quotes");
  }

  bool array(ConfigValue& out, std::size_t depth) {
    ++at_;
    ConfigValue::List list;
    for (;;) {
      if (!skip_space()) return false;
      if (take("]")) break;
      list.emplace_back();
      if (!value(list.back(), depth + 1) || !skip_space()) return false;
      if (take("]")) break;
      if (!take(",")) return fail("',' or ']' is missing in a list");
    }
    out = std::move(list);
    return true;
  }

  bool inline_table(ConfigValue& out, std::size_t depth) {
    ++at_;
    Node table;
    table.kind = Kind::Header;
    skip_blanks();
    if (!take("}")) {
      for (;;) {
        if (!key_value(table, depth)) return false;
        skip_blanks();
        if (take("}")) break;
        if (!take(",")) return fail("',' or '}' is missing in a table");
      }
    }
    out = to_value(table);
    return true;
  }

  // The first line end right after the opening quotes is not part of the text.
  void open_several() {
    at_ += 3;
    if (at_line_end()) at_ += peek() == '\r' ? 2 : 1;
  }
  // One character that stands for itself; false: a mistake.
  bool plain(std::string& out, bool several) {
    if (at_ == text_.size()) return fail("a text is not closed");
    if (several && at_line_end()) {
      at_ += peek() == '\r' ? 2 : 1;
      out += '\n';
      return true;
    }
    if (is_control(peek())) return fail("a control character or line end in a text");
    out += text_[at_++];
    return true;
  }
  // The closing quotes, of which up to two more may be text; sets `closed`.
  bool close(std::string& out, char quote, bool several, bool& closed) {
    closed = false;
    if (peek() != quote) return true;
    if (!several) {
      ++at_;
      closed = true;
      return true;
    }
    std::size_t count = 0;
    while (count < 6 && peek(count) == quote) ++count;
    if (count < 3) return true;
    if (count == 6) return fail("too many quotes");
    out.append(count - 3, quote);
    at_ += count;
    closed = true;
    return true;
  }
  bool literal_text(std::string& out, bool several) {
    several ? open_several() : void(++at_);
    for (bool closed = false;;) {
      if (!close(out, '\'', several, closed)) return false;
      if (closed) return true;
      if (!plain(out, several)) return false;
    }
  }
  bool basic_text(std::string& out, bool several) {
    several ? open_several() : void(++at_);
    for (bool closed = false;;) {
      if (!close(out, '"', several, closed)) return false;
      if (closed) return true;
      if (peek() == '\\' ? !escape(out, several) : !plain(out, several)) return false;
    }
  }
  bool escape(std::string& out, bool several) {
    ++at_;
    const char c = peek();
    constexpr std::string_view kNames = "btnfr\"\\", kValues = "\b\t\n\f\r\"\\";
    if (const std::size_t i = kNames.find(c); i != std::string_view::npos && at_ < text_.size()) {
      out += kValues[i];
      ++at_;
      return true;
    }
    if (c == 'u' || c == 'U') {
      const std::size_t digits = c == 'u' ? 4 : 8;
      ++at_;
      std::uint32_t code = 0;
      for (std::size_t i = 0; i < digits; ++i) {
        const int digit = at_ < text_.size() ? hex_digit(peek()) : -1;
        if (digit < 0) return fail("an escape needs hexadecimal digits");
        code = code << 4 | static_cast<std::uint32_t>(digit);
        ++at_;
      }
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return fail("no such character");
      append_utf8(out, code);
      return true;
    }
    if (several) {
      // A backslash at the end of a line removes it and all blanks up to the next text.
      std::size_t end = at_;
      while (end < text_.size() && (text_[end] == ' ' || text_[end] == '\t')) ++end;
      const bool ends_line = text_.substr(end, 1) == "\n" || text_.substr(end, 2) == "\r\n";
      if (ends_line) {
        at_ = end;
        while (peek() == ' ' || peek() == '\t' || at_line_end()) ++at_;
        return true;
      }
    }
    return fail("an unknown escape in a text");
  }

  static bool scalar(std::string_view word, ConfigValue& out) {
    if (word == "true" || word == "false") {
      out = word == "true";
      return true;
    }
    return number(word, out) || moment(word, out);
  }

  static bool number(std::string_view word, ConfigValue& out) {
    bool negative = false, sign = false;
    std::string_view rest = word;
    if (rest.front() == '+' || rest.front() == '-') {
      negative = rest.front() == '-';
      sign = true;
      rest.remove_prefix(1);
    }
    if (rest == "inf" || rest == "nan") {
      const double value = rest == "inf" ? std::numeric_limits<double>::infinity()
                                         : std::numeric_limits<double>::quiet_NaN();
      out = negative ? -value : value;
      return true;
    }
    int base = 10;
    if (!sign && rest.size() > 2 && rest[0] == '0') {
      base = rest[1] == 'x' ? 16 : rest[1] == 'o' ? 8 : rest[1] == 'b' ? 2 : 10;
      if (base != 10) rest.remove_prefix(2);
    }
    // Underscores stand between digits only.
    std::string digits;
    for (std::size_t i = 0; i < rest.size(); ++i) {
      if (rest[i] != '_') {
        digits += rest[i];
        continue;
      }
      const auto is_base_digit = [&](char c) {
        return base == 16 ? hex_digit(c) >= 0 : is_digit(c);
      };
      if (i == 0 || i + 1 == rest.size() || !is_base_digit(rest[i - 1]) ||
          !is_base_digit(rest[i + 1])) {
        return false;
      }
    }
    if (digits.empty()) return false;
    const char* const end = digits.data() + digits.size();
    const bool leading_zero =
        base == 10 && digits.size() > 1 && digits[0] == '0' && is_digit(digits[1]);
    if (leading_zero) return false;
    std::uint64_t magnitude = 0;
    const auto whole = std::from_chars(digits.data(), end, magnitude, base);
    if (whole.ec == std::errc{} && whole.ptr == end) {
      constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
      if (magnitude > kMax + (negative ? 1 : 0)) return false;
      out = negative ? static_cast<std::int64_t>(~magnitude + 1)
                     : static_cast<std::int64_t>(magnitude);
      return true;
    }
    if (base != 10 || !is_float(digits)) return false;
    double value = 0;
    const auto broken = std::from_chars(digits.data(), end, value);
    if (broken.ptr != end || broken.ec != std::errc{}) return false;
    out = negative ? -value : value;
    return true;
  }
  // digits [. digits] [e [+-] digits], with a point or an exponent.
  static bool is_float(std::string_view text) {
    std::size_t i = 0;
    const auto digits = [&] {
      const std::size_t from = i;
      while (i < text.size() && is_digit(text[i])) ++i;
      return i > from;
    };
    if (!digits()) return false;
    bool broken = false;
    if (i < text.size() && text[i] == '.') {
      ++i;
      broken = true;
      if (!digits()) return false;
    }
    if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
      ++i;
      broken = true;
      if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
      if (!digits()) return false;
    }
    return broken && i == text.size();
  }

  // A date, a time or both, by the shape of RFC 3339. Kept as text: no key of ours is one.
  static bool moment(std::string_view word, ConfigValue& out) {
    std::string_view rest = word;
    const auto shape = [&](std::string_view wanted) {
      if (rest.size() < wanted.size()) return false;
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == '0' ? !is_digit(rest[i]) : rest[i] != wanted[i]) return false;
      }
      rest.remove_prefix(wanted.size());
      return true;
    };
    const bool date = shape("0000-00-00");
    if (date && !rest.empty()) {
      if (rest[0] != 'T' && rest[0] != 't' && rest[0] != ' ') return false;
      rest.remove_prefix(1);
    }
    if (!date || !rest.empty()) {
      if (!shape("00:00:00")) return false;
      if (!rest.empty() && rest[0] == '.') {
        rest.remove_prefix(1);
        if (rest.empty() || !is_digit(rest[0])) return false;
        while (!rest.empty() && is_digit(rest[0])) rest.remove_prefix(1);
      }
      if (date && (rest == "Z" || rest == "z")) rest = {};
      if (date && !rest.empty() && !shape("+00:00") && !shape("-00:00")) return false;
    } else if (word.size() != 10) {
      return false;
    }
    if (!rest.empty()) return false;
    out = std::string(word);
    return true;
  }

  std::string_view text_;
  TomlMistake& mistake_;
  Node root_;
  std::size_t at_ = 0;
  std::size_t values_ = 0;
};

}  // namespace

ConfigValue read_toml(std::string_view text, TomlMistake& mistake) {
  return Reader(text, mistake).read();
}

}  // namespace myst::config
