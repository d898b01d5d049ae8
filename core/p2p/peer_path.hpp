// Where a peer's datagrams go. Its port may change under way (NAT), its address never (reference:
// p2p/channel.go); and only a datagram that proved to be the peer's moves the port.
#pragma once

#include "core/base/net.hpp"

namespace myst::core {

class PeerPath {
 public:
  explicit PeerPath(const Endpoint& peer) : peer_(peer) {}
  const Endpoint& peer() const { return peer_; }
  // After Channel::handle_datagram accepted a datagram from there. True: the port has changed.
  bool authenticated(const Endpoint& from) {
    if (from.ip != peer_.ip || from.port == peer_.port) return false;
    peer_.port = from.port;
    return true;
  }

 private:
  Endpoint peer_;
};

}  // namespace myst::core
