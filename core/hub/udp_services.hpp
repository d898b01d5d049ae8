// The hub's two UDP services as pure functions: STUN (RFC 5389 binding, what a node needs to learn
// its mapped port) and the open-port check (node: core/port/reachability.go).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "core/base/net.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"

namespace myst::core {

// The binding success response with XOR-MAPPED-ADDRESS; nullopt: not a binding request, no answer.
// Attributes of the request are not looked at: this server asks for no authentication, and a reply
// (32 or 44 bytes) is hardly longer than the shortest request.
std::optional<Bytes> answer_stun(ByteSpan request, const Endpoint& from);

struct PortProbe {
  Endpoint to;            // the sender's address, at the port it asks about
  ByteArray<16> token{};  // what goes back, from another socket
};
// nullopt: too short, port 0. The probe is u16 big-endian port and 16 bytes.
std::optional<PortProbe> parse_port_probe(ByteSpan datagram, const Endpoint& from);

// How many answers one address gets a second: probes come in threes for each port and server.
// Full: all counts start anew, which errs on the side of answering (sources can be forged).
class ProbeLimiter {
 public:
  static constexpr std::size_t kMaxAddresses = 4096;
  explicit ProbeLimiter(unsigned per_second) : per_second_(per_second) {}
  bool allow(Instant now, const IpAddress& address);

 private:
  struct Window {
    Instant start;
    unsigned count = 0;
  };
  unsigned per_second_;
  std::map<IpAddress, Window> windows_;
};

}  // namespace myst::core
