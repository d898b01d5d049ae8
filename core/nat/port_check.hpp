// Can the internet reach a port of ours? A server is asked, from another socket, to send 16 bytes
// of our choice to it from another address (reference: core/port/reachability.go).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/rng.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"

namespace myst::core {

// port big-endian | UUID: what asks for the check.
inline constexpr std::size_t kPortProbeSize = 18;
ByteArray<kPortProbeSize> port_probe(std::uint16_t port, const ByteArray<16>& uuid);

class PortCheck {
 public:
  static constexpr Duration kLimit = std::chrono::seconds{2};
  static constexpr std::size_t kMaxServers = 4;  // further ones are not asked
  static constexpr unsigned kCopies = 3;         // to each server, as the reference does

  PortCheck(std::uint16_t port, std::vector<Endpoint> servers, Rng& rng, Instant now);

  struct Probe {
    Endpoint to;
    ByteArray<kPortProbeSize> bytes;
  };
  std::optional<Probe> poll_transmit();  // goes out of a socket that is not the checked one
  // Of a datagram on the checked socket; true: it was the server's.
  bool handle_datagram(ByteSpan datagram);
  void handle_timeout(Instant now);
  std::optional<Instant> next_timeout() const;

  bool done() const { return done_; }
  bool reachable() const { return reachable_; }

 private:
  std::uint16_t port_;
  std::vector<Endpoint> servers_;
  ByteArray<16> uuid_;
  Instant give_up_at_;
  std::size_t sent_ = 0;  // probes handed out
  bool done_ = false;
  bool reachable_ = false;
};

}  // namespace myst::core
