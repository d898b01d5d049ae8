// UDP ports for peers: bound, not merely found free, so nobody can come between.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "platform/loop/loop.hpp"
#include "platform/net/udp_socket.hpp"

namespace myst::platform {

class PortPool {
 public:
  // The end is not part of it (node: core/port/range.go); equal to the start it means that one
  // port.
  PortPool(Loop& loop, Rng& rng, std::uint16_t start, std::uint16_t end)
      : loop_(loop), rng_(rng), start_(start), end_(end > start ? end : std::uint32_t{start} + 1) {}

  // A socket on all IPv4 addresses: a random port, or the next free one upward with wrap. Full: all
  // are taken. `mark`: see UdpSocket::Options.
  Result<UdpSocket> take(std::uint32_t mark = 0);
  // All or none. Malformed: count is 0.
  Result<std::vector<UdpSocket>> take_many(std::size_t count, std::uint32_t mark = 0);

 private:
  Loop& loop_;
  Rng& rng_;
  const std::uint32_t start_, end_;
};

}  // namespace myst::platform
