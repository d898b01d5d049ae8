// A whole node, provider and consumer at the same time, as one sans-IO machine. It decides; its
// executor (apps/myst on a real machine, tests/sim on a virtual one) acts.
//
//   Node node(config, rng, now);
//   node.handle_unlocked(now, signer);                 // each identity that may be used
//   node.handle_prices(now, prices);                   // once known; without: the built-in default
//   ... after EVERY call of a handle_*, of a command, and of handle_timeout:
//   while (auto action = node.poll_action()) execute(std::move(*action));
//   while (auto event = node.poll_event()) ...;
//   timer.arm(node.next_timeout());                    // nullopt: nothing to wait for
//
// Start:  the executor connects the own broker and calls handle_broker_connected each time it is
//         connected (again), handle_broker_lost when it is not. start_service works before that: it
//         announces as soon as it can.
// Action: executed in the order polled. One with an id is answered once with handle_action_done;
// the
//         answer may be given from inside the loop above (the node only queues what follows).
// Stop:   shutdown(now), drain, wait until idle(), drop the node. Everything it opened (tunnels,
//         routes, kill switch, sockets) it has closed by actions by then; proposals are
//         unregistered.
//
// Who pays for what: a message that commits this node (payment, invoice, first reply of a session)
// leaves only after the Store* action it depends on was answered with Done. A failing disk thus
// ends sessions with a reason, never silently.
//
// Memory is bounded by Config's capacities; what "full" means stands there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/identity/signer.hpp"
#include "core/market/price.hpp"
#include "core/node/effects.hpp"
#include "core/node/node_config.hpp"
#include "core/session/record.hpp"

namespace myst::core {

class Node {
 public:
  // `rng` must outlive the node.
  Node(const node::Config& config, Rng& rng, Now now);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // --- commands -------------------------------------------------------------------------------

  // An identity may sign from now on; a second signer of the same address replaces the first.
  void handle_unlocked(Now now, std::shared_ptr<const Signer> signer);
  // Running services and connections of it go on with what they hold; new ones are refused.
  void handle_locked(Now now, const Address& identity);

  // The id (UUID) of the instance, in state Starting; ServiceChanged tells the rest (Running when
  // it is ready for consumers, or NotRunning with a reason). AlreadyExists: this identity runs that
  // type. Unauthorized: not unlocked. Unsupported: no such type. Full.
  Result<std::string> start_service(Now now, const node::StartService& request);
  // NotFound. Rejected: a `monitoring` service does not stop on request. Sessions are closed.
  Status stop_service(Now now, std::string_view service_id);

  // Accepted: exactly one ConnectDone follows. AlreadyExists: this slot is in use. Full.
  Status connect(Now now, const node::ConnectOptions& options);
  // NotFound: slot 0 has no connection (another slot: success, as nothing was there). A negative
  // slot: all. Done when ConnectionChanged says NotConnected.
  Status disconnect(Now now, int slot);

  void set_origin_country(std::string country);
  // Documents of access policies, all together, when they are fetched
  // (access-policy.fetching-enabled): identities that may connect (empty: everybody) and whether
  // there are DNS rules.
  void handle_policies(std::vector<Address> allowed, bool dns_rules);

  void shutdown(Now now);
  bool idle() const;  // nothing runs, nothing is being undone

  // --- inputs ---------------------------------------------------------------------------------

  void handle_action_done(Now now, node::ActionId id, Result<node::Outcome> result);
  void handle_datagram(Now now, node::SocketId socket, const Endpoint& from, ByteSpan bytes);
  // A datagram sent there came upon a closed port; anybody on the way can make one believe so.
  void handle_refused(Now now, node::SocketId socket, const Endpoint& to);
  void handle_broker_connected(Now now);  // the own one, each time
  void handle_broker_lost(Now now);
  void handle_broker_message(Now now, node::BrokerId broker, std::uint32_t tag,
                             std::string_view reply_subject, ByteSpan payload);
  void handle_tunnel_up(Now now, node::TunnelId tunnel);  // consumer: first handshake
  void handle_tunnel_lost(Now now, node::TunnelId tunnel, const Error& why);
  void handle_tunnel_counters(Now now, node::TunnelId tunnel, const node::TunnelCounters& counters);
  void handle_prices(Now now, const PriceTable& prices);
  void handle_registered(Now now, const Address& identity);
  void handle_timeout(Now now);

  // --- outputs --------------------------------------------------------------------------------

  std::optional<node::Action> poll_action();
  std::optional<node::Event> poll_event();
  std::optional<Instant> next_timeout() const;

  // --- views, for the API ---------------------------------------------------------------------

  struct ServiceView {
    std::string id;
    Address provider;
    std::string type;
    node::ServiceState state = node::ServiceState::NotRunning;
    Proposal proposal;
    std::uint64_t attempted = 0, successful = 0;  // sessions; acknowledged ones
    std::size_t sessions = 0;
  };
  struct ConnectionView {
    int slot = 0;
    node::ConnectionState state = node::ConnectionState::NotConnected;
    Address consumer, hermes;
    std::shared_ptr<const PricedProposal> proposal;
    std::string session_id;
    std::string reason;  // of the last end
    node::TunnelCounters counters;
    std::optional<WallTime> started;
    Wei tokens_spent;
  };
  std::vector<ServiceView> services() const;    // running and starting ones
  std::vector<SessionRecord> sessions() const;  // provided, live, in order of creation
  ConnectionView connection(int slot) const;    // unknown slot: NotConnected
  std::vector<ConnectionView> connections() const;
  std::vector<ConnectivityRecord> connectivity() const;  // newest first, 30 days
  bool unlocked(const Address& identity) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace myst::core
