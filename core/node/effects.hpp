// What a node asks of the machine it runs on, and what it tells its user: the whole vocabulary
// between the sans-IO node (core/node/node.hpp) and its executor (apps/myst; tests/sim).
//
// An action that carries an `id` is answered exactly once by Node::handle_action_done(now, id,
// result); its comment names the Outcome of success. Actions without an id have no answer: what
// goes wrong with them is the executor's to log. Actions are executed in the order they are polled;
// the answers may come in any order, and at once. Ids are never reused.
//
// Nothing here is a callback into the node; an executor that has lost something (a broker
// connection, a tunnel) says so with the Node::handle_* named at the action.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/secret.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/crypto/x25519.hpp"
#include "core/identity/address.hpp"
#include "core/identity/signer.hpp"
#include "core/market/filter.hpp"
#include "core/market/proposal.hpp"
#include "core/market/ranking.hpp"
#include "core/session/record.hpp"

namespace myst::core::node {

using ActionId = std::uint64_t;  // 0: none
using SocketId = std::uint32_t;  // UDP sockets
using BrokerId = std::uint32_t;  // broker connections
using TunnelId = std::uint32_t;  // WireGuard devices

// --- broker -------------------------------------------------------------------------------------

// The node's own connection to the configured brokers. The executor opens it at start, keeps it
// alive and reports Node::handle_broker_connected / handle_broker_lost; the node never opens or
// closes it. It carries announcements and the provider's side of all dials.
constexpr BrokerId kOwnBroker = 0;

// A connection for one dial, to one of these addresses (as in the proposal's contact: normalise
// them). Answer: Done, when subscriptions and requests can be sent. If it is lost later the
// executor reconnects and repeats the subscriptions by itself. It may be served by a connection
// that is open already to one of these servers, the own one too.
struct BrokerOpen {
  ActionId id;
  BrokerId broker;
  std::vector<std::string> addresses;
};
struct BrokerClose {  // its requests are answered with Cancelled or not at all
  BrokerId broker;
};
// Messages -> Node::handle_broker_message(now, broker, tag, reply subject, payload). With a signer
// the subject goes out in its signed form (core/identity/signed_subject.hpp), signed at the moment
// it is sent. A subscription outlives a lost connection: the executor repeats it, signed afresh.
struct BrokerSubscribe {
  BrokerId broker;
  std::uint32_t tag;  // unique in the node
  std::string subject;
  std::shared_ptr<const Signer> signer;
};
struct BrokerUnsubscribe {
  BrokerId broker;
  std::uint32_t tag;
};
struct BrokerPublish {
  BrokerId broker;
  std::string subject;
  Bytes payload;
  std::shared_ptr<const Signer> signer;
};
// Publish with a fresh reply subject. Answer: Bytes, the first message to that subject.
struct BrokerRequest {
  ActionId id;
  BrokerId broker;
  std::string subject;
  Bytes payload;
};

// A proposal to the market, through the own broker: JSON {"proposal":{...}} published under `topic`
// ("*.proposal-register.v3"; the star is a literal) in its signed form
// (core/identity/signed_subject, signed at the moment it is sent). Answer: Done when it was handed
// to a live connection, else Unavailable.
struct PublishProposal {
  ActionId id;
  std::string topic;
  Proposal proposal;
  std::shared_ptr<const Signer> signer;
};

// --- datagrams ----------------------------------------------------------------------------------

// IPv4 wildcard address, a free port of the pool (udp.ports). Answer: Port.
// What arrives -> Node::handle_datagram(now, socket, from, bytes).
struct UdpOpen {
  ActionId id;
  SocketId socket;
};
struct UdpClose {
  SocketId socket;
};
// From now on Node::handle_refused tells which of its datagrams came upon a closed port (ICMP).
struct UdpTellRefused {
  SocketId socket;
};
// ttl 0: the system's default. Errors count as loss.
struct UdpSend {
  SocketId socket;
  Endpoint to;
  std::uint8_t ttl = 0;
  Bytes bytes;
};
// A router's port mapping (UPnP, NAT-PMP, PCP), same external port, renewed until UnmapPorts.
// Answer: Done. Unsupported where there is none, or the router's own address is not public.
struct MapPorts {
  ActionId id;
  std::uint32_t mapping;
  std::vector<std::uint16_t> ports;
};
struct UnmapPorts {
  std::uint32_t mapping;
};

// --- what the host knows about itself -----------------------------------------------------------

// Answer: NetworkFacts. Cached is fine and wanted; dials wait for it.
struct FindNetworkFacts {
  ActionId id;
};
// What the location service says now, not from a cache. Answer: IpAddress.
struct FindPublicIp {
  ActionId id;
};
// Cached for minutes. Answer: ProposalLocation.
struct FindLocation {
  ActionId id;
};

// --- routes and firewall ------------------------------------------------------------------------

// Host route around any tunnel, counted per address, none for an on-link address, and a hole in the
// kill switch. Answer: Done (a failure is logged by the executor and is no reason to stop).
struct ExcludeAddress {
  ActionId id;
  IpAddress ip;
};
struct ReleaseAddress {
  IpAddress ip;
};
// While on, what this host has to reach to find another provider (discovery, location, brokers)
// stays outside the tunnel of that slot, which is dead.
struct BypassBackends {
  int slot;
  bool on;
};
// Nothing leaves this host but through the tunnel of this connection and to `allowed`. Stays on
// when the tunnel is closed. Answer: Done.
struct KillSwitchOn {
  ActionId id;
  int slot;
  std::string link;
  std::vector<IpAddress> allowed;
};
struct KillSwitchOff {
  int slot;
};

// --- tunnels ------------------------------------------------------------------------------------

// One session's tunnel on the provider: WireGuard, address, policy block, NAT and forwarding, DNS
// of the session's .1, shaper. All or nothing: after an error nothing is left. Answer: Done.
struct ServiceTunnelOpen {
  ActionId id;
  TunnelId tunnel;
  // "myst3", if it is to have a device of its own (the kernel's module needs one, our engine has
  // one for all sessions); a device of that name that is not ours: AlreadyExists.
  std::string link;
  IpPrefix network;  // 10.182.3.0/24
  IpPrefix address;  // 10.182.3.1/24
  Secret<32> private_key;
  x25519::PublicKey peer{};
  // WireGuard listens on this very port. The socket that has it open is closed, or becomes the
  // device's own; either way it no longer belongs to the node. nullopt: the port has to be bound.
  std::optional<SocketId> socket;
  std::uint16_t listen_port = 0;
  bool dns_policy = false;  // only destinations that the DNS policy opened
};
// Answer: TunnelCounters (or Done) when everything of it is gone; its names and addresses are used
// again only then. May
// come before the answer to the opening, which then has to be finished or given up first.
struct ServiceTunnelClose {
  ActionId id;
  TunnelId tunnel;
};

// The consumer's device with its routes and resolvers: address, /1 routes (IPv6 too), DNS. The
// answer (Done) says that it is configured; then Node::handle_tunnel_up with the first handshake,
// found out without delay, and handle_tunnel_lost if the device ends by itself. All or nothing.
struct ConsumerTunnelOpen {
  ActionId id;
  TunnelId tunnel;
  int slot = 0;  // not 0: proxy mode, no routes, a listener on that port
  std::string link;
  IpPrefix address;  // 10.182.3.2/24, host bits kept
  Secret<32> private_key;
  x25519::PublicKey peer{};
  Endpoint endpoint;
  std::optional<SocketId> socket;  // as above
  std::uint16_t listen_port = 0;
  Duration keepalive = std::chrono::seconds{18};
  std::vector<IpAddress> dns;  // empty: the host's resolvers stay
  // Takes over the tunnel that has this link now, without a moment without routes: that one's id is
  // gone when this is answered with Done, and is still the valid one after an error.
  bool keep_routes = false;
};
struct ConsumerTunnelClose {  // DNS first, then the device; answer as above
  ActionId id;
  TunnelId tunnel;
};
// -> Node::handle_tunnel_counters(now, tunnel, counters); nothing when it cannot be read.
struct ReadTunnel {
  TunnelId tunnel;
};

// --- market and money ---------------------------------------------------------------------------

// Discovery query, priced and sorted. Answer: ProposalList.
struct FindProposals {
  ActionId id;
  ProposalFilter filter;
  SortBy sort = SortBy::None;
};
// GET <access-policy.address>?identity-value=<identity>: any 2xx allows. Answer: Done; an error
// denies.
struct CheckAccess {
  ActionId id;
  Address consumer;
};
// Only with a chain. Answer: Done when registered; NotFound: not registered yet; other errors:
// could not be asked. Either way it is asked again later. Events about it ->
// Node::handle_registered.
struct CheckRegistration {
  ActionId id;
  Address identity;
};
// Only with a chain. Answer: Wei, fresh enough for the two amounts.
struct CheckBalance {
  ActionId id;
  Address identity, hermes;
};
// Only with a chain, provider: is the consumer's Hermes active and its fee bearable. Answer: Done,
// or Address: consumer channels with it have that implementation, and not the configured one.
struct CheckHermes {
  ActionId id;
  Address hermes;
};
// Only with a chain, provider: exchange the consumer's promise for one of Hermes, reveal R. Answer:
// Done; Rejected: over for this session; Unavailable: counts towards a limit.
struct RequestPromise {
  ActionId id;
  Address provider;
  std::string session_id;
  Bytes exchange_message;  // as received
  Secret<32> r;
  U256 agreement;
};

// --- storage ------------------------------------------------------------------------------------

// Durable when answered with Done. The node sends nothing that depends on it before.
struct StorePayment {  // consumer: agreement and new grand total, in one transaction
  ActionId id;
  PaymentRecord record;
  std::uint64_t chain = 0;
  Address hermes;
  Wei grand_total;
};
struct StoreInvoice {  // provider: the secret behind an invoice
  ActionId id;
  InvoiceRecord record;
};
struct StoreAccepted {  // provider: the payment that settles an invoice
  ActionId id;
  PaymentRecord record;
};
struct LoadGrandTotal {  // Answer: Wei; zero when there never was one
  ActionId id;
  std::uint64_t chain = 0;
  Address identity, hermes;
};
// History; may wait to be written together with others.
struct StoreSession {
  SessionRecord record;
};
struct StoreConnectivity {
  ConnectivityRecord record;
};

using Action =
    std::variant<UdpSend, UdpOpen, UdpClose, UdpTellRefused, BrokerPublish, BrokerRequest,
                 BrokerOpen, BrokerClose, BrokerSubscribe, BrokerUnsubscribe, PublishProposal,
                 MapPorts, UnmapPorts, FindNetworkFacts, FindPublicIp, FindLocation, ExcludeAddress,
                 ReleaseAddress, BypassBackends, KillSwitchOn, KillSwitchOff, ServiceTunnelOpen,
                 ServiceTunnelClose, ConsumerTunnelOpen, ConsumerTunnelClose, ReadTunnel,
                 FindProposals, CheckAccess, CheckRegistration, CheckBalance, CheckHermes,
                 RequestPromise, StorePayment, StoreInvoice, StoreAccepted, LoadGrandTotal,
                 StoreSession, StoreConnectivity>;

// --- answers ------------------------------------------------------------------------------------

struct Done {};
struct Port {
  std::uint16_t value = 0;
};
struct NetworkFacts {
  IpAddress public_ip;
  std::vector<Endpoint> stun_servers;        // resolved; empty: ports are published as they are
  std::vector<Endpoint> port_check_servers;  // resolved; empty: no "manual" method
};
using ProposalList = std::vector<PricedProposal>;
// The last counters of a tunnel that was closed; where they cannot be read, Done.
struct TunnelCounters {
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
};
using Outcome = std::variant<Done, Port, Bytes, NetworkFacts, IpAddress, ProposalLocation,
                             ProposalList, Wei, TunnelCounters, Address>;

// --- events -------------------------------------------------------------------------------------

enum class ServiceState : std::uint8_t { Starting, Running, NotRunning };

struct ServiceChanged {
  std::string service_id;
  Address provider;
  std::string type;
  ServiceState state = ServiceState::NotRunning;
  std::string reason;  // why it is not running; empty after a request to stop
};
// The proposal was published (first time: registered). For start-up figures and metrics.
struct ProposalAnnounced {
  std::string service_id;
  bool first = false;
};

struct SessionCreated {
  std::string service_id;
  SessionRecord session;
};
struct SessionAcknowledged {
  std::string service_id;
  std::string session_id;
};
struct SessionRemoved {
  std::string service_id;
  SessionRecord session;
  std::string reason;
};
struct SessionData {  // provider, at most once a second and session
  std::string session_id;
  std::uint64_t up_bytes = 0, down_bytes = 0;
};
struct SessionTokens {  // provider: agreement total earned so far
  Address provider;
  std::string session_id;
  Wei total;
};
struct SessionRefused {  // a create that came to nothing; for logs and counters
  std::string service_id;
  Address consumer;
  std::string reason;
};
struct ConnectivityReported {
  ConnectivityRecord report;
};

enum class ConnectionState : std::uint8_t {
  NotConnected,
  Connecting,
  Connected,
  Reconnecting,
  Disconnecting,
  Canceled,
  OnHold,
  IpNotChanged,  // these two are events only
  ConnectionFailed,
};
const char* to_string(ConnectionState state);  // as the API writes them

enum class ConnectError : std::uint8_t {
  AlreadyExists,
  Cancelled,
  NoProposal,
  UnlockRequired,
  InsufficientBalance,
  UnsupportedService,
  Dial,
  SessionCreate,
  Start,
  StreamEnded,  // "connection failed"
};

struct ConnectionChanged {
  int slot = 0;
  ConnectionState state = ConnectionState::NotConnected;
  std::string session_id;
  std::string reason;  // why a connection ended, in one sentence
};
// One for each Node::connect that was not refused at once.
struct ConnectDone {
  int slot = 0;
  std::optional<ConnectError> error;  // nullopt: connected
  std::string reason;
};
struct ConsumerSession {
  int slot = 0;
  bool ended = false;
  SessionRecord session;
};
struct ConnectionStatistics {
  int slot = 0;
  std::string session_id;
  TunnelCounters counters;
};
struct InvoicePaid {
  int slot = 0;
  std::string session_id;
  Wei agreement_total;
};

struct KeepAlive {
  bool provider = false;  // whose ping
  std::string session_id;
  Duration took{};
  bool answered = false;
};
// A stage of a connect, under the reference's key ("Consumer P2P dial (pinger)").
struct Trace {
  std::string session_id;
  const char* key = "";
  Duration took{};
};
struct Note {  // for the log
  enum class Level : std::uint8_t { Debug, Info, Warning } level = Level::Info;
  std::string text;
};

using Event = std::variant<Note, ServiceChanged, ProposalAnnounced, SessionCreated,
                           SessionAcknowledged, SessionRemoved, SessionData, SessionTokens,
                           SessionRefused, ConnectivityReported, ConnectionChanged, ConnectDone,
                           ConsumerSession, ConnectionStatistics, InvoicePaid, KeepAlive, Trace>;

}  // namespace myst::core::node
