// Text codecs used everywhere: decimal, hex, base64, base64url, UTF-8 check, lower case, quotes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/span.hpp"

namespace myst {

int hex_digit(char c);  // -1: not one
// Digits only, no sign, no blanks; nullopt when empty or above 2^64 - 1.
std::optional<std::uint64_t> parse_decimal(std::string_view text);

std::string to_hex(ByteSpan bytes);                           // lower case, no 0x
Result<Bytes> from_hex(std::string_view text);                // both cases, no 0x, even length
Status from_hex(std::string_view text, MutableByteSpan out);  // exactly out.size() bytes

// RFC 3986 section 2.1: `%41`.
enum class PercentDigits : std::uint8_t { Upper, Lower };
void append_percent(std::string& out, char c, PercentDigits digits = PercentDigits::Upper);

std::string to_base64(ByteSpan bytes);                // standard alphabet, padded
Result<Bytes> from_base64(std::string_view text);     // standard alphabet, padding required
std::string to_base64url(ByteSpan bytes);             // RFC 4648 section 5, no padding
Result<Bytes> from_base64url(std::string_view text);  // no padding

bool is_utf8(std::string_view text);          // RFC 3629: no surrogates, no overlong forms
std::string to_lower(std::string_view text);  // ASCII only
bool equal_ignoring_case(std::string_view a, std::string_view b);  // ASCII only
std::string_view trim(std::string_view text);                      // blanks, tabs, line ends
// In double quotes; quotes, backslashes and control characters escaped as JSON and TOML both do.
std::string quoted(std::string_view text);
// Pieces between separators; an empty text gives no piece, an empty piece is kept.
std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace myst
