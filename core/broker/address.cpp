#include "core/broker/address.hpp"

#include "core/base/net.hpp"
#include "core/base/text.hpp"

namespace myst::core {
namespace {

bool host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

Status check_host(std::string_view host, bool bracketed) {
  if (host.empty() || host.size() > 253) return Error{Errc::Malformed, 0, "broker host"};
  if (bracketed) {
    MYST_TRY(IpAddress::parse(host));
    return {};
  }
  for (const char c : host) {
    if (!host_character(c)) return Error{Errc::Malformed, 0, "broker host"};
  }
  return {};
}

}  // namespace

Result<BrokerAddress> BrokerAddress::parse(std::string_view text) {
  BrokerAddress out;
  if (const std::size_t scheme = text.find("://"); scheme != std::string_view::npos) {
    const std::string name = to_lower(text.substr(0, scheme));
    if (name != "nats" && name != "tls") return Error{Errc::Malformed, 0, "broker scheme"};
    out.tls = name == "tls";
    text.remove_prefix(scheme + 3);
  }
  if (!text.empty() && text.back() == '/') text.remove_suffix(1);
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    const std::string_view login = text.substr(0, at);
    const std::size_t colon = login.find(':');
    out.user = std::string(login.substr(0, colon));
    if (colon != std::string_view::npos) out.password = std::string(login.substr(colon + 1));
    text.remove_prefix(at + 1);
  }
  std::string_view host = text, port;
  const bool bracketed = !text.empty() && text.front() == '[';
  if (bracketed) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return Error{Errc::Malformed, 0, "broker host"};
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') return Error{Errc::Malformed, 0, "broker port"};
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  MYST_TRY(check_host(host, bracketed));
  out.host = std::string(host);
  if (!port.empty()) {
    const auto number = parse_decimal(port.substr(1));
    if (!number || *number == 0 || *number > 65535) return Error{Errc::Malformed, 0, "broker port"};
    out.port = static_cast<std::uint16_t>(*number);
  }
  return out;
}

std::string BrokerAddress::to_string() const {
  std::string out = tls ? "tls://" : "nats://";
  const bool v6 = host.find(':') != std::string::npos;
  out += v6 ? "[" + host + "]" : host;
  return out + ":" + std::to_string(port);
}

}  // namespace myst::core
