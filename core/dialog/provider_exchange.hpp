// One consumer's dial as the provider sees it, from its first key to an open channel. Owned and fed
// by ProviderListener.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/secret.hpp"
#include "core/base/time.hpp"
#include "core/crypto/x25519.hpp"
#include "core/dialog/action_queue.hpp"
#include "core/dialog/actions.hpp"
#include "core/dialog/exchange.hpp"
#include "core/dialog/port_set.hpp"
#include "core/dialog/provider_listener.hpp"
#include "core/identity/signer.hpp"
#include "core/nat/hole_puncher.hpp"
#include "core/nat/port_check.hpp"

namespace myst::core::dialog {

// What the exchanges of one listener share.
struct ProviderShared {
  ProviderListener::Config config;
  const Signer& signer;
  Rng& rng;
  ActionQueue actions;
  SocketId next_socket = 1;
  // The port check said no: what needs it is not tried again before (a check costs a consumer two
  // of its twenty seconds).
  Instant manual_again_at{};
  Instant upnp_again_at{};
  std::size_t punching = 0;  // exchanges at it, kept by the listener
};

class ProviderExchange {
 public:
  ProviderExchange(ProviderShared& shared, std::uint32_t number, const Received& first,
                   std::string reply_subject, Instant now);

  std::uint32_t number() const { return number_; }
  const Address& consumer() const { return consumer_; }
  const x25519::PublicKey& consumer_key() const { return consumer_key_; }
  Instant started() const { return started_; }
  bool waits_for_facts() const { return step_ == Step::AwaitingFacts; }
  bool acked() const { return acked_; }
  bool punching() const { return step_ == Step::Punching; }
  bool done() const { return step_ == Step::Done; }
  bool owns(SocketId socket) const;

  void handle_network_facts(Instant now, const NetworkFacts& facts);
  void handle_ports_mapped(Instant now, const Status& status);
  void handle_udp_opened(Instant now, SocketId socket, const Result<std::uint16_t>& port);
  void handle_datagram(Instant now, SocketId socket, const Endpoint& from, ByteSpan bytes);
  // The same message again: answered too, nothing starts anew.
  void handle_repeat(std::string reply_subject);
  void handle_ack(Instant now, const Received& ack, std::string reply_subject);
  void handle_timeout(Instant now);
  std::optional<Instant> next_timeout() const;
  void fail(const Error& error, std::string reason);

 private:
  enum class Step : std::uint8_t {
    AwaitingFacts,
    OpeningPair,  // two sockets for a direct method
    Checking,     // are they reachable from outside
    MappingPorts,
    CheckingMapped,
    OpeningAll,  // twenty sockets and STUN for hole punching
    AwaitingAck,
    Punching,
    Done,
  };

  void next_method(Instant now);
  void start_check(Instant now);
  void finish_check(Instant now, bool reachable);
  void advance(Instant now);
  void reply();
  void send_ok();
  void drain_puncher(Instant now);
  void open_channel(Instant now, const HolePuncher::Pair& pair);
  void close_probe_socket();

  ProviderShared& shared_;
  const std::uint32_t number_;
  const Address consumer_;
  const x25519::PublicKey consumer_key_;
  const Instant started_;
  static constexpr std::size_t kMaxReplySubjects = 4;  // further repeats are not answered
  std::vector<std::string> reply_subjects_;
  Bytes reply_;  // while AwaitingAck
  Step step_ = Step::AwaitingFacts;
  std::size_t next_method_ = 0;
  bool direct_ = false;
  bool map_when_open_ = false;
  bool mapped_ = false;
  bool acked_ = false;
  x25519::KeyPair keys_;
  NetworkFacts facts_;
  PortSet ports_;
  SocketId probe_socket_ = 0;  // sends port checks; 0: none
  bool probe_open_ = false;
  std::vector<PortCheck> checks_;
  IpAddress peer_ip_;
  std::vector<std::uint16_t> remote_ports_;
  bool text_framing_ = false;
  std::optional<Instant> ok_at_;
  std::optional<HolePuncher> puncher_;
};

}  // namespace myst::core::dialog
