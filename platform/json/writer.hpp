// JSON written straight into a string: no tree, numbers of any length, members in the order given.
//
//   std::string text;
//   json::Writer(text).begin_object().member("amount", wei).member("id", id).end_object();
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/base/u256.hpp"
#include "platform/json/json.hpp"

namespace myst::json {

class Writer {
 public:
  explicit Writer(std::string& out) : out_(&out) {}

  Writer& begin_object() { return open('{'); }
  Writer& end_object() { return close('}'); }
  Writer& begin_array() { return open('['); }
  Writer& end_array() { return close(']'); }
  Writer& key(std::string_view name);

  Writer& value(std::string_view text);  // invalid UTF-8 becomes U+FFFD
  Writer& value(const char* text) { return value(std::string_view(text)); }
  Writer& value(const std::string& text) { return value(std::string_view(text)); }
  Writer& value(bool b) { return raw(b ? "true" : "false"); }
  Writer& value(const U256& number);
  Writer& value(double number);  // shortest text that reads back the same; not finite: null
  Writer& value(Value copied);   // a missing value: null
  template <typename T, typename = std::enable_if_t<std::is_integral_v<T>>>
  Writer& value(T number) {
    if constexpr (std::is_signed_v<T>) {
      return integer(static_cast<std::int64_t>(number));
    } else {
      return unsigned_integer(static_cast<std::uint64_t>(number));
    }
  }
  Writer& null() { return raw("null"); }
  // Text that is JSON already.
  Writer& raw(std::string_view json);

  template <typename T>
  Writer& member(std::string_view name, const T& v) {
    return key(name).value(v);
  }

 private:
  Writer& open(char bracket);
  Writer& close(char bracket);
  Writer& integer(std::int64_t number);
  Writer& unsigned_integer(std::uint64_t number);
  void separate();
  std::string* out_;
  bool comma_ = false;  // a value stands before the next one at this level
};

void append_quoted(std::string& out, std::string_view text);

}  // namespace myst::json
