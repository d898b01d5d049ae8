#include "drivers/rest/jwt.hpp"

#include "core/base/secret.hpp"
#include "core/base/text.hpp"
#include "core/crypto/sha2.hpp"
#include "core/market/filter.hpp"
#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"

namespace myst::rest {
namespace {

constexpr char kHeader[] = R"({"alg":"HS256","typ":"JWT"})";
constexpr std::size_t kLongest = 4096;

}  // namespace

std::string make_token(ByteSpan key, std::string_view username, std::int64_t expires_at) {
  std::string claims;
  json::Writer(claims)
      .begin_object()
      .member("username", username)
      .member("exp", expires_at)
      .end_object();
  std::string token = to_base64url(as_bytes(kHeader)) + "." + to_base64url(as_bytes(claims));
  const std::string signature = to_base64url(hmac_sha256(key, as_bytes(token)));
  return token + "." + signature;
}

Result<std::string> check_token(ByteSpan key, std::string_view token, std::int64_t now) {
  const Error bad{Errc::Malformed, 0, "token"};
  if (token.size() > kLongest) return bad;
  const std::vector<std::string_view> parts = split(token, '.');
  if (parts.size() != 3) return bad;
  MYST_TRY_ASSIGN(const Bytes header, from_base64url(parts[0]));
  MYST_TRY_ASSIGN(const Bytes claims, from_base64url(parts[1]));
  MYST_TRY_ASSIGN(const Bytes signature, from_base64url(parts[2]));
  MYST_TRY_ASSIGN(const json::Document head, json::Document::parse(as_text(header)));
  // The algorithm is ours to choose, never the token's.
  if (head.root()["alg"].string_or("") != "HS256") {
    return Error{Errc::Rejected, 0, "token algorithm"};
  }
  const std::string_view body = token.substr(0, parts[0].size() + 1 + parts[1].size());
  if (key.empty() || !equal_constant_time(hmac_sha256(key, as_bytes(body)), signature)) {
    return Error{Errc::Rejected, 0, "token signature"};
  }
  MYST_TRY_ASSIGN(const json::Document document, json::Document::parse(as_text(claims)));
  MYST_TRY_ASSIGN(const double expiry, document.root()["exp"].number());
  if (!(static_cast<double>(now) < expiry)) return Error{Errc::Timeout, 0, "token expired"};
  return document.root()["username"].string_or("");
}

Result<std::string> find_token(std::string_view authorization, std::string_view cookie) {
  if (!authorization.empty()) {
    const std::vector<std::string_view> words = split(authorization, ' ');
    if (words.size() != 2 || !equal_ignoring_case(words[0], "bearer")) {
      return Error{Errc::Malformed, 0, "authorization header"};
    }
    return std::string(words[1]);
  }
  for (const std::string_view piece : split(cookie, ';')) {
    const std::string_view pair = trim(piece);
    if (pair.substr(0, 6) == "token=") return core::form_decode(pair.substr(6));
  }
  return Error{Errc::NotFound, 0, "no token"};
}

}  // namespace myst::rest
