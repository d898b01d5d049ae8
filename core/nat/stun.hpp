// Which port a NAT gives to a socket, asked of several STUN servers (RFC 5389 Binding; reference:
// p2p/stun.go).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"

namespace myst::core {

inline constexpr std::size_t kStunRequestSize = 20;
using StunTransaction = ByteArray<12>;

ByteArray<kStunRequestSize> stun_request(const StunTransaction& id);
struct StunAnswer {
  StunTransaction id;
  Endpoint mapped;  // IPv4
};
// Malformed: not a Binding success with an IPv4 XOR-MAPPED-ADDRESS.
Result<StunAnswer> parse_stun_answer(ByteSpan datagram);

// One socket's question. The answer is a port: what two servers agree on, or the only one that
// answered; the local port when they differ (the NAT maps by destination) or nobody answers.
class StunProbe {
 public:
  struct Config {
    Duration limit = std::chrono::seconds{2};
    // After a first answer a second one is worth no more than this.
    Duration patience = std::chrono::milliseconds{250};
    Duration repeat = std::chrono::milliseconds{400};  // one request or answer may be lost
  };
  static constexpr std::size_t kMaxServers = 8;  // further ones are not asked

  StunProbe(const Config& config, std::uint16_t local_port, std::vector<Endpoint> servers, Rng& rng,
            Instant now);

  struct Request {
    Endpoint to;
    ByteArray<kStunRequestSize> bytes;
  };
  std::optional<Request> poll_transmit();
  // True: it was an answer to this probe.
  bool handle_datagram(Instant now, ByteSpan datagram);
  void handle_timeout(Instant now);
  std::optional<Instant> next_timeout() const;

  bool done() const { return done_; }
  std::uint16_t port() const { return port_; }  // the local one until done

 private:
  void finish();
  Config config_;
  std::vector<Endpoint> servers_;
  StunTransaction id_{};             // the last byte is the server's index
  std::uint32_t unsent_ = 0;         // bit per server
  std::uint32_t answered_ = 0;       // bit per server
  std::vector<std::uint16_t> seen_;  // at most two ports
  Instant give_up_at_;
  std::optional<Instant> repeat_at_;
  std::uint16_t port_;
  bool done_ = false;
};

}  // namespace myst::core
