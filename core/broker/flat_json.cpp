#include "core/broker/flat_json.hpp"

namespace myst::core {
namespace {

void skip_blanks(std::string_view& text) {
  const std::size_t from = text.find_first_not_of(" \t\r\n");
  text.remove_prefix(from == std::string_view::npos ? text.size() : from);
}

// Length of the quoted text at the front, quotes included; 0: not one.
std::size_t quoted_length(std::string_view text) {
  if (text.empty() || text.front() != '"') return 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1;
    }
  }
  return 0;
}

// Length of the value at the front; 0: malformed. Nested values are only balanced, not checked.
std::size_t value_length(std::string_view text) {
  if (text.empty()) return 0;
  if (text.front() == '"') return quoted_length(text);
  if (text.front() != '{' && text.front() != '[') {
    const std::size_t end = text.find_first_of(",} \t\r\n");
    return end == std::string_view::npos ? 0 : end;
  }
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      const std::size_t length = quoted_length(text.substr(i));
      if (length == 0) return 0;
      i += length - 1;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (--depth == 0) return i + 1;
    }
  }
  return 0;
}

}  // namespace

std::optional<FlatJson::Member> FlatJson::fail() {
  done_ = true;
  ok_ = false;
  return std::nullopt;
}

std::optional<FlatJson::Member> FlatJson::next() {
  if (done_) return std::nullopt;
  skip_blanks(rest_);
  if (rest_.empty()) return fail();
  const char expected = started_ ? ',' : '{';
  if (started_ && rest_.front() == '}') {
    rest_.remove_prefix(1);
    skip_blanks(rest_);
    done_ = true;
    ok_ = rest_.empty();
    return std::nullopt;
  }
  if (rest_.front() != expected) return fail();
  rest_.remove_prefix(1);
  skip_blanks(rest_);
  if (!started_ && !rest_.empty() && rest_.front() == '}') {
    started_ = true;
    return next();
  }
  started_ = true;
  const std::size_t name = quoted_length(rest_);
  if (name == 0) return fail();
  Member member;
  member.name = rest_.substr(1, name - 2);
  rest_.remove_prefix(name);
  skip_blanks(rest_);
  if (rest_.empty() || rest_.front() != ':') return fail();
  rest_.remove_prefix(1);
  skip_blanks(rest_);
  const std::size_t value = value_length(rest_);
  if (value == 0) return fail();
  member.value = rest_.substr(0, value);
  rest_.remove_prefix(value);
  return member;
}

}  // namespace myst::core
