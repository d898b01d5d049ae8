// A consumer's dial: from a proposal's contact to an open channel and a second socket for the
// service (reference: p2p/dialer.go). Sans-IO:
//
//   ConsumerDial dial(config, signer, rng, now);
//   while (auto action = dial.poll_action()) owner.execute(std::move(*action));
//   ... handle_*(now, ...) with each outcome, then drain again, arm next_timeout() ...
//
// Ends with exactly one ChannelOpened or DialogFailed (after which it only ever closes things), and
// leaves nothing behind: sockets, route and broker connection are closed by actions before that.
// cancel() or destroying it after draining cancel()'s actions gives up early.
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
#include "core/identity/address.hpp"
#include "core/identity/signer.hpp"

namespace myst::core {

class ConsumerDial {
 public:
  static constexpr std::size_t kMaxPorts = 40;  // a provider listing more is refused

  struct Config {
    Address provider;
    std::string service_type;                   // "wireguard", ...
    std::vector<std::string> broker_addresses;  // of the proposal's contact
    bool host_route = true;                     // false for openvpn, which makes its own
    Duration limit = std::chrono::seconds{20};
  };

  // `signer` and `rng` must outlive the dial.
  ConsumerDial(const Config& config, const Signer& signer, Rng& rng, Instant now);
  ~ConsumerDial();
  ConsumerDial(const ConsumerDial&) = delete;
  ConsumerDial& operator=(const ConsumerDial&) = delete;

  std::optional<dialog::Action> poll_action();
  std::optional<Instant> next_timeout() const;
  bool done() const;

  void handle_network_facts(Instant now, const Result<dialog::NetworkFacts>& facts);
  void handle_broker_connected(Instant now, const Status& status);
  void handle_broker_message(Instant now, std::uint32_t tag, ByteSpan payload);
  void handle_broker_reply(Instant now, std::uint32_t request, const Result<Bytes>& payload);
  void handle_host_route(Instant now, const Status& status);
  void handle_udp_opened(Instant now, dialog::SocketId socket, const Result<std::uint16_t>& port);
  void handle_datagram(Instant now, dialog::SocketId socket, const Endpoint& from, ByteSpan bytes);
  void handle_timeout(Instant now);
  void cancel(Instant now);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace myst::core
