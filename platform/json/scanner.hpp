// Checks that a text is one JSON value by RFC 8259 and finds the numbers cJSON would not keep.
// Private to platform/json.
#pragma once

#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "platform/json/json.hpp"

namespace myst::json {

struct NumberToken {
  std::size_t index;      // among all numbers of the text, in document order
  std::string_view text;  // a part of the scanned text
};

// Numbers that are not integers of at most 15 digits, in document order.
Result<std::vector<NumberToken>> scan(std::string_view text, const Limits& limits);

}  // namespace myst::json
