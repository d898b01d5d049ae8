#include "apps/myst/tunnels.hpp"

#include <utility>

#include "platform/system/files.hpp"

namespace myst::app {
namespace {

constexpr char kProviderLabel[] = "provider";

std::string kill_switch_label(int slot) { return "kill switch " + std::to_string(slot); }

bool ipv6_enabled() {
  // Unreadable counts as enabled: better a route too many than a leak.
  const auto text = platform::read_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", 16);
  return !text.ok() || text->empty() || (*text)[0] == '0';
}

bool have_ipv6() {
  return platform::read_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", 16).ok();
}

// What a slot other than 0 changes: its device only. Programs reach the tunnel by binding to its
// address; the table of that number holds the way.
core::Plan plan_slot(const core::node::ConsumerTunnelOpen& request) {
  const auto table = static_cast<std::uint32_t>(100000 + request.slot);
  core::Plan plan;
  plan.push_back(core::SetLinkUp{request.link});
  plan.push_back(core::AddAddress{request.link, {request.address.ip, 32}});
  plan.push_back(core::AddRoute{{IpAddress(), 0}, std::nullopt, request.link, table});
  core::AddRule rule;
  rule.priority = 1000;
  rule.table = table;
  rule.from = IpPrefix{request.address.ip, 32};
  plan.push_back(rule);
  return plan;
}

}  // namespace

Tunnels::Tunnels(platform::Loop& loop, platform::SystemChanges& changes,
                 wireguard::Wireguard& wireguard, Config config, OnUp on_up)
    : loop_(loop),
      changes_(changes),
      wireguard_(wireguard),
      config_(std::move(config)),
      on_up_(std::move(on_up)) {}

Tunnels::~Tunnels() {
  while (!tunnels_.empty()) close(tunnels_.begin()->first);
}

std::string Tunnels::label(core::node::TunnelId tunnel) {
  return "tunnel " + std::to_string(tunnel);
}

Status Tunnels::prepare_provider() {
  if (provider_prepared_) return {};
  MYST_TRY(wireguard_.probe());
  auto iptables = changes_.iptables();
  if (!iptables.ok()) return iptables.error();
  core::ProviderBase base;
  base.chains = changes_.chains();
  base.protected_networks = config_.protected_networks;
  MYST_TRY_ASSIGN(const auto addresses, changes_.netlink().addresses());
  for (const auto& address : addresses) base.own_addresses.push_back(address.address.ip);
  MYST_TRY(changes_.apply(kProviderLabel, core::plan_provider_base(base)));
  provider_prepared_ = true;
  return {};
}

Result<std::unique_ptr<wireguard::Device>> Tunnels::make_device(const std::string& link,
                                                                wireguard::DeviceConfig config) {
  // In the journal before it exists: a device that a crash leaves behind is deleted at the next
  // start.
  MYST_TRY(changes_.apply("device " + link, {core::OwnLink{link}}));
  config.name = link;
  auto device = wireguard_.open(std::move(config));
  if (!device.ok()) (void)changes_.undo("device " + link);
  return device;
}

Status Tunnels::open(const core::node::ServiceTunnelOpen& request, platform::UniqueFd socket) {
  MYST_TRY(prepare_provider());
  wireguard::DeviceConfig config;
  config.private_key = request.private_key;
  config.listen_port = request.listen_port;
  config.socket = std::move(socket);
  config.mtu_bytes = config_.provider_mtu_bytes;
  wireguard::PeerConfig peer;
  peer.public_key = request.peer;
  peer.allowed_ips = {IpPrefix{IpAddress(), 0}, IpPrefix{IpAddress::v6({}), 0}};
  config.peers.push_back(std::move(peer));
  MYST_TRY_ASSIGN(auto device, make_device(request.link, std::move(config)));

  const auto finish = [&]() -> Status {
    core::ProviderLink link;
    link.link = request.link;
    link.address = request.address;
    core::SessionNetwork session;
    session.chains = changes_.chains();
    session.link = request.link;
    session.network = request.network;
    session.dns = request.address.ip;
    session.dns_port = config_.dns_port;
    session.dns_policy = request.dns_policy;
    session.limit_bytes_per_second = config_.limit_bytes_per_second;
    core::Plan plan = core::plan_provider_link(link);
    MYST_TRY_ASSIGN(const core::Plan nat, core::plan_session_nat(session));
    plan.insert(plan.end(), nat.begin(), nat.end());
    return changes_.apply(label(request.tunnel), plan);
  };
  if (const Status status = finish(); !status.ok()) {
    device.reset();
    (void)changes_.undo("device " + request.link);
    return status;
  }
  if (dns_ != nullptr) MYST_TRY(dns_->allow(request.network));
  tunnels_[request.tunnel] =
      Tunnel{std::move(device), request.link, false, request.network, {label(request.tunnel)}};
  return {};
}

Status Tunnels::open(const core::node::ConsumerTunnelOpen& request, platform::UniqueFd socket) {
  wireguard::DeviceConfig config;
  config.private_key = request.private_key;
  config.listen_port = request.listen_port;
  config.socket = std::move(socket);
  wireguard::PeerConfig peer;
  peer.public_key = request.peer;
  peer.endpoint = request.endpoint;
  peer.keepalive_s = static_cast<std::uint16_t>(
      std::chrono::duration_cast<std::chrono::seconds>(request.keepalive).count());
  peer.allowed_ips = {IpPrefix{IpAddress(), 0}, IpPrefix{IpAddress::v6({}), 0}};
  config.peers.push_back(std::move(peer));
  if (request.keep_routes) {
    for (const auto& [id, tunnel] : tunnels_) {
      if (tunnel.link == request.link) return take_over(id, request, std::move(config));
    }
  }
  MYST_TRY_ASSIGN(auto device, make_device(request.link, std::move(config)));
  device->on_handshake(
      [this, tunnel = request.tunnel](const wireguard::PublicKey&) { on_up_(tunnel); });

  core::ConsumerTunnel tunnel;
  tunnel.link = request.link;
  tunnel.address = request.address;
  tunnel.dns = request.dns;
  tunnel.ipv6_enabled = ipv6_enabled();
  const core::Plan plan =
      request.slot == 0 ? core::plan_consumer_tunnel(tunnel) : plan_slot(request);
  if (const Status status = changes_.apply(label(request.tunnel), plan); !status.ok()) {
    device.reset();
    (void)changes_.undo("device " + request.link);
    return status;
  }
  tunnels_[request.tunnel] =
      Tunnel{std::move(device), request.link, true, IpPrefix{}, {label(request.tunnel)}};
  return {};
}

// The device and its routes stay; keys, peer, socket, address and resolvers change.
Status Tunnels::take_over(core::node::TunnelId old, const core::node::ConsumerTunnelOpen& request,
                          wireguard::DeviceConfig config) {
  core::Plan plan;
  plan.push_back(core::AddAddress{request.link, request.address});
  if (!request.dns.empty()) plan.push_back(core::SetDns{request.link, request.dns, {}});
  MYST_TRY(changes_.apply(label(request.tunnel), plan));
  auto node = tunnels_.extract(old);
  Tunnel& tunnel = node.mapped();
  const auto set_up = [&]() -> Status {
    MYST_TRY(tunnel.device->set_private_key(config.private_key));
    if (config.socket.valid()) MYST_TRY(tunnel.device->set_socket(std::move(config.socket)));
    return tunnel.device->set_peers(std::move(config.peers));
  };
  if (const Status status = set_up(); !status.ok()) {
    (void)changes_.undo(label(request.tunnel));
    tunnels_.insert(std::move(node));
    return status;
  }
  tunnel.device->on_handshake(
      [this, id = request.tunnel](const wireguard::PublicKey&) { on_up_(id); });
  tunnel.labels.push_back(label(request.tunnel));
  node.key() = request.tunnel;
  tunnels_.insert(std::move(node));
  return {};
}

void Tunnels::close(core::node::TunnelId tunnel) {
  const auto found = tunnels_.find(tunnel);
  if (found == tunnels_.end()) return;
  if (dns_ != nullptr && !found->second.consumer) dns_->disallow(found->second.network);
  auto& labels = found->second.labels;
  for (auto at = labels.rbegin(); at != labels.rend(); ++at) (void)changes_.undo(*at);
  found->second.device.reset();
  (void)changes_.undo("device " + found->second.link);
  tunnels_.erase(found);
}

std::optional<core::node::TunnelCounters> Tunnels::counters(core::node::TunnelId tunnel) {
  const auto found = tunnels_.find(tunnel);
  if (found == tunnels_.end()) return std::nullopt;
  const auto stats = found->second.device->stats();
  if (!stats.ok()) return std::nullopt;
  core::node::TunnelCounters sum;
  for (const wireguard::PeerStats& peer : *stats) {
    sum.sent_bytes += peer.tx_bytes;
    sum.received_bytes += peer.rx_bytes;
  }
  return sum;
}

std::vector<std::string> Tunnels::links() const {
  std::vector<std::string> out;
  for (const auto& [id, tunnel] : tunnels_) {
    (void)id;
    if (tunnel.consumer) out.push_back(tunnel.link);
  }
  return out;
}

Status Tunnels::apply_all(const std::vector<core::RouteExclusions::Action>& actions) {
  Status first;
  for (const auto& action : actions) {
    const Status status =
        action.make ? changes_.apply(action.label, action.plan) : changes_.undo(action.label);
    if (!status.ok() && first.ok()) first = status;
  }
  return first;
}

Status Tunnels::exclude(const IpAddress& address) {
  MYST_TRY_ASSIGN(const auto routes, changes_.netlink().routes());
  watch_routes();
  return apply_all(exclusions_.acquire(address, routes, links()));
}

void Tunnels::release(const IpAddress& address) {
  (void)apply_all(exclusions_.release(address));
  if (exclusions_.size() == 0) {
    watcher_ = platform::FdWatcher();
    monitor_.reset();
  }
}

// While addresses are excluded the way to them follows the host's gateway.
void Tunnels::watch_routes() {
  if (monitor_) return;
  auto monitor = platform::RouteMonitor::open();
  if (!monitor.ok()) return;
  monitor_.emplace(std::move(*monitor));
  auto watcher = platform::FdWatcher::open(loop_, monitor_->fd(), [this](unsigned) {
    if (monitor_ && monitor_->drain()) replan();
  });
  if (!watcher.ok()) {
    monitor_.reset();
    return;
  }
  watcher_ = std::move(*watcher);
  watcher_.watch(platform::FdWatcher::kReadable);
}

void Tunnels::replan() {
  const auto routes = changes_.netlink().routes();
  if (routes.ok()) (void)apply_all(exclusions_.replan(*routes, links()));
}

Status Tunnels::kill_switch_on(const core::node::KillSwitchOn& request) {
  kill_switch_off(request.slot);
  core::KillSwitch kill_switch;
  kill_switch.chains = changes_.chains();
  kill_switch.tunnel_links = {request.link};
  kill_switch.allowed = request.allowed;
  kill_switch.ipv6 = have_ipv6();
  return changes_.apply(kill_switch_label(request.slot), core::plan_kill_switch(kill_switch));
}

void Tunnels::kill_switch_off(int slot) { (void)changes_.undo(kill_switch_label(slot)); }

}  // namespace myst::app
