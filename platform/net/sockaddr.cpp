#include "platform/net/sockaddr.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace myst::platform {

SocketAddress to_sockaddr(const Endpoint& endpoint) {
  SocketAddress out;
  const ByteSpan bytes = endpoint.ip.bytes();
  if (endpoint.ip.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
    std::memcpy(&out.storage, &v4, sizeof v4);
    out.size = sizeof v4;
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
    std::memcpy(&out.storage, &v6, sizeof v6);
    out.size = sizeof v6;
  }
  return out;
}

std::optional<Endpoint> from_sockaddr(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    return Endpoint{IpAddress::v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)};
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    ByteArray<16> bytes;
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    constexpr ByteArray<12> kMapped = {0, 0, 0, 0, 0,    0,
                                       0, 0, 0, 0, 0xff, 0xff};  // RFC 4291 2.5.5.2
    if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) {
      return Endpoint{IpAddress::v4(bytes[12], bytes[13], bytes[14], bytes[15]),
                      ntohs(v6.sin6_port)};
    }
    return Endpoint{IpAddress::v6(bytes), ntohs(v6.sin6_port)};
  }
  return std::nullopt;
}

namespace {

Endpoint endpoint_by(int (*get)(int, sockaddr*, socklen_t*), int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (get(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return from_sockaddr(reinterpret_cast<const sockaddr*>(&storage)).value_or(Endpoint{});
}

}  // namespace

Endpoint local_endpoint(int fd) { return endpoint_by(&::getsockname, fd); }
Endpoint remote_endpoint(int fd) { return endpoint_by(&::getpeername, fd); }

}  // namespace myst::platform
