// Where a broker is: "nats://[user[:password]@]host[:port]".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace myst::core {

struct BrokerAddress {
  std::string host;  // a name or an IP address; an IPv6 address without brackets
  std::uint16_t port = 4222;
  std::string user;
  std::string password;
  bool tls = false;  // scheme tls://: refuse a server that does not offer TLS

  // Without a scheme nats:// is meant, without a port 4222. Malformed: a blank in the host, an
  // empty host, a port that is not a number from 1 to 65535, another scheme, or a path.
  static Result<BrokerAddress> parse(std::string_view text);
  // Always with scheme and port, never with the password: this is what goes into contacts and logs.
  std::string to_string() const;
  bool operator==(const BrokerAddress& o) const {
    return host == o.host && port == o.port && user == o.user && password == o.password &&
           tls == o.tls;
  }
};

}  // namespace myst::core
