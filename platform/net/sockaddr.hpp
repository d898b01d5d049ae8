// Endpoint <-> sockaddr.
#pragma once

#include <sys/socket.h>

#include <optional>

#include "core/base/net.hpp"

namespace myst::platform {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress to_sockaddr(const Endpoint& endpoint);
// IPv4-mapped IPv6 addresses become IPv4. nullopt: another family.
std::optional<Endpoint> from_sockaddr(const sockaddr* address);
// What the socket is bound to or connected with; port 0 and 0.0.0.0 when it is neither.
Endpoint local_endpoint(int fd);
Endpoint remote_endpoint(int fd);

}  // namespace myst::platform
