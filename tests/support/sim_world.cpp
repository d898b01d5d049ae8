#include "tests/support/sim_world.hpp"

#include <algorithm>

#include "core/hub/udp_services.hpp"
#include "core/market/filter.hpp"
#include "core/p2p/messages.hpp"

namespace myst::test {

using namespace core;        // NOLINT: the harness is about these
using namespace core::node;  // NOLINT

namespace {

constexpr std::uint16_t kStunPort = 3478, kProbePort = 4589, kProbeFrom = 4590;
constexpr std::uint8_t kHandshake = 0xf1, kHandshakeReply = 0xf2;
constexpr Duration kProposalLife = std::chrono::seconds{190};

}  // namespace

SimWorld::SimWorld(std::uint64_t seed)
    : seed_(seed),
      net_(seed ^ 0x5eed,
           [this](Instant at, SimNet::HostId host, std::uint16_t port, const Endpoint& from,
                  ByteSpan bytes) { deliver(at, host, port, from, bytes); }),
      rng_(seed) {
  now_.instant = Instant{} + std::chrono::hours{1};
  now_.wall = WallTime{} + std::chrono::hours{24 * 365 * 50};
  config.broker_addresses = {"nats://broker:4222"};
  net_.refused = [this](SimNet::HostId host, std::uint16_t port, const Endpoint& to) {
    refused(host, port, to);
  };
  service_host_ = net_.add_host(IpAddress::v4(192, 0, 2, 1), std::nullopt);
  for (const std::uint16_t port : {kStunPort, kProbePort, kProbeFrom})
    net_.bind(service_host_, port);
}
SimWorld::~SimWorld() = default;

void SimWorld::violation(std::string what) {
  if (violations_.size() < 20) violations_.push_back(std::move(what));
}

// --- nodes --------------------------------------------------------------------------------------

SimWorld::Id SimWorld::add(const Host& host) {
  const Id id = nodes_.size();
  auto made = std::make_unique<SimNode>();
  made->ip = IpAddress::v4(static_cast<std::uint32_t>(0x05000001 + id));
  made->host = net_.add_host(made->ip, host.nat);
  made->country = host.country;
  made->config = config;
  SeededRng key_rng(seed_ * 1000003 + id);
  made->signer = std::make_shared<LocalSigner>(LocalSigner::make(key_rng));
  by_host_[made->host] = id;
  nodes_.push_back(std::move(made));
  start(id);
  return id;
}

void SimWorld::start(Id id) {
  SimNode& n = *nodes_[id];
  n.rng = std::make_unique<SeededRng>(seed_ * 7919 + id * 31 + n.generation);
  n.config.origin_country = n.country;
  n.node = std::make_unique<Node>(n.config, *n.rng, now_);
  n.node->handle_unlocked(now_, n.signer);
  if (broker_up_) n.node->handle_broker_connected(now_);
  pump(id);
}

void SimWorld::crash(Id id) {
  SimNode& n = *nodes_[id];
  ++n.generation;
  n.node.reset();
  for (const auto& [socket, port] : n.ports) net_.unbind(n.host, port);
  for (const auto& [tunnel, t] : n.tunnels) net_.unbind(n.host, t.port);
  n.ports.clear();
  n.sockets.clear();
  n.wants_refusals.clear();
  n.sent_to.clear();
  n.tunnels.clear();
  n.brokers.clear();
  n.kill_switches.clear();
  n.excluded = 0;
  for (auto& [subject, list] : subscriptions_) {
    list.erase(std::remove_if(list.begin(), list.end(),
                              [&](const Subscription& s) { return s.node == id; }),
               list.end());
  }
  if (n.deadline) deadlines_.erase({*n.deadline, id});
  n.deadline.reset();
}

void SimWorld::restart(Id id) {
  if (nodes_[id]->node) crash(id);
  start(id);
}

void SimWorld::act(Id id, const std::function<void(Node&)>& command) {
  command(*nodes_[id]->node);
  pump(id);
}

std::string SimWorld::provide(Id id, const std::string& type) {
  const auto result = node(id).start_service(now_, StartService{identity(id), type, {}});
  pump(id);
  return result.ok() ? *result : std::string();
}

void SimWorld::connect(Id id, Id provider, const std::string& type, int slot) {
  ConnectOptions options;
  options.slot = slot;
  options.consumer = identity(id);
  options.filter.service_type = type;
  options.filter.provider_ids = {identity(provider).to_string()};
  act(id, [&](Node& n) {
    if (!n.connect(now_, options).ok()) violation("connect was refused");
  });
}

void SimWorld::disconnect(Id id, int slot) {
  act(id, [&](Node& n) { (void)n.disconnect(now_, slot); });
}

void SimWorld::lose_tunnel(Id id) {
  SimNode& n = *nodes_[id];
  if (n.tunnels.empty()) return;
  const TunnelId tunnel = n.tunnels.begin()->first;
  n.node->handle_tunnel_lost(now_, tunnel, Error{Errc::Io, 0, "device was deleted"});
  pump(id);
}

void SimWorld::traffic(Id id, std::uint64_t bytes_per_second) {
  nodes_[id]->rate = bytes_per_second;
}

void SimWorld::set_broker(bool up) {
  if (broker_up_ == up) return;
  broker_up_ = up;
  for (Id id = 0; id < nodes_.size(); ++id) {
    if (!nodes_[id]->node) continue;
    if (up) {
      nodes_[id]->node->handle_broker_connected(now_);
    } else {
      nodes_[id]->node->handle_broker_lost(now_);
    }
    pump(id);
  }
}

std::size_t SimWorld::proposals() const {
  std::size_t live = 0;
  for (const auto& [key, entry] : market_) live += entry.expires > now_.instant;
  return live;
}

// --- time ---------------------------------------------------------------------------------------

void SimWorld::later(Duration delay, std::function<void()> what) {
  events_.emplace(now_.instant + delay, std::move(what));
}

std::optional<Instant> SimWorld::next_event() const {
  std::optional<Instant> next = net_.next_event();
  if (!events_.empty()) next = earliest(next, events_.begin()->first);
  if (!deadlines_.empty()) next = earliest(next, deadlines_.begin()->first);
  return next;
}

void SimWorld::step_to(Instant at) {
  if (at > now_.instant) {
    now_.wall +=
        std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()) -
        std::chrono::duration_cast<std::chrono::milliseconds>(now_.instant.time_since_epoch());
    now_.instant = at;
  }
  while (!events_.empty() && events_.begin()->first <= now_.instant) {
    const auto what = std::move(events_.begin()->second);
    events_.erase(events_.begin());
    what();
  }
  net_.run(now_.instant);
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_.instant) {
    const Id id = deadlines_.begin()->second;
    const auto before = nodes_[id]->deadline;
    ++nodes_[id]->wakeups;
    nodes_[id]->node->handle_timeout(now_);
    pump(id);
    // The same moment may have several things to do, but not without end.
    nodes_[id]->repeats = nodes_[id]->deadline == before ? nodes_[id]->repeats + 1 : 0;
    if (nodes_[id]->repeats < 100) continue;
    violation("a timer that stays due at node " + std::to_string(id));
    deadlines_.erase({*before, id});
    nodes_[id]->deadline.reset();
  }
}

void SimWorld::run_for(Duration duration) {
  const Instant end = now_.instant + duration;
  for (auto next = next_event(); next && *next <= end; next = next_event()) step_to(*next);
  step_to(end);
}

bool SimWorld::run_until(const std::function<bool()>& condition, Duration limit) {
  const Instant end = now_.instant + limit;
  while (!condition()) {
    const auto next = next_event();
    if (!next || *next > end) {
      step_to(end);
      return condition();
    }
    step_to(*next);
  }
  return true;
}

void SimWorld::answer(Id id, ActionId action, Result<Outcome> result, Duration delay) {
  later(delay, [this, id, action, result, generation = nodes_[id]->generation] {
    if (!nodes_[id]->node || nodes_[id]->generation != generation) return;
    nodes_[id]->node->handle_action_done(now_, action, result);
    pump(id);
  });
}

// --- network ------------------------------------------------------------------------------------

void SimWorld::deliver(Instant, SimNet::HostId host, std::uint16_t port, const Endpoint& from,
                       ByteSpan bytes) {
  if (host == service_host_) {
    if (port == kStunPort) {
      if (const auto reply = answer_stun(bytes, from)) {
        net_.send(now_.instant, host, port, from, 0, *reply);
      }
    } else if (port == kProbePort) {
      if (const auto probe = parse_port_probe(bytes, from)) {
        net_.send(now_.instant, host, kProbeFrom, probe->to, 0, probe->token);
      }
    }
    return;
  }
  const Id id = by_host_.at(host);
  SimNode& n = *nodes_[id];
  if (!n.node) return;
  const auto socket = n.sockets.find(port);
  if (socket != n.sockets.end()) {
    ++n.wakeups;
    n.node->handle_datagram(now_, socket->second, from, bytes);
    pump(id);
    return;
  }
  for (const auto& [tunnel, t] : n.tunnels) {
    if (t.port == port) return tunnel_datagram(id, tunnel, from, bytes);
  }
}

void SimWorld::refused(SimNet::HostId host, std::uint16_t port, const Endpoint& to) {
  const auto id = by_host_.find(host);
  if (id == by_host_.end() || !nodes_[id->second]->node) return;
  SimNode& n = *nodes_[id->second];
  const auto socket = n.sockets.find(port);
  if (socket == n.sockets.end() || n.wants_refusals.count(socket->second) == 0) return;
  n.node->handle_refused(now_, socket->second, to);
  pump(id->second);
}

void SimWorld::forge_refusals(Id id) {
  const auto forged = nodes_[id]->sent_to;
  for (const auto& [socket, to] : forged) nodes_[id]->node->handle_refused(now_, socket, to);
  pump(id);
}

void SimWorld::publish(const std::string& subject, const std::string& reply, const Bytes& payload) {
  if (!broker_up_) return;
  const auto inbox = inboxes_.find(subject);
  if (inbox != inboxes_.end()) {
    const Inbox to = inbox->second;
    inboxes_.erase(inbox);
    if (nodes_[to.node]->generation == to.generation)
      answer(to.node, to.action, Outcome(payload), broker_delay);
    return;
  }
  const auto found = subscriptions_.find(subject);
  if (found == subscriptions_.end()) return;
  for (const Subscription& s : found->second) {
    later(broker_delay, [this, s, reply, payload, generation = nodes_[s.node]->generation] {
      SimNode& n = *nodes_[s.node];
      if (!broker_up_ || !n.node || n.generation != generation) return;
      n.node->handle_broker_message(now_, s.broker, s.tag, reply, payload);
      pump(s.node);
    });
  }
}

// --- tunnels ------------------------------------------------------------------------------------

bool SimWorld::bind(Id id, SocketId socket, std::uint16_t port) {
  SimNode& n = *nodes_[id];
  if (net_.bound(n.host, port)) return false;
  net_.bind(n.host, port);
  n.ports[socket] = port;
  n.sockets[port] = socket;
  return true;
}

void SimWorld::handshake(Id id, std::uint64_t generation, TunnelId tunnel) {
  SimNode& n = *nodes_[id];
  if (!n.node || n.generation != generation) return;
  const auto found = n.tunnels.find(tunnel);
  if (found == n.tunnels.end() || found->second.up) return;
  Bytes datagram{kHandshake};
  datagram.insert(datagram.end(), found->second.own.begin(), found->second.own.end());
  net_.send(now_.instant, n.host, found->second.port, found->second.endpoint, 0, datagram);
  later(std::chrono::seconds{5}, [=] { handshake(id, generation, tunnel); });
}

void SimWorld::tunnel_datagram(Id id, TunnelId tunnel, const Endpoint& from, ByteSpan bytes) {
  Tunnel& t = nodes_[id]->tunnels[tunnel];
  if (bytes.size() != 33 || !std::equal(t.peer.begin(), t.peer.end(), bytes.begin() + 1)) return;
  if (t.provider && bytes[0] == kHandshake) {
    t.up = true;
    t.endpoint = from;
    Bytes reply{kHandshakeReply};
    reply.insert(reply.end(), t.own.begin(), t.own.end());
    net_.send(now_.instant, nodes_[id]->host, t.port, from, 0, reply);
  } else if (!t.provider && bytes[0] == kHandshakeReply && !t.up) {
    t.up = true;
    nodes_[id]->node->handle_tunnel_up(now_, tunnel);
    pump(id);
  }
}

void SimWorld::close_tunnel(Id id, TunnelId tunnel) {
  SimNode& n = *nodes_[id];
  const auto found = n.tunnels.find(tunnel);
  if (found == n.tunnels.end()) return;
  net_.unbind(n.host, found->second.port);
  n.tunnels.erase(found);
}

// --- actions ------------------------------------------------------------------------------------

struct SimWorld::Executor {
  SimWorld& w;
  Id id;
  SimNode& n;

  void done(ActionId a, Duration delay) { w.answer(id, a, Outcome(Done{}), delay); }
  void done(ActionId a) { done(a, w.answer_delay); }
  void failed(ActionId a, Errc code, const char* what) {
    w.answer(id, a, Error{code, 0, what}, w.answer_delay);
  }
  void stored(ActionId a) {
    if (n.disk.fails) return failed(a, Errc::Io, "disk is full");
    done(a, w.disk_delay);
  }
  bool link_free(const std::string& link) {
    for (const auto& [tunnel, t] : n.tunnels) {
      if (t.link == link) return false;
    }
    return true;
  }
  bool take_port(std::optional<SocketId> socket, std::uint16_t port) {
    if (socket) {
      const auto found = n.ports.find(*socket);
      if (found == n.ports.end() || found->second != port) {
        w.violation("a tunnel takes a socket that is not open");
        return false;
      }
      n.sockets.erase(port);
      n.ports.erase(found);
      return true;  // stays bound, now the tunnel's
    }
    if (w.net_.bound(n.host, port)) return false;
    w.net_.bind(n.host, port);
    return true;
  }

  void operator()(UdpSend& a) {
    const auto port = n.ports.find(a.socket);
    if (port == n.ports.end()) return w.violation("datagram from a closed socket");
    if (n.wants_refusals.count(a.socket) != 0) n.sent_to[a.socket] = a.to;
    w.net_.send(w.now_.instant, n.host, port->second, a.to, a.ttl, a.bytes);
  }
  void operator()(UdpOpen& a) {
    for (int i = 0; i < 50; ++i) {
      const auto port = static_cast<std::uint16_t>(10000 + w.rng_.below(50000));
      if (!w.bind(id, a.socket, port)) continue;
      return w.answer(id, a.id, Outcome(Port{port}), {});
    }
    failed(a.id, Errc::Unavailable, "no free port");
  }
  void operator()(UdpClose& a) {
    const auto port = n.ports.find(a.socket);
    if (port == n.ports.end()) return;
    w.net_.unbind(n.host, port->second);
    n.sockets.erase(port->second);
    n.ports.erase(port);
  }
  void operator()(UdpTellRefused& a) { n.wants_refusals.insert(a.socket); }
  void operator()(BrokerPublish& a) {
    w.later(w.broker_delay, [&world = w, a] { world.publish(a.subject, {}, a.payload); });
  }
  void operator()(BrokerRequest& a) {
    const std::string inbox = "_INBOX." + std::to_string(w.next_inbox_++);
    w.inboxes_[inbox] = {id, n.generation, a.id};
    w.later(w.broker_delay, [&world = w, a, inbox] { world.publish(a.subject, inbox, a.payload); });
  }
  void operator()(BrokerOpen& a) {
    n.brokers.insert(a.broker);
    if (w.broker_up_) return done(a.id, w.broker_delay * 2);
    failed(a.id, Errc::Unavailable, "no broker");
  }
  void operator()(BrokerClose& a) {
    n.brokers.erase(a.broker);
    for (auto& [subject, list] : w.subscriptions_) {
      list.erase(std::remove_if(
                     list.begin(), list.end(),
                     [&](const Subscription& s) { return s.node == id && s.broker == a.broker; }),
                 list.end());
    }
  }
  void operator()(BrokerSubscribe& a) {
    w.subscriptions_[a.subject].push_back({id, a.broker, a.tag});
  }
  void operator()(BrokerUnsubscribe& a) {
    for (auto& [subject, list] : w.subscriptions_) {
      list.erase(
          std::remove_if(list.begin(), list.end(),
                         [&](const Subscription& s) { return s.node == id && s.tag == a.tag; }),
          list.end());
    }
  }
  void operator()(PublishProposal& a) {
    if (!w.broker_up_) return failed(a.id, Errc::Unavailable, "no broker");
    const bool remove = a.topic.find("unregister") != std::string::npos;
    w.later(w.broker_delay, [&world = w, p = a.proposal, remove] {
      if (remove) {
        world.market_.erase(p.key());
      } else {
        world.market_[p.key()] = {p, world.now_.instant + kProposalLife};
      }
    });
    done(a.id);
  }
  void operator()(MapPorts& a) { failed(a.id, Errc::Unsupported, "no such router"); }
  void operator()(UnmapPorts&) {}
  void operator()(FindNetworkFacts& a) {
    NetworkFacts facts;
    facts.public_ip = n.ip;
    facts.stun_servers = {Endpoint{IpAddress::v4(192, 0, 2, 1), kStunPort}};
    facts.port_check_servers = {Endpoint{IpAddress::v4(192, 0, 2, 1), kProbePort}};
    w.answer(id, a.id, Outcome(facts), w.answer_delay);
  }
  void operator()(FindPublicIp& a) {
    // Through the tunnel the world sees the provider.
    IpAddress ip = n.ip;
    for (const auto& [tunnel, t] : n.tunnels) {
      if (!t.provider && t.up) ip = t.endpoint.ip;
    }
    w.answer(id, a.id, Outcome(ip), std::chrono::milliseconds{30});
  }
  void operator()(FindLocation& a) {
    if (!w.location_works) return failed(a.id, Errc::Unavailable, "location service is down");
    ProposalLocation location;
    location.country = n.country;
    location.ip_type = "residential";
    w.answer(id, a.id, Outcome(location), w.answer_delay);
  }
  void operator()(ExcludeAddress& a) {
    ++n.excluded;
    done(a.id);
  }
  void operator()(ReleaseAddress&) {
    if (n.excluded == 0) return w.violation("an address is released twice");
    --n.excluded;
  }
  void operator()(BypassBackends&) {}
  void operator()(KillSwitchOn& a) {
    n.kill_switches.insert(a.slot);
    done(a.id);
  }
  void operator()(KillSwitchOff& a) { n.kill_switches.erase(a.slot); }
  void operator()(ServiceTunnelOpen& a) {
    if (!link_free(a.link)) w.violation("two tunnels of one name: " + a.link);
    if (!take_port(a.socket, a.listen_port)) return failed(a.id, Errc::Unavailable, "port in use");
    Tunnel t;
    t.provider = true;
    t.link = a.link;
    t.port = a.listen_port;
    t.own = x25519::public_key(a.private_key);
    t.peer = a.peer;
    t.opened = w.now_.instant;
    n.tunnels[a.tunnel] = t;
    done(a.id, std::chrono::milliseconds{3});
  }
  void operator()(ServiceTunnelClose& a) {
    w.close_tunnel(id, a.tunnel);
    done(a.id);
  }
  void operator()(ConsumerTunnelOpen& a) {
    if (a.keep_routes) {
      for (const auto& [tunnel, t] : n.tunnels) {
        if (t.link != a.link) continue;
        w.close_tunnel(id, tunnel);
        break;
      }
    }
    if (!link_free(a.link)) w.violation("two tunnels of one name: " + a.link);
    if (!take_port(a.socket, a.listen_port)) return failed(a.id, Errc::Unavailable, "port in use");
    Tunnel t;
    t.link = a.link;
    t.port = a.listen_port;
    t.own = x25519::public_key(a.private_key);
    t.peer = a.peer;
    t.endpoint = a.endpoint;
    t.opened = w.now_.instant;
    n.tunnels[a.tunnel] = t;
    if (w.tunnel_setup_fails) {
      w.later(w.tunnel_setup,
              [&world = w, node = id, g = n.generation, action = a.id, tunnel = a.tunnel] {
                if (world.nodes_[node]->generation != g) return;
                world.close_tunnel(node, tunnel);
                world.answer(node, action, Error{Errc::Io, 0, "routes"}, Duration{0});
              });
    } else {
      done(a.id, w.tunnel_setup);
    }
    w.later(std::chrono::milliseconds{3},
            [&world = w, node = id, g = n.generation, tunnel = a.tunnel] {
              world.handshake(node, g, tunnel);
            });
  }
  void operator()(ConsumerTunnelClose& a) {
    w.close_tunnel(id, a.tunnel);
    done(a.id);
  }
  void operator()(ReadTunnel& a) {
    const auto found = n.tunnels.find(a.tunnel);
    if (found == n.tunnels.end()) return w.violation("counters of a closed tunnel");
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(w.now_.instant - found->second.opened);
    const std::uint64_t bytes = n.rate * static_cast<std::uint64_t>(seconds.count());
    w.later({}, [&world = w, node = id, g = n.generation, tunnel = a.tunnel, bytes] {
      SimNode& to = *world.nodes_[node];
      if (!to.node || to.generation != g) return;
      to.node->handle_tunnel_counters(world.now_, tunnel, TunnelCounters{bytes, bytes});
      world.pump(node);
    });
  }
  void operator()(FindProposals& a) {
    ProposalList list;
    for (const auto& [key, entry] : w.market_) {
      if (entry.expires <= w.now_.instant || !matches_locally(a.filter, entry.proposal)) continue;
      list.push_back(PricedProposal{entry.proposal, core::Price{}});
    }
    w.answer(id, a.id, Outcome(std::move(list)), w.answer_delay);
  }
  void operator()(CheckAccess& a) {
    if (w.policy_allows) return done(a.id, std::chrono::milliseconds{20});
    failed(a.id, Errc::Rejected, "policy");
  }
  void operator()(CheckRegistration& a) { done(a.id); }
  void operator()(CheckBalance& a) { w.answer(id, a.id, Outcome(Wei{~0ull}), w.answer_delay); }
  void operator()(CheckHermes& a) { done(a.id); }
  void operator()(RequestPromise& a) { done(a.id, std::chrono::milliseconds{50}); }
  void operator()(StorePayment& a) {
    if (!n.disk.fails) {
      Wei& total = n.disk.grand_totals[{a.chain, a.record.consumer, a.hermes}];
      if (a.grand_total < total) w.violation("a promise has shrunk");
      total = a.grand_total;
      ++n.disk.payments;
    }
    stored(a.id);
  }
  void operator()(StoreInvoice& a) {
    if (!n.disk.fails) ++n.disk.invoices;
    stored(a.id);
  }
  void operator()(StoreAccepted& a) {
    if (!n.disk.fails) ++n.disk.accepted;
    stored(a.id);
  }
  void operator()(LoadGrandTotal& a) {
    w.answer(id, a.id, Outcome(n.disk.grand_totals[{a.chain, a.identity, a.hermes}]), w.disk_delay);
  }
  void operator()(StoreSession& a) {
    n.disk.sessions[(a.record.provided ? "p:" : "c:") + a.record.id] = a.record;
  }
  void operator()(StoreConnectivity& a) { n.disk.reports.push_back(a.record); }
};

void SimWorld::pump(Id id) {
  SimNode& n = *nodes_[id];
  if (!n.node) return;
  Executor executor{*this, id, n};
  while (auto action = n.node->poll_action()) {
    std::visit([&](auto& a) { executor(a); }, *action);
  }
  while (auto event = n.node->poll_event()) {
    if (n.events.size() < 100000) n.events.push_back(std::move(*event));
  }
  const auto next = n.node->next_timeout();
  if (next == n.deadline) return;
  if (n.deadline) deadlines_.erase({*n.deadline, id});
  n.deadline = next;
  if (next) deadlines_.insert({*next, id});
}

}  // namespace myst::test
