#include "core/base/url.hpp"

#include <algorithm>
#include <optional>

#include "core/base/net.hpp"
#include "core/base/text.hpp"

namespace myst {
namespace {

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_unreserved(char c) {
  return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}
// No blanks and controls, which would end a request line, and nothing outside ASCII.
bool is_printable(char c) { return c > 0x20 && c < 0x7f; }

Error malformed(const char* what) { return Error{Errc::Malformed, 0, what}; }

Status parse_host_and_port(std::string_view text, Url& url) {
  std::string_view host = text;
  std::optional<std::string_view> port;
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return malformed("url host");
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return malformed("url host");
    if (!rest.empty()) port = rest.substr(1);
    const auto address = IpAddress::parse(host);
    if (!address.ok() || !address->is_v6()) return malformed("url host");
  } else {
    if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
      host = text.substr(0, colon);
      port = text.substr(colon + 1);
    }
    if (host.empty() || host.size() > 253 ||
        !std::all_of(host.begin(), host.end(), is_unreserved)) {
      return malformed("url host");
    }
  }
  url.host = to_lower(host);
  if (port && !port->empty()) {
    const auto number = parse_decimal(*port);
    if (!number || *number == 0 || *number > 65535) return malformed("url port");
    url.port = static_cast<std::uint16_t>(*number);
  }
  return {};
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  if (text.size() > kMaxLength) return malformed("url too long");
  if (!std::all_of(text.begin(), text.end(), is_printable)) return malformed("url character");
  const std::size_t separator = text.find("://");
  if (separator == std::string_view::npos || separator == 0) return malformed("url scheme");
  Url url;
  url.scheme = to_lower(text.substr(0, separator));
  if (!is_alpha(url.scheme.front()) ||
      !std::all_of(url.scheme.begin(), url.scheme.end(), [](char c) {
        return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
      })) {
    return malformed("url scheme");
  }
  text.remove_prefix(separator + 3);
  text = text.substr(0, text.find('#'));
  const std::size_t authority_end = std::min(text.find_first_of("/?"), text.size());
  std::string_view authority = text.substr(0, authority_end);
  text.remove_prefix(authority_end);
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    url.user_info = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }
  MYST_TRY(parse_host_and_port(authority, url));
  const std::size_t question = text.find('?');
  url.path = text.substr(0, question);
  if (question != std::string_view::npos) url.query = text.substr(question + 1);
  return url;
}

std::string Url::target() const {
  return (path.empty() ? "/" : path) + (query.empty() ? "" : "?" + query);
}

std::string Url::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == 0 ? name : name + ":" + std::to_string(port);
}

std::string Url::to_string() const {
  return scheme + "://" + (user_info.empty() ? "" : user_info + "@") + authority() + path +
         (query.empty() ? "" : "?" + query);
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      append_percent(out, c);
    }
  }
  return out;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (text.size() - i < 3) return malformed("percent encoding");
    const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return malformed("percent encoding");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

Result<QueryParameters> parse_query(std::string_view query) {
  QueryParameters parameters;
  for (const std::string_view piece : split(query, '&')) {
    if (piece.empty()) continue;
    if (parameters.size() == 256) return malformed("too many query parameters");
    const std::size_t equals = std::min(piece.find('='), piece.size());
    std::string parts[2] = {std::string(piece.substr(0, equals)),
                            std::string(piece.substr(std::min(equals + 1, piece.size())))};
    for (std::string& part : parts) {
      std::replace(part.begin(), part.end(), '+', ' ');
      MYST_TRY_ASSIGN(part, percent_decode(part));
    }
    parameters.emplace_back(std::move(parts[0]), std::move(parts[1]));
  }
  return parameters;
}

}  // namespace myst
