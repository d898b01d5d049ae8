// URLs and their pieces as text; nothing is looked up.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"

namespace myst {

struct Url {
  std::string scheme;  // lower case
  std::string user_info;
  std::string host;        // lower case; IPv6 without its brackets
  std::uint16_t port = 0;  // 0: none was given
  std::string path;        // as written, percent-encoded; may be empty
  std::string query;       // as written, without the "?"

  // scheme://[user@]host[:port][/path][?query]; a #fragment is dropped. RFC 3986, but the host may
  // hold only letters, digits and "-._~". At most kMaxLength bytes.
  static Result<Url> parse(std::string_view text);
  static constexpr std::size_t kMaxLength = 8192;

  std::uint16_t port_or(std::uint16_t otherwise) const { return port != 0 ? port : otherwise; }
  std::string target() const;     // path and query as an HTTP request line wants them
  std::string authority() const;  // host[:port], IPv6 in brackets
  std::string to_string() const;
};

// Everything but letters, digits and "-._~" as %XX.
std::string percent_encode(std::string_view text);
Result<std::string> percent_decode(std::string_view text);

using QueryParameters = std::vector<std::pair<std::string, std::string>>;
// "a=1&b=x%20y" ("+" is a blank). Malformed: a broken %XX, or more than 256 pairs.
Result<QueryParameters> parse_query(std::string_view query);

}  // namespace myst
