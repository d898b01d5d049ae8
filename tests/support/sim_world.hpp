// Many real core::Node machines in one process: a virtual clock, a virtual internet (SimNet), one
// broker, a market, and a disk for each node. Executes the nodes' actions; the same seed gives the
// same run. Tunnels are real as far as the network goes: a handshake datagram has to find its way
// from the consumer's port to the provider's, through whatever NAT is between them.
//
// Safety is checked while it runs: a promise never shrinks, a payment never leaves before it is
// stored, nothing of a node is used after it was closed. violations() says what was broken.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/node/node.hpp"
#include "tests/support/sim_net.hpp"
#include "tests/support/support.hpp"

namespace myst::test {

class SimWorld {
 public:
  using Id = std::size_t;
  struct Host {
    std::optional<NatBox> nat;
    std::string country = "DE";
  };
  // What survives a restart of its node.
  struct Disk {
    std::map<std::string, core::SessionRecord> sessions;  // "p:" or "c:" and the id
    std::map<std::tuple<std::uint64_t, Address, Address>, Wei> grand_totals;
    std::size_t payments = 0, invoices = 0, accepted = 0;
    std::vector<core::ConnectivityRecord> reports;
    bool fails = false;  // every write is refused
  };

  explicit SimWorld(std::uint64_t seed);
  ~SimWorld();

  Now now() const { return now_; }
  SimNet& net() { return net_; }
  std::uint64_t seed() const { return seed_; }

  // Settings of nodes made from now on.
  core::node::Config config;
  Duration answer_delay = std::chrono::milliseconds{1};   // of local actions
  Duration broker_delay = std::chrono::milliseconds{10};  // one way
  Duration disk_delay = std::chrono::milliseconds{5};
  // A consumer's routes and resolvers take that long, and may come to nothing in the end.
  Duration tunnel_setup = std::chrono::milliseconds{3};
  bool tunnel_setup_fails = false;
  bool policy_allows = true;
  bool location_works = true;

  Id add(const Host& host);
  core::Node& node(Id id) { return *nodes_[id]->node; }
  Address identity(Id id) const { return nodes_[id]->signer->address(); }
  SimNet::HostId host(Id id) const { return nodes_[id]->host; }
  Disk& disk(Id id) { return nodes_[id]->disk; }
  const std::vector<core::node::Event>& events(Id id) const { return nodes_[id]->events; }
  void forget_events(Id id) { nodes_[id]->events.clear(); }

  // Commands, with what has to follow them.
  std::string provide(Id id, const std::string& type = "wireguard");
  void connect(Id id, Id provider, const std::string& type = "wireguard", int slot = 0);
  void disconnect(Id id, int slot = 0);
  void act(Id id, const std::function<void(core::Node&)>& command);

  void crash(Id id);    // power cut: sockets, tunnels and memory are gone, the disk stays
  void restart(Id id);  // a new node on the old disk; services have to be started again
  void set_broker(bool up);
  void forge_refusals(Id id);  // "nobody listens where your last datagrams went", of each socket
  void lose_tunnel(Id id);     // the first open one ends by itself
  void traffic(Id id, std::uint64_t bytes_per_second);  // through each tunnel of this node

  void run_for(Duration duration);
  // False: still not true after `limit`.
  bool run_until(const std::function<bool()>& condition, Duration limit);

  core::node::ConnectionState state(Id id, int slot = 0) { return node(id).connection(slot).state; }
  std::size_t proposals() const;  // live in the market
  std::size_t tunnels(Id id) const { return nodes_[id]->tunnels.size(); }
  std::size_t sockets(Id id) const { return nodes_[id]->ports.size(); }
  std::size_t excluded(Id id) const { return nodes_[id]->excluded; }
  bool kill_switch(Id id) const { return !nodes_[id]->kill_switches.empty(); }
  std::uint64_t wakeups(Id id) const { return nodes_[id]->wakeups; }
  const std::vector<std::string>& violations() const { return violations_; }

  template <typename T>
  std::size_t count(Id id) const {
    std::size_t n = 0;
    for (const auto& event : events(id)) n += std::holds_alternative<T>(event);
    return n;
  }
  template <typename T>
  const T* last(Id id) const {
    const T* found = nullptr;
    for (const auto& event : events(id)) {
      if (const T* e = std::get_if<T>(&event)) found = e;
    }
    return found;
  }

 private:
  struct Tunnel {
    bool provider = false;
    std::string link;
    std::uint16_t port = 0;
    x25519::PublicKey own{}, peer{};
    Endpoint endpoint;  // consumer: where the provider is; provider: learned
    bool up = false;
    Instant opened;
  };
  struct SimNode {
    SimNet::HostId host = 0;
    IpAddress ip;
    std::string country;
    core::node::Config config;
    std::unique_ptr<SeededRng> rng;
    std::shared_ptr<LocalSigner> signer;
    std::unique_ptr<core::Node> node;
    std::uint64_t generation = 0;  // answers to an earlier life are dropped
    std::map<core::node::SocketId, std::uint16_t> ports;
    std::map<std::uint16_t, core::node::SocketId> sockets;
    std::set<core::node::SocketId> wants_refusals;
    std::map<core::node::SocketId, Endpoint> sent_to;  // of those: the last one
    std::map<core::node::TunnelId, Tunnel> tunnels;
    std::set<core::node::BrokerId> brokers;
    std::set<int> kill_switches;
    std::size_t excluded = 0;
    std::uint64_t wakeups = 0;
    std::uint64_t rate = 0;
    int repeats = 0;
    Disk disk;
    std::set<Bytes> stored_payments;
    std::vector<core::node::Event> events;
    std::optional<Instant> deadline;
  };
  struct Subscription {
    Id node;
    core::node::BrokerId broker;
    std::uint32_t tag;
  };
  struct MarketEntry {
    core::Proposal proposal;
    Instant expires;
  };

  void later(Duration delay, std::function<void()> what);
  void pump(Id id);  // after each input: actions, events, deadline
  void start(Id id);
  void answer(Id id, core::node::ActionId action, Result<core::node::Outcome> result,
              Duration delay);
  void deliver(Instant now, SimNet::HostId host, std::uint16_t port, const Endpoint& from,
               ByteSpan bytes);
  void refused(SimNet::HostId host, std::uint16_t port, const Endpoint& to);
  void publish(const std::string& subject, const std::string& reply, const Bytes& payload);
  void handshake(Id id, std::uint64_t generation, core::node::TunnelId tunnel);
  void tunnel_datagram(Id id, core::node::TunnelId tunnel, const Endpoint& from, ByteSpan bytes);
  bool bind(Id id, core::node::SocketId socket, std::uint16_t port);
  void close_tunnel(Id id, core::node::TunnelId tunnel);
  void violation(std::string what);
  void step_to(Instant at);
  std::optional<Instant> next_event() const;
  template <typename A>
  void run(Id id, A& action);
  struct Executor;

  std::uint64_t seed_;
  Now now_;
  SimNet net_;
  SeededRng rng_;
  SimNet::HostId service_host_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::map<SimNet::HostId, Id> by_host_;
  std::multimap<Instant, std::function<void()>> events_;
  std::set<std::pair<Instant, Id>> deadlines_;
  bool broker_up_ = true;
  std::map<std::string, std::vector<Subscription>> subscriptions_;
  struct Inbox {
    Id node;
    std::uint64_t generation;
    core::node::ActionId action;
  };
  std::map<std::string, Inbox> inboxes_;
  std::uint64_t next_inbox_ = 1;
  std::map<std::string, MarketEntry> market_;
  std::vector<std::string> violations_;
};

}  // namespace myst::test
