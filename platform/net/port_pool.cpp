#include "platform/net/port_pool.hpp"

#include <errno.h>

namespace myst::platform {

Result<UdpSocket> PortPool::take(std::uint32_t mark) {
  const std::uint32_t count = end_ - start_;
  const auto offset = static_cast<std::uint32_t>(rng_.below(count));
  for (std::uint32_t i = 0; i < count; ++i) {
    UdpSocket::Options options;
    options.local.port = static_cast<std::uint16_t>(start_ + (offset + i) % count);
    options.mark = mark;
    auto socket = UdpSocket::open(loop_, options);
    // A privileged or forbidden port is as good as taken; anything else would fail again.
    if (socket.ok() || (socket.error().detail != EADDRINUSE && socket.error().detail != EACCES)) {
      return socket;
    }
  }
  return Error{Errc::Full, 0, "all UDP ports of the range are in use"};
}

Result<std::vector<UdpSocket>> PortPool::take_many(std::size_t count, std::uint32_t mark) {
  if (count == 0) return Error{Errc::Malformed, 0, "no ports asked for"};
  std::vector<UdpSocket> sockets;
  for (std::size_t i = 0; i < count; ++i) {
    MYST_TRY_ASSIGN(UdpSocket socket, take(mark));
    sockets.push_back(std::move(socket));
  }
  return sockets;
}

}  // namespace myst::platform
