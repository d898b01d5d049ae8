// A small internet for tests: hosts behind NAT boxes of several kinds, paths with delay, loss,
// duplicates and a number of hops, a virtual clock, everything by a seed.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "tests/support/support.hpp"

namespace myst::test {

enum class NatKind : std::uint8_t {
  None,            // public address, every port reachable
  FullCone,        // one mapping a socket, anybody may use it
  PortRestricted,  // one mapping a socket, only for whom it has sent to
  Symmetric,       // a mapping for each destination
};

class VirtualNet {
 public:
  struct Path {
    unsigned loss_percent = 0;
    unsigned duplicate_percent = 0;
    Duration delay = std::chrono::milliseconds{10};
    Duration jitter{};
    unsigned hops = 8;  // routers between two NAT boxes
  };
  using OnDatagram = std::function<void(Instant now, const Endpoint& from, ByteSpan bytes)>;

  VirtualNet(std::uint64_t seed, const Path& path) : rng_(seed), path_(path) {}

  std::size_t add_host(const IpAddress& public_ip, NatKind nat);
  void bind(std::size_t host, std::uint16_t port, OnDatagram on_datagram);
  void unbind(std::size_t host, std::uint16_t port);
  void send(Instant now, std::size_t host, std::uint16_t port, const Endpoint& to, unsigned ttl,
            ByteSpan bytes);
  std::optional<Instant> next_event() const;
  void deliver(Instant now);
  std::uint64_t random(std::uint64_t bound) { return rng_.below(bound); }
  std::size_t delivered() const { return delivered_; }
  // Datagrams between NAT boxes that get lost, by their public ends.
  std::function<bool(Instant now, const Endpoint& from, const Endpoint& to)> lost;

 private:
  struct Mapping {
    std::uint16_t local_port;
    Endpoint destination;  // Symmetric only
    std::map<Endpoint, bool> sent_to;
  };
  struct Host {
    IpAddress ip;
    NatKind nat;
    std::map<std::uint16_t, OnDatagram> sockets;
    std::map<std::uint16_t, Mapping> mappings;  // by external port
  };
  struct Flying {
    std::size_t host;  // 127.0.0.1: the sender's
    bool local;
    Endpoint from, to;
    Bytes bytes;
  };
  std::uint16_t external_port(Host& host, std::uint16_t port, const Endpoint& to);

  SeededRng rng_;
  Path path_;
  std::vector<Host> hosts_;
  std::multimap<Instant, Flying> flying_;
  std::uint16_t next_external_ = 40000;
  std::size_t delivered_ = 0;
};

}  // namespace myst::test
