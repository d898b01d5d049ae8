// From a host name to a connected stream: name, connection (several addresses race, RFC 8305 in
// small), TLS. One deadline covers all of it. Destroyed before it is done: given up.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "platform/loop/loop.hpp"
#include "platform/net/stream.hpp"
#include "platform/net/tls_trust.hpp"

namespace myst::platform {

struct DialOptions {
  std::string host;  // a name or a numeric address, which is dialled at once
  std::uint16_t port = 0;
  bool tls = false;
  std::string tls_name;                   // name in the certificate; empty: host
  std::shared_ptr<const TlsTrust> trust;  // null: the system's authorities
  std::optional<IpAddress> bind;          // local address
  std::uint32_t mark = 0;                 // SO_MARK; 0: none
  Duration timeout = std::chrono::seconds{15};
  std::size_t write_limit = Stream::kDefaultWriteLimit;
};

class Dial {
 public:
  // Once. NotFound/Unavailable: the name; Timeout; Unauthorized: the certificate (detail: mbedtls
  // verification flags); Io: the last address's errno.
  using Callback = std::function<void(Result<std::unique_ptr<Stream>>)>;

  Dial(Loop& loop, DialOptions options, Callback callback);  // never calls back at once
  ~Dial();
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace myst::platform
