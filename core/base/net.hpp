// Addresses as values: IPv4 and IPv6, with or without port or prefix length. Text forms only; no
// name is ever resolved here.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/span.hpp"

namespace myst {

class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  static IpAddress v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d);
  static IpAddress v4(std::uint32_t host_order);
  static IpAddress v6(const ByteArray<16>& bytes);
  // Dotted quad without leading zeros, or RFC 4291 text without zone.
  static Result<IpAddress> parse(std::string_view text);

  bool is_v4() const { return !v6_; }
  bool is_v6() const { return v6_; }
  ByteSpan bytes() const { return ByteSpan(bytes_).first(v6_ ? 16 : 4); }  // network order
  std::uint32_t v4_host_order() const;                                     // 0 for an IPv6 address
  bool is_unspecified() const;
  bool is_loopback() const;
  // RFC 1918, RFC 6598, loopback, link-local; for IPv6 ULA, link-local, loopback.
  bool is_private() const;
  std::string to_string() const;

  bool operator==(const IpAddress& o) const { return v6_ == o.v6_ && bytes_ == o.bytes_; }
  bool operator!=(const IpAddress& o) const { return !(*this == o); }
  bool operator<(const IpAddress& o) const {
    return v6_ != o.v6_ ? v6_ < o.v6_ : bytes_ < o.bytes_;
  }

 private:
  ByteArray<16> bytes_{};
  bool v6_ = false;
};

struct Endpoint {
  IpAddress ip;
  std::uint16_t port = 0;
  // "1.2.3.4:5" or "[::1]:5".
  static Result<Endpoint> parse(std::string_view text);
  std::string to_string() const;
  bool operator==(const Endpoint& o) const { return ip == o.ip && port == o.port; }
  bool operator!=(const Endpoint& o) const { return !(*this == o); }
  bool operator<(const Endpoint& o) const { return ip != o.ip ? ip < o.ip : port < o.port; }
};

// An address with prefix length; host bits are kept ("10.182.3.2/24" stays that).
struct IpPrefix {
  IpAddress ip;
  std::uint8_t length = 0;
  static Result<IpPrefix> parse(std::string_view text);  // without "/n": a single host
  std::string to_string() const;
  bool contains(const IpAddress& address) const;
  IpPrefix network() const;  // host bits cleared
  bool operator==(const IpPrefix& o) const { return ip == o.ip && length == o.length; }
};

}  // namespace myst
