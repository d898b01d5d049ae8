// The provider's side of dialling for one service: answers key exchanges from the broker, finds
// ports a consumer can reach, and opens a channel for each consumer, many at once (reference:
// p2p/listener.go). Sans-IO, see consumer_dial.hpp for the calling pattern.
//
// Output per exchange: one ChannelOpened or one DialogFailed. After ChannelOpened the owner has its
// handlers registered before it executes the next action, which publishes "handlers ready".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/dialog/actions.hpp"
#include "core/identity/signer.hpp"

namespace myst::core {

enum class Traversal : std::uint8_t { Manual, Upnp, HolePunching };

class ProviderListener {
 public:
  // Exchanges in progress; each may hold 21 sockets. Full: the oldest without an ack gives way, and
  // if all have theirs the new one gets no answer (the consumer tries again or runs into its
  // limit).
  static constexpr std::size_t kMaxExchanges = 16;
  static constexpr std::size_t kMaxPerConsumer = 4;  // the oldest of the same identity gives way
  static constexpr std::size_t kPunchPorts = 20;

  struct Config {
    std::string service_type;
    std::vector<Traversal> traversal = {Traversal::Manual, Traversal::Upnp,
                                        Traversal::HolePunching};
    std::uint8_t initial_ttl = 1;
    Duration pending_limit = std::chrono::seconds{60};
  };

  // `signer` and `rng` must outlive the listener.
  ProviderListener(const Config& config, const Signer& signer, Rng& rng);
  ~ProviderListener();
  ProviderListener(const ProviderListener&) = delete;
  ProviderListener& operator=(const ProviderListener&) = delete;

  std::optional<dialog::Action> poll_action();
  std::optional<Instant> next_timeout() const;
  std::size_t exchanges() const;

  // Subscribes; the broker connection is the node's, which repeats subscriptions when it
  // reconnects.
  void start(Instant now);
  void handle_broker_message(Instant now, std::uint32_t tag, std::string_view reply_subject,
                             ByteSpan payload);
  void handle_network_facts(Instant now, const Result<dialog::NetworkFacts>& facts);
  void handle_ports_mapped(Instant now, std::uint32_t exchange, const Status& status);
  void handle_udp_opened(Instant now, dialog::SocketId socket, const Result<std::uint16_t>& port);
  void handle_datagram(Instant now, dialog::SocketId socket, const Endpoint& from, ByteSpan bytes);
  void handle_timeout(Instant now);
  // Unsubscribes and closes everything that has not become a channel. start() may follow.
  void stop(Instant now);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace myst::core
