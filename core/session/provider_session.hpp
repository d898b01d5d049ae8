// One consumer's session as the provider runs it: checked, paid for, configured, kept alive, closed
// (reference: core/service/session_manager.go). A part of the node: asks for effects itself, talks
// over its channel's PeerLink.
//
//   Checking --allowed--> Preparing --first invoice paid and tunnel open--> Live
//       \----------------------\----------------------------------------------\--> Closed
//
// A free session opens its tunnel while the first invoice is on its way; a paid one afterwards.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/crypto/x25519.hpp"
#include "core/node/context.hpp"
#include "core/node/peer_link.hpp"
#include "core/payment/invoice_tracker.hpp"
#include "core/session/record.hpp"

namespace myst::core::node {

bool is_wireguard_type(std::string_view service_type);
bool is_supported_type(std::string_view service_type);  // those and noop

class ProviderSession final : public TunnelUser {
 public:
  enum class State : std::uint8_t { Checking, Preparing, Live, Closed };

  class Host {
   public:
    virtual ~Host() = default;
    // Allowed: now it counts. The host closes older sessions of the same consumer and service.
    virtual void on_session_allowed(Now now, ProviderSession& session) = 0;
    virtual void on_session_closed(Now now, ProviderSession& session) = 0;
    virtual void on_consumer_told(Now now) = 0;  // that its session is over; it took note
    // The session takes the channel's service socket; nullopt: it is gone already.
    virtual std::optional<SocketId> take_service_socket() = 0;
    virtual std::uint16_t service_port() const = 0;
  };

  struct Setup {
    SessionRecord record;  // id, consumer, provider, hermes, service type, countries
    std::string service_id;
    std::string ip_type;  // of this provider, for the price
    bool ask_policy_server = false;
    payment::Price price;
    Bytes config;                      // what the consumer's service sent
    std::uint64_t create_request = 0;  // to be answered
  };

  // `host` and `link` must outlive the session, or close() be called before they go.
  ProviderSession(Context& context, Host& host, PeerLink& link, Setup setup, Now now);
  ~ProviderSession() override;
  ProviderSession(const ProviderSession&) = delete;
  ProviderSession& operator=(const ProviderSession&) = delete;

  void start(Now now);  // once; may close the session at once
  // Answered Ok or with an error text by the caller.
  Status handle_payment(Now now, ByteSpan message);
  void handle_timeout(Now now);
  std::optional<Instant> next_timeout() const;
  // Idempotent. Everything the session opened is closed; a create not yet answered gets the reason.
  void close(Now now, const std::string& reason) { end(now, reason, false); }
  void close_for_consumer(Now now, const std::string& reason) { end(now, reason, true); }

  void on_tunnel_up(Now) override {}
  void on_tunnel_lost(Now now, const Error& why) override;
  void on_tunnel_counters(Now now, const TunnelCounters& counters) override;

  State state() const { return state_; }
  bool closed() const { return state_ == State::Closed; }
  const SessionRecord& record() const { return setup_.record; }
  const std::string& service_id() const { return setup_.service_id; }
  const std::string& reason() const { return reason_; }
  bool counted() const { return counted_; }  // was ever allowed
  std::uint64_t order = 0;                   // of creation, the host's

 private:
  void allowed(Now now);
  void configure(Now now);
  void open_tunnel(Now now);
  void tunnel_opened(Now now, const Status& status);
  void reply_if_ready(Now now);
  void drain_tracker(Now now);
  void run(Now now, InvoiceTracker::Store& a);
  void run(Now now, InvoiceTracker::Send& a);
  void run(Now now, InvoiceTracker::StoreAccepted& a);
  void run(Now now, InvoiceTracker::AskHermes& a);
  void run(Now now, InvoiceTracker::FirstPaid& a);
  void run(Now now, InvoiceTracker::Earned& a);
  void run(Now now, InvoiceTracker::Failed& a);
  void ping(Now now);
  void close_tunnel();
  void end(Now now, const std::string& reason, bool consumer_knows);
  void tell_consumer(Now now);

  Context& context_;
  Host& host_;
  PeerLink& link_;
  EffectQueue::Owner owner_;
  Setup setup_;
  State state_ = State::Checking;
  std::string reason_;
  bool counted_ = false, replied_ = false;
  Instant created_;

  std::optional<InvoiceTracker> tracker_;
  bool first_paid_ = false;
  std::optional<Instant> pay_by_;

  bool configuring_ = false, configured_ = false;
  Bytes reply_config_;
  x25519::PublicKey peer_key_{};
  std::optional<IpAddress> public_ip_;
  Secret<32> key_;
  TunnelId tunnel_ = 0;
  bool tunnel_open_ = false;
  std::uint32_t network_ = 0, device_ = 0;
  int open_attempts_ = 0;

  Instant ping_at_;
  bool pinging_ = false;
  int ping_failures_ = 0;
  std::optional<Instant> read_at_;
};

}  // namespace myst::core::node
