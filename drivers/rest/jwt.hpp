// Tokens of the API: JWT, HS256, claims `username` and `exp` and nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/span.hpp"

namespace myst::rest {

std::string make_token(ByteSpan key, std::string_view username, std::int64_t expires_at);
// The user name. Malformed: no token; Rejected: another algorithm or a bad signature; Timeout:
// expired.
Result<std::string> check_token(ByteSpan key, std::string_view token, std::int64_t now);

// The token of a request: the Authorization header alone when it is there, else the cookie.
// NotFound: none. Malformed: a header that is not two words "Bearer x".
Result<std::string> find_token(std::string_view authorization, std::string_view cookie);

}  // namespace myst::rest
