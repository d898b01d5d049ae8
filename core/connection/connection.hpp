// One connection of a consumer, in one slot: finds a provider, dials, pays, opens the tunnel,
// watches over it, takes everything down again (reference: core/connection/manager.go). A part of
// the node.
//
// A connection that ends is over at once for its user; the last words to the provider (a status
// report, session destroy) go out in the background (Farewells).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/connection/dial.hpp"
#include "core/connection/farewell.hpp"
#include "core/connection/price_watch.hpp"
#include "core/node/context.hpp"
#include "core/node/node_config.hpp"
#include "core/node/peer_link.hpp"
#include "core/p2p/messages.hpp"
#include "core/payment/invoice_payer.hpp"
#include "core/session/record.hpp"
#include "core/session/wireguard_config.hpp"

namespace myst::core::node {

class Connection final : public TunnelUser, public Dial::Host {
 public:
  Connection(Context& context, Farewells& farewells, int slot);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // AlreadyExists unless it is idle. Else one ConnectDone follows.
  Status connect(Now now, const ConnectOptions& options);
  // NotFound: there is none. Going down already: success.
  Status disconnect(Now now, const std::string& reason);
  bool idle() const { return stage_ == Stage::Idle; }

  void handle_timeout(Now now);
  std::optional<Instant> next_timeout() const;
  void settle(Now now);  // after each input

  void on_tunnel_up(Now now) override;
  void on_tunnel_lost(Now now, const Error& why) override;
  void on_tunnel_counters(Now now, const TunnelCounters& counters) override;

  int slot() const { return slot_; }
  ConnectionState state() const { return state_; }
  const ConnectOptions& options() const { return options_; }
  const Address& hermes() const { return record_.hermes; }
  std::shared_ptr<const PricedProposal> proposal() const { return proposal_; }
  const SessionRecord& record() const { return record_; }
  const TunnelCounters& counters() const { return counters_; }
  const std::string& reason() const { return reason_; }

 private:
  // Idle -> Finding -> Validating -> Dialing -> Creating -> Starting -> Running -> Closing -> Idle
  // Any of them may go to Closing; Running may go to Holding, and from there round again.
  enum class Stage : std::uint8_t {
    Idle,
    Finding,
    Validating,
    Dialing,
    Creating,
    Starting,
    Running,
    Holding,
    Closing,
  };

  // Way up
  void find(Now now);
  void found(Now now, Result<Outcome>& result);
  void validate(Now now);
  void dial(Now now);
  void on_dialed(Now now, DialedChannel channel) override;
  void on_dial_failed(Now now, const std::string& reason) override;
  void on_own_address(Now now, const IpAddress& address) override;
  void create_session(Now now);
  void created(Now now, Result<Bytes>& answer, const std::string& text);
  void start_service(Now now, ByteSpan config);
  void open_tunnel(Now now);
  void connected(Now now);
  void tunnel_ready(Now now, bool& part);

  // While it runs
  void on_peer_request(Now now, Channel::Incoming& request);
  void drain_payer(Now now);
  void ping(Now now);
  void doubt(Now now);
  void judge(Now now);
  void acknowledge(Now now);
  void check_ip(Now now);
  void watch_price(Now now);
  void lost(Now now, const std::string& reason);
  void hold(Now now, const std::string& reason);

  // Way down
  void fail(Now now, ConnectError error, const std::string& reason);
  void close(Now now, const std::string& reason);
  void end_session(Now now);
  void leave(Now now);  // the channel goes to the farewells
  void count_last(Now now, const node::Outcome& outcome);
  void closed_one(Now now);  // one of the things awaited while Closing
  void finish(Now now);
  void set_state(ConnectionState state);
  void report(Now now, pb::ConnectivityStatus code, const std::string& text);
  void done(std::optional<ConnectError> error, const std::string& reason);
  void forget();  // what was asked for on the way up no longer matters

  std::chrono::nanoseconds reconnect_pause();

  Context& context_;
  Farewells& farewells_;
  int slot_;
  EffectQueue::Owner owner_;
  ConnectOptions options_;
  Stage stage_ = Stage::Idle;
  ConnectionState state_ = ConnectionState::NotConnected;
  std::string reason_;
  bool awaiting_done_ = false;  // a ConnectDone is owed
  bool reconnecting_ = false;   // this round replaces a held connection
  int attempts_ = 0;
  std::optional<Instant> retry_at_;
  Instant connect_began_, stage_began_;

  std::shared_ptr<const Signer> signer_;
  std::map<std::string, Instant> handed_out_;  // by provider; bounded by the list's length
  std::shared_ptr<const PricedProposal> proposal_;
  IpAddress original_ip_;

  std::unique_ptr<Dial> dial_;
  std::unique_ptr<PeerLink> link_;
  std::optional<SocketId> service_socket_;
  std::uint16_t service_port_ = 0;
  Endpoint service_peer_;
  IpAddress excluded_;
  std::optional<InvoicePayer> payer_;
  std::string create_error_;

  SessionRecord record_;
  bool session_open_ = false;
  PriceWatch price_watch_;

  Secret<32> key_;
  WireguardServiceConfig tunnel_config_;
  TunnelId tunnel_ = 0, held_tunnel_ = 0;  // held: dead, but in the way of leaks
  std::optional<std::uint32_t> device_;    // of the allocator
  std::string link_name_;
  int open_attempts_ = 0;
  bool kill_switch_on_ = false, bypass_on_ = false;
  bool configured_ = false, shaken_ = false;  // the tunnel: routes and resolvers; first handshake
  TunnelCounters counters_;
  int closing_ = 0;  // answers awaited while Closing

  std::optional<Instant> ping_at_, read_at_, handshake_by_, ip_check_at_;
  bool pinging_ = false;
  int ping_failures_ = 0;
  std::optional<Instant> judge_at_;  // the provider's port is said to be closed
  Instant doubted_{};
  int doubts_ = 0;
  int ip_rounds_ = 0;
};

}  // namespace myst::core::node
