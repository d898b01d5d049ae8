#include "core/base/net.hpp"

#include <algorithm>
#include <cstdio>

#include "core/base/text.hpp"

namespace myst {
namespace {

Result<IpAddress> parse_v4(std::string_view text) {
  ByteArray<4> quad{};
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t end = i < 3 ? text.find('.') : text.size();
    if (end == std::string_view::npos) return Error{Errc::Malformed, 0, "IPv4 address"};
    const std::string_view part = text.substr(0, end);
    const auto value = parse_decimal(part);
    if (!value || *value > 255 || (part.size() > 1 && part[0] == '0')) {
      return Error{Errc::Malformed, 0, "IPv4 address"};
    }
    quad[i] = static_cast<std::uint8_t>(*value);
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return IpAddress::v4(quad[0], quad[1], quad[2], quad[3]);
}

// One side of "::" or the whole address: groups of up to four hex digits, the last may be IPv4.
Result<Bytes> parse_groups(std::string_view text) {
  Bytes out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(':'), text.size());
    const std::string_view group = text.substr(0, end);
    if (end == text.size() && group.find('.') != std::string_view::npos) {
      MYST_TRY_ASSIGN(const IpAddress tail, parse_v4(group));
      out.insert(out.end(), tail.bytes().begin(), tail.bytes().end());
      return out;
    }
    if (group.empty() || group.size() > 4) return Error{Errc::Malformed, 0, "IPv6 address"};
    unsigned value = 0;
    for (const char c : group) {
      const int digit = hex_digit(c);
      if (digit < 0) return Error{Errc::Malformed, 0, "IPv6 address"};
      value = value * 16 + static_cast<unsigned>(digit);
    }
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value & 0xff));
    if (out.size() > 16) return Error{Errc::Malformed, 0, "IPv6 address"};
    if (end == text.size()) break;
    text.remove_prefix(end + 1);
    if (text.empty()) return Error{Errc::Malformed, 0, "IPv6 address"};
  }
  return out;
}

Result<IpAddress> parse_v6(std::string_view text) {
  ByteArray<16> bytes{};
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) {
    MYST_TRY_ASSIGN(const Bytes all, parse_groups(text));
    if (all.size() != 16) return Error{Errc::Malformed, 0, "IPv6 address"};
    std::copy(all.begin(), all.end(), bytes.begin());
    return IpAddress::v6(bytes);
  }
  if (text.find("::", gap + 1) != std::string_view::npos) {
    return Error{Errc::Malformed, 0, "IPv6 address"};
  }
  MYST_TRY_ASSIGN(const Bytes head, parse_groups(text.substr(0, gap)));
  MYST_TRY_ASSIGN(const Bytes tail, parse_groups(text.substr(gap + 2)));
  if (head.size() + tail.size() > 14) return Error{Errc::Malformed, 0, "IPv6 address"};
  std::copy(head.begin(), head.end(), bytes.begin());
  std::copy(tail.begin(), tail.end(), bytes.end() - static_cast<std::ptrdiff_t>(tail.size()));
  return IpAddress::v6(bytes);
}

bool same_prefix(ByteSpan a, ByteSpan b, std::size_t bits) {
  const std::size_t whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  const std::size_t rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff00u >> rest);
  return ((a[whole] ^ b[whole]) & mask) == 0;
}

}  // namespace

IpAddress IpAddress::v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  IpAddress ip;
  ip.bytes_ = {a, b, c, d};
  return ip;
}

IpAddress IpAddress::v4(std::uint32_t host_order) {
  return v4(static_cast<std::uint8_t>(host_order >> 24),
            static_cast<std::uint8_t>(host_order >> 16), static_cast<std::uint8_t>(host_order >> 8),
            static_cast<std::uint8_t>(host_order));
}

IpAddress IpAddress::v6(const ByteArray<16>& bytes) {
  IpAddress ip;
  ip.bytes_ = bytes;
  ip.v6_ = true;
  return ip;
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  return text.find(':') == std::string_view::npos ? parse_v4(text) : parse_v6(text);
}

std::uint32_t IpAddress::v4_host_order() const {
  if (v6_) return 0;
  return std::uint32_t{bytes_[0]} << 24 | std::uint32_t{bytes_[1]} << 16 |
         std::uint32_t{bytes_[2]} << 8 | bytes_[3];
}

bool IpAddress::is_unspecified() const { return bytes_ == ByteArray<16>{}; }

bool IpAddress::is_loopback() const {
  if (!v6_) return bytes_[0] == 127;
  ByteArray<16> one{};
  one[15] = 1;
  return bytes_ == one;
}

bool IpAddress::is_private() const {
  if (is_loopback()) return true;
  if (v6_) return (bytes_[0] & 0xfe) == 0xfc || (bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80);
  const auto [a, b] = std::pair(bytes_[0], bytes_[1]);
  return a == 10 || (a == 172 && (b & 0xf0) == 16) || (a == 192 && b == 168) ||
         (a == 100 && (b & 0xc0) == 64) || (a == 169 && b == 254);
}

std::string IpAddress::to_string() const {
  char out[48];
  if (!v6_) {
    std::snprintf(out, sizeof out, "%u.%u.%u.%u", bytes_[0], bytes_[1], bytes_[2], bytes_[3]);
    return out;
  }
  // RFC 5952: the longest run of two or more zero groups becomes "::".
  std::array<unsigned, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i) groups[i] = unsigned{bytes_[2 * i]} << 8 | bytes_[2 * i + 1];
  std::size_t best = 8, best_length = 1;
  for (std::size_t i = 0; i < 8;) {
    std::size_t end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > best_length) {
      best = i;
      best_length = end - i;
    }
    i = end == i ? i + 1 : end;
  }
  std::string text;
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == best) {
      text += "::";
      i += best_length - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    std::snprintf(out, sizeof out, "%x", groups[i]);
    text += out;
  }
  return text;
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Error{Errc::Malformed, 0, "address without port"};
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return Error{Errc::Malformed, 0, "IPv6 address without brackets"};
  }
  const auto port = parse_decimal(text.substr(colon + 1));
  if (!port || *port > 65535) return Error{Errc::Malformed, 0, "port"};
  MYST_TRY_ASSIGN(const IpAddress ip, IpAddress::parse(host));
  return Endpoint{ip, static_cast<std::uint16_t>(*port)};
}

std::string Endpoint::to_string() const {
  const std::string host = ip.is_v6() ? "[" + ip.to_string() + "]" : ip.to_string();
  return host + ":" + std::to_string(port);
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  MYST_TRY_ASSIGN(const IpAddress ip, IpAddress::parse(text.substr(0, slash)));
  const std::uint8_t all = ip.is_v6() ? 128 : 32;
  if (slash == std::string_view::npos) return IpPrefix{ip, all};
  const auto length = parse_decimal(text.substr(slash + 1));
  if (!length || *length > all) return Error{Errc::Malformed, 0, "prefix length"};
  return IpPrefix{ip, static_cast<std::uint8_t>(*length)};
}

std::string IpPrefix::to_string() const { return ip.to_string() + "/" + std::to_string(length); }

bool IpPrefix::contains(const IpAddress& address) const {
  return ip.is_v6() == address.is_v6() && same_prefix(ip.bytes(), address.bytes(), length);
}

IpPrefix IpPrefix::network() const {
  ByteArray<16> bytes{};
  const ByteSpan from = ip.bytes();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::size_t bits = i * 8 >= length ? 0 : std::min<std::size_t>(8, length - i * 8);
    bytes[i] = static_cast<std::uint8_t>(from[i] & (0xff00u >> bits));
  }
  if (ip.is_v6()) return {IpAddress::v6(bytes), length};
  return {IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3]), length};
}

}  // namespace myst
