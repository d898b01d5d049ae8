#include "platform/json/json.hpp"

#include <cjson/cJSON.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/base/text.hpp"
#include "platform/json/scanner.hpp"
#include "platform/json/writer.hpp"

namespace myst::json {
namespace {

// The text with each set-aside number replaced by 0.
std::string without_numbers(std::string_view text, const std::vector<NumberToken>& numbers) {
  std::string out;
  out.reserve(text.size());
  const char* from = text.data();
  for (const NumberToken& number : numbers) {
    out.append(from, number.text.data());
    out += '0';
    from = number.text.data() + number.text.size();
  }
  out.append(from, text.data() + text.size());
  return out;
}

// Makes a number node carry digits: cJSON prints raw nodes as they are and frees their text.
bool carry_digits(cJSON& node, std::string_view digits) {
  auto* const copy = static_cast<char*>(cJSON_malloc(digits.size() + 1));
  if (copy == nullptr) return false;
  std::memcpy(copy, digits.data(), digits.size());
  copy[digits.size()] = '\0';
  node.type = cJSON_Raw;
  node.valuestring = copy;
  return true;
}

// Walks the tree in document order; depth is bounded by Limits::max_depth.
class Restorer {
 public:
  explicit Restorer(const std::vector<NumberToken>& numbers)
      : next_(numbers.begin()), end_(numbers.end()) {}

  bool run(cJSON* node) {
    for (; node != nullptr && next_ != end_; node = node->next) {
      if (cJSON_IsNumber(node)) {
        if (index_++ != next_->index) continue;
        if (!carry_digits(*node, next_->text)) return false;
        ++next_;
      } else if (!run(node->child)) {
        return false;
      }
    }
    return true;
  }

 private:
  std::vector<NumberToken>::const_iterator next_, end_;
  std::size_t index_ = 0;
};

bool is(const cJSON* node, int type) { return node != nullptr && (node->type & 0xff) == type; }

// The digits of an integer: a raw node carries its text, a number is a short integer that is
// written into `room`.
Result<std::string_view> integer_text(const cJSON* node, std::array<char, 24>& room) {
  if (node == nullptr) return Error{Errc::NotFound, 0, "JSON value missing"};
  if (is(node, cJSON_Number)) {
    const auto end = std::to_chars(room.data(), room.data() + room.size(),
                                   static_cast<std::int64_t>(node->valuedouble));
    return std::string_view(room.data(), static_cast<std::size_t>(end.ptr - room.data()));
  }
  if (!is(node, cJSON_Raw)) return Error{Errc::Malformed, 0, "JSON value is no number"};
  const std::string_view text = node->valuestring;
  if (text.find_first_of(".eE") != std::string_view::npos) {
    return Error{Errc::Malformed, 0, "JSON number is no integer"};
  }
  return text;
}

}  // namespace

void Document::Free::operator()(cJSON* node) const { cJSON_Delete(node); }

Result<Document> Document::parse(std::string_view text, const Limits& limits) {
  MYST_TRY_ASSIGN(const auto numbers, scan(text, limits));
  cJSON* root = nullptr;
  if (numbers.empty()) {
    root = cJSON_ParseWithLength(text.data(), text.size());
  } else {
    const std::string replaced = without_numbers(text, numbers);
    root = cJSON_ParseWithLength(replaced.data(), replaced.size());
  }
  // The text is valid, so only memory can be missing.
  if (root == nullptr) return Error{Errc::Unavailable, 0, "no memory for JSON"};
  Document document(root);
  if (!Restorer(numbers).run(root)) return Error{Errc::Unavailable, 0, "no memory for JSON"};
  return document;
}

bool Value::is_null() const { return is(node_, cJSON_NULL); }
bool Value::is_bool() const { return is(node_, cJSON_True) || is(node_, cJSON_False); }
bool Value::is_number() const { return is(node_, cJSON_Number) || is(node_, cJSON_Raw); }
bool Value::is_string() const { return is(node_, cJSON_String); }
bool Value::is_array() const { return is(node_, cJSON_Array); }
bool Value::is_object() const { return is(node_, cJSON_Object); }

Value Value::get(std::string_view name, Case compare) const {
  Value found;
  if (!is_object()) return found;
  for (const auto& [key, value] : *this) {
    if (compare == Case::Exact ? key == name : equal_ignoring_case(key, name)) found = value;
  }
  return found;
}

Value::Iterator Value::begin() const {
  return Iterator(is_object() || is_array() ? node_->child : nullptr);
}
Value::Iterator Value::end() const { return Iterator(nullptr); }

std::size_t Value::size() const {
  std::size_t count = 0;
  for (auto it = begin(); it != end(); ++it) ++count;
  return count;
}

Member Value::Iterator::operator*() const {
  return {node_->string == nullptr ? std::string_view() : node_->string, Value(node_)};
}

Value::Iterator& Value::Iterator::operator++() {
  node_ = node_->next;
  return *this;
}

Result<bool> Value::boolean() const {
  if (!exists()) return Error{Errc::NotFound, 0, "JSON value missing"};
  if (!is_bool()) return Error{Errc::Malformed, 0, "JSON value is no boolean"};
  return is(node_, cJSON_True);
}

Result<std::string_view> Value::string() const {
  if (!exists()) return Error{Errc::NotFound, 0, "JSON value missing"};
  if (!is_string()) return Error{Errc::Malformed, 0, "JSON value is no string"};
  return std::string_view(node_->valuestring);
}

Result<std::uint64_t> Value::u64() const {
  std::array<char, 24> room;
  MYST_TRY_ASSIGN(const std::string_view text, integer_text(node_, room));
  const auto value = parse_decimal(text);
  if (!value) return Error{Errc::Malformed, 0, "JSON integer out of range"};
  return *value;
}

Result<std::int64_t> Value::i64() const {
  std::array<char, 24> room;
  MYST_TRY_ASSIGN(const std::string_view text, integer_text(node_, room));
  const bool negative = !text.empty() && text[0] == '-';
  const auto magnitude = parse_decimal(text.substr(negative ? 1 : 0));
  const std::uint64_t most = static_cast<std::uint64_t>(INT64_MAX) + (negative ? 1 : 0);
  if (!magnitude || *magnitude > most) {
    return Error{Errc::Malformed, 0, "JSON integer out of range"};
  }
  return static_cast<std::int64_t>(negative ? 0 - *magnitude : *magnitude);
}

Result<U256> Value::u256() const {
  std::array<char, 24> room;
  MYST_TRY_ASSIGN(const std::string_view text, integer_text(node_, room));
  return U256::parse(text);
}

Result<double> Value::number() const {
  if (!exists()) return Error{Errc::NotFound, 0, "JSON value missing"};
  if (is(node_, cJSON_Number)) return node_->valuedouble;
  if (!is(node_, cJSON_Raw)) return Error{Errc::Malformed, 0, "JSON value is no number"};
  // The text is a JSON number, which strtod reads in the C locale: no program of ours sets another.
  return std::strtod(node_->valuestring, nullptr);
}

bool Value::boolean_or(bool other) const {
  const auto value = boolean();
  return value.ok() ? *value : other;
}

std::string Value::string_or(std::string_view other) const {
  const auto value = string();
  return std::string(value.ok() ? *value : other);
}

std::int64_t Value::i64_or(std::int64_t other) const {
  const auto value = i64();
  return value.ok() ? *value : other;
}

double Value::number_or(double other) const {
  const auto value = number();
  return value.ok() ? *value : other;
}

std::string Value::to_text() const {
  std::string text;
  Writer(text).value(*this);
  return text;
}

}  // namespace myst::json
