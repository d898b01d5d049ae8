// Opens paths through NATs: both sides send pings from each of their sockets to the other's socket
// of the same index until two sockets hear each other (reference: nat/traversal/pinger.go). Lower
// index of the two: channel, higher: service. Sans-IO over socket indices.
//
//   provider: pings with a low TTL, which open its own NAT without arriving at the other
//   ping or OK heard -> note the source, answer OK; provider repeats OK until OK_ACK
//   consumer: OK heard -> usable; the first two usable get OK_ACK, the others are closed
//
// Beyond the reference, and invisible to it: the consumer repeats OK and OK_ACK, takes an OK that
// answers its own ping as final, and pings thin out after a second.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"

namespace myst::core {

class HolePuncher {
 public:
  enum class Role : std::uint8_t { Consumer, Provider };
  static constexpr std::uint8_t kTtl = 128;  // the consumer's pings, and everything once heard
  static constexpr std::size_t kWanted = 2;

  struct Config {
    Role role = Role::Consumer;
    IpAddress peer;                           // IPv4
    std::vector<std::uint16_t> remote_ports;  // by index; as many as we have sockets
    std::uint8_t initial_ttl = 1;             // provider
    Duration limit = std::chrono::seconds{10};
    Duration ping_interval = std::chrono::milliseconds{5};
    Duration slow_ping_interval = std::chrono::milliseconds{25};  // after slow_after
    Duration slow_after = std::chrono::seconds{1};
    Duration repeat = std::chrono::milliseconds{100};
    unsigned ack_repeats = 3;  // further OK_ACKs, each `repeat` after the one before
  };

  struct Transmit {
    std::size_t index;
    Endpoint to;
    std::uint8_t ttl;
    std::uint8_t size;
    ByteArray<64> bytes;
    ByteSpan payload() const { return ByteSpan(bytes).first(size); }
  };
  struct Chosen {
    std::size_t index;
    Endpoint peer;
  };
  struct Pair {
    Chosen channel;
    Chosen service;
  };

  HolePuncher(const Config& config, Instant now);

  void handle_datagram(Instant now, std::size_t index, const Endpoint& from, ByteSpan datagram);
  void handle_timeout(Instant now);
  std::optional<Transmit> poll_transmit();
  std::optional<Instant> next_timeout() const;

  // Set once two sockets agree; the consumer still repeats OK_ACK for a moment after that.
  const std::optional<Pair>& pair() const { return pair_; }
  // Consumer: what is left of the repeats, now and at once. For an owner that ends before their
  // time: without any OK_ACK the provider would never be done.
  void hurry();
  bool failed() const { return failed_; }
  std::size_t heard() const;  // sockets the peer was heard on: tells "no path" from "no answer"

  // The TTL of the provider's pings from socket `index` of `count`: 1..10 twice for 20 sockets.
  static std::uint8_t provider_ttl(std::uint8_t initial, std::size_t index, std::size_t count);

 private:
  enum class State : std::uint8_t { Ping, Heard, Usable, Closed };
  struct Socket {
    State state = State::Ping;
    Endpoint peer;  // from Heard on: the noted source
    Instant repeat_at{};
    bool ping_due = false;
    bool ok_due = false;
    unsigned acks_due = 0;
  };

  void hear(Instant now, Socket& socket, const Endpoint& from, bool is_ok);
  void use(Socket& socket, Instant now);
  void choose(Instant now);
  Transmit message(std::size_t index, const Endpoint& to, std::uint8_t ttl,
                   std::string_view text) const;

  Config config_;
  std::vector<Socket> sockets_;
  std::vector<std::size_t> usable_;  // in the order they became so, at most kWanted
  std::optional<Pair> pair_;
  Instant start_;
  Instant next_ping_;
  Instant give_up_at_;
  std::optional<Instant> ack_at_;
  unsigned acks_left_ = 0;
  bool failed_ = false;
};

}  // namespace myst::core
