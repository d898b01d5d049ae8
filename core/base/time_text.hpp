// Wall time as text: RFC 3339, and the dates of HTTP.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace myst {

// "2026-01-01T00:05:00Z", with ".123" behind the seconds when they are not whole.
std::string to_rfc3339(WallTime time);
// Any offset, any number of fraction digits (beyond milliseconds they are cut off). Years 1 to
// 9999.
Result<WallTime> parse_rfc3339(std::string_view text);
// "Sun, 06 Nov 1994 08:49:37 GMT", the one form that servers may send.
Result<WallTime> parse_http_date(std::string_view text);

}  // namespace myst
