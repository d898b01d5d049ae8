#include "platform/json/writer.hpp"

#include <cjson/cJSON.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "core/base/text.hpp"

namespace myst::json {
namespace {

// Length of the valid UTF-8 character at the start of text; 0: none.
std::size_t character_size(std::string_view text) {
  for (std::size_t size = 1; size <= 4 && size <= text.size(); ++size) {
    if (is_utf8(text.substr(0, size))) return size;
  }
  return 0;
}

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text[0]);
    std::size_t size = 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += text[0];
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < 0x20) {
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else if (c < 0x80) {
      out += text[0];
    } else if (size = character_size(text); size != 0) {
      out += text.substr(0, size);
    } else {
      out += "\xef\xbf\xbd";
      size = 1;
    }
    text.remove_prefix(size);
  }
  out += '"';
}

Writer& Writer::key(std::string_view name) {
  separate();
  append_quoted(*out_, name);
  *out_ += ':';
  comma_ = false;
  return *this;
}

Writer& Writer::value(std::string_view text) {
  separate();
  append_quoted(*out_, text);
  return *this;
}

Writer& Writer::value(const U256& number) {
  std::array<char, U256::kMaxDigits> digits;
  const std::size_t size = number.write_decimal(digits);
  return raw({digits.data(), size});
}

Writer& Writer::value(double number) {
  if (!std::isfinite(number)) return null();
  char text[32];
  for (int precision = 15; precision <= 17; ++precision) {
    (void)std::snprintf(text, sizeof text, "%.*g", precision, number);
    if (std::strtod(text, nullptr) == number) break;
  }
  return raw(text);
}

Writer& Writer::value(Value copied) {
  if (copied.is_object()) {
    begin_object();
    for (const auto& [name, child] : copied) key(name).value(child);
    return end_object();
  }
  if (copied.is_array()) {
    begin_array();
    for (const auto& [name, child] : copied) value(child);
    return end_array();
  }
  if (copied.is_string()) return value(*copied.string());
  if (copied.is_bool()) return value(*copied.boolean());
  if (!copied.is_number()) return null();
  if ((copied.node_->type & 0xff) == cJSON_Raw) return raw(copied.node_->valuestring);
  return integer(static_cast<std::int64_t>(copied.node_->valuedouble));
}

Writer& Writer::raw(std::string_view json) {
  separate();
  *out_ += json;
  return *this;
}

Writer& Writer::open(char bracket) {
  separate();
  *out_ += bracket;
  comma_ = false;
  return *this;
}

Writer& Writer::close(char bracket) {
  *out_ += bracket;
  comma_ = true;
  return *this;
}

Writer& Writer::integer(std::int64_t number) { return raw(std::to_string(number)); }
Writer& Writer::unsigned_integer(std::uint64_t number) { return raw(std::to_string(number)); }

void Writer::separate() {
  if (comma_) *out_ += ',';
  comma_ = true;
}

}  // namespace myst::json
