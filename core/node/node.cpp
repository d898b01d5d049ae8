#include "core/node/node.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "core/connection/connection.hpp"
#include "core/connection/farewell.hpp"
#include "core/node/context.hpp"
#include "core/node/provider.hpp"

namespace myst::core {

using namespace node;  // the whole file composes what stands there

struct Node::Impl {
  Impl(const Config& config, Rng& rng)
      : context(config, rng), provider(context), farewells(context) {}

  // Drains channels and removes what has ended, after each input.
  void settle(Now now) {
    last_now = now;
    provider.settle(now);
    for (auto& entry : connections) entry.second->settle(now);
    farewells.settle(now);
  }
  bool connections_idle() const {
    return std::all_of(connections.begin(), connections.end(),
                       [](const auto& entry) { return entry.second->idle(); });
  }

  Context context;
  Provider provider;
  Farewells farewells;
  std::map<int, std::unique_ptr<Connection>> connections;  // by slot
  Now last_now{};
  bool stopping = false;
};

Node::Node(const Config& config, Rng& rng, Now now) : impl_(std::make_unique<Impl>(config, rng)) {
  impl_->last_now = now;
  if (!config.chain.present) impl_->context.prices.load_free();
}
Node::~Node() = default;

// --- commands -----------------------------------------------------------------------------------

void Node::handle_unlocked(Now now, std::shared_ptr<const Signer> signer) {
  impl_->last_now = now;
  if (signer) impl_->context.signers[signer->address()] = std::move(signer);
}

void Node::handle_locked(Now now, const Address& identity) {
  impl_->last_now = now;
  impl_->context.signers.erase(identity);
}

bool Node::unlocked(const Address& identity) const {
  return impl_->context.signer(identity) != nullptr;
}

Result<std::string> Node::start_service(Now now, const StartService& request) {
  if (impl_->stopping) return Error{Errc::InvalidState, 0, "node is shutting down"};
  auto result = impl_->provider.start_service(now, request);
  impl_->settle(now);
  return result;
}

Status Node::stop_service(Now now, std::string_view service_id) {
  const Status status = impl_->provider.stop_service(now, service_id, true);
  impl_->settle(now);
  return status;
}

Status Node::connect(Now now, const ConnectOptions& options) {
  if (impl_->stopping) return Error{Errc::InvalidState, 0, "node is shutting down"};
  if (options.slot < 0 || options.slot > 65535) return Error{Errc::Rejected, 0, "proxy port"};
  auto& connections = impl_->connections;
  auto found = connections.find(options.slot);
  if (found == connections.end()) {
    if (connections.size() >= impl_->context.config.max_connections) {
      const auto idle = std::find_if(connections.begin(), connections.end(),
                                     [](const auto& entry) { return entry.second->idle(); });
      if (idle == connections.end()) return Error{Errc::Full, 0, "too many connections"};
      connections.erase(idle);
    }
    auto made = std::make_unique<Connection>(impl_->context, impl_->farewells, options.slot);
    found = connections.emplace(options.slot, std::move(made)).first;
  }
  const Status status = found->second->connect(now, options);
  impl_->settle(now);
  return status;
}

Status Node::disconnect(Now now, int slot) {
  Status status;
  if (slot < 0) {
    for (auto& entry : impl_->connections) (void)entry.second->disconnect(now, {});
  } else {
    const auto found = impl_->connections.find(slot);
    if (found != impl_->connections.end()) {
      status = found->second->disconnect(now, {});
    } else if (slot == 0) {
      status = Error{Errc::NotFound, 0, "no connection exists"};
    }
  }
  impl_->settle(now);
  return status;
}

void Node::set_origin_country(std::string country) {
  impl_->context.config.origin_country = std::move(country);
}

void Node::handle_policies(std::vector<Address> allowed, bool dns_rules) {
  impl_->context.allowed_consumers = std::move(allowed);
  impl_->context.dns_rules = dns_rules;
}

void Node::shutdown(Now now) {
  impl_->stopping = true;
  for (auto& entry : impl_->connections)
    (void)entry.second->disconnect(now, "node is shutting down");
  impl_->provider.stop_all(now);
  impl_->settle(now);
}

bool Node::idle() const {
  return impl_->provider.idle() && impl_->connections_idle() && impl_->farewells.idle() &&
         impl_->context.fx.idle();
}

// --- inputs -------------------------------------------------------------------------------------

void Node::handle_action_done(Now now, ActionId id, Result<Outcome> result) {
  impl_->context.fx.answer(now, id, std::move(result));
  impl_->settle(now);
}

void Node::handle_datagram(Now now, SocketId socket, const Endpoint& from, ByteSpan bytes) {
  const auto found = impl_->context.sockets.find(socket);
  if (found == impl_->context.sockets.end()) return;
  found->second->on_datagram(now, socket, from, bytes);
  impl_->settle(now);
}

void Node::handle_refused(Now now, SocketId socket, const Endpoint& to) {
  const auto found = impl_->context.sockets.find(socket);
  if (found == impl_->context.sockets.end()) return;
  found->second->on_refused(now, to);
  impl_->settle(now);
}

void Node::handle_broker_connected(Now now) {
  impl_->context.broker_connected = true;
  impl_->provider.handle_broker_connected(now);
  impl_->settle(now);
}

void Node::handle_broker_lost(Now now) {
  impl_->last_now = now;
  impl_->context.broker_connected = false;
}

void Node::handle_broker_message(Now now, BrokerId broker, std::uint32_t tag,
                                 std::string_view reply_subject, ByteSpan payload) {
  (void)broker;  // tags are unique in the node
  const auto found = impl_->context.subscriptions.find(tag);
  if (found == impl_->context.subscriptions.end()) return;
  const auto user = found->second;
  user.first->on_broker_message(now, user.second, reply_subject, payload);
  impl_->settle(now);
}

void Node::handle_tunnel_up(Now now, TunnelId tunnel) {
  const auto found = impl_->context.tunnels.find(tunnel);
  if (found == impl_->context.tunnels.end()) return;
  found->second->on_tunnel_up(now);
  impl_->settle(now);
}

void Node::handle_tunnel_lost(Now now, TunnelId tunnel, const Error& why) {
  const auto found = impl_->context.tunnels.find(tunnel);
  if (found == impl_->context.tunnels.end()) return;
  found->second->on_tunnel_lost(now, why);
  impl_->settle(now);
}

void Node::handle_tunnel_counters(Now now, TunnelId tunnel, const TunnelCounters& counters) {
  const auto found = impl_->context.tunnels.find(tunnel);
  if (found == impl_->context.tunnels.end()) return;
  found->second->on_tunnel_counters(now, counters);
  impl_->settle(now);
}

void Node::handle_prices(Now now, const PriceTable& prices) {
  impl_->last_now = now;
  if (impl_->context.config.chain.present) impl_->context.prices = prices;
}

void Node::handle_registered(Now now, const Address& identity) {
  impl_->provider.handle_registered(now, identity);
  impl_->settle(now);
}

void Node::handle_timeout(Now now) {
  impl_->provider.handle_timeout(now);
  for (auto& entry : impl_->connections) entry.second->handle_timeout(now);
  impl_->farewells.handle_timeout(now);
  impl_->settle(now);
}

// --- outputs ------------------------------------------------------------------------------------

std::optional<Action> Node::poll_action() { return impl_->context.fx.poll_action(); }
std::optional<Event> Node::poll_event() { return impl_->context.fx.poll_event(); }

std::optional<Instant> Node::next_timeout() const {
  std::optional<Instant> next =
      earliest(impl_->provider.next_timeout(), impl_->farewells.next_timeout());
  for (const auto& entry : impl_->connections) next = earliest(next, entry.second->next_timeout());
  return next;
}

// --- views --------------------------------------------------------------------------------------

std::vector<Node::ServiceView> Node::services() const {
  std::vector<ServiceView> list;
  for (const auto& entry : impl_->provider.services()) {
    const Service& service = *entry.second;
    if (service.public_state() == ServiceState::NotRunning) continue;
    ServiceView view;
    view.id = service.id();
    view.provider = service.provider();
    view.type = service.type();
    view.state = service.public_state();
    view.proposal = service.proposal();
    view.attempted = service.attempted;
    view.successful = service.successful;
    view.sessions = impl_->provider.sessions_of(service.id());
    list.push_back(std::move(view));
  }
  return list;
}

std::vector<SessionRecord> Node::sessions() const { return impl_->provider.sessions(); }

Node::ConnectionView Node::connection(int slot) const {
  ConnectionView view;
  view.slot = slot;
  const auto found = impl_->connections.find(slot);
  if (found == impl_->connections.end()) return view;
  const Connection& connection = *found->second;
  view.state = connection.state();
  view.reason = connection.reason();
  if (view.state == ConnectionState::NotConnected) return view;
  view.consumer = connection.options().consumer;
  view.hermes = connection.hermes();
  view.proposal = connection.proposal();
  view.session_id = connection.record().id;
  view.counters = connection.counters();
  view.started = connection.record().started;
  view.tokens_spent = connection.record().tokens;
  return view;
}

std::vector<Node::ConnectionView> Node::connections() const {
  std::vector<ConnectionView> list;
  for (const auto& entry : impl_->connections) list.push_back(connection(entry.first));
  return list;
}

std::vector<ConnectivityRecord> Node::connectivity() const {
  return impl_->provider.connectivity(impl_->last_now.wall);
}

}  // namespace myst::core
