#include "apps/myst/tunnels.hpp"

#include <utility>

#include "drivers/wireguard/tun_link.hpp"

namespace myst::app {
namespace {

// A slot other than 0 has a routing table of its own, for what is bound to its address.
constexpr std::uint32_t kFirstSlotTable = 100000;

wireguard::PeerConfig whole_internet(const wireguard::PublicKey& key) {
  wireguard::PeerConfig peer;
  peer.public_key = key;
  peer.allowed_ips = {IpPrefix{IpAddress(), 0}, IpPrefix{IpAddress::v6({}), 0}};
  return peer;
}

}  // namespace

Tunnels::Tunnels(platform::HostNetwork& network, wireguard::Wireguard& wireguard, Config config,
                 OnUp on_up)
    : network_(network), wireguard_(wireguard), config_(config), on_up_(std::move(on_up)) {}

void Tunnels::prepare_provider(Done done) {
  if (const Status status = wireguard_.probe(); !status.ok()) return done(status);
  network_.start_provider([this, done = std::move(done)](const Status& started) {
    if (!started.ok() || wireguard_.backend().backend == wireguard::Backend::Kernel) {
      return done(started);
    }
    with_provider_link(done);
  });
}

// --- the device of all sessions

void Tunnels::with_provider_link(Done done) {
  if (provider_link_ != nullptr && provider_link_->there()) return done({});
  wait_for_link_.push_back(std::move(done));
  if (wait_for_link_.size() > 1) return;
  if (provider_link_ == nullptr) return make_provider_link(0);
  // Somebody has deleted it. What we knew of it goes too; sessions that were on it get nothing any
  // more and end by themselves.
  const std::string name = provider_link_->name();
  provider_link_.reset();
  network_.close_link(name, {});
  network_.release_link(name, [this](const Status&) { make_provider_link(0); });
}

void Tunnels::make_provider_link(int number) {
  const std::string name = config_.provider_link + std::to_string(number);
  network_.claim_link(name, [this, name, number](const Status& claimed) {
    if (!claimed.ok()) {
      const bool taken = claimed.error().code == Errc::AlreadyExists;
      if (taken && number < kMaxLinkNumber) return make_provider_link(number + 1);
      return provider_link_made(claimed);
    }
    auto link = wireguard_.open_link(name, config_.provider_mtu_bytes);
    if (!link.ok()) {
      return network_.release_link(
          name, [this, why = link.error()](const Status&) { provider_link_made(why); });
    }
    provider_link_ = std::move(*link);
    network_.open_link({name, 0, config_.limit_bytes_per_second > 0}, [this,
                                                                       name](const Status& opened) {
      if (opened.ok()) return provider_link_made(opened);
      provider_link_.reset();
      network_.release_link(name, [this, opened](const Status&) { provider_link_made(opened); });
    });
  });
}

void Tunnels::provider_link_made(const Status& status) {
  for (const Done& done : std::exchange(wait_for_link_, {})) done(status);
}

// --- one tunnel

void Tunnels::make_device(core::node::TunnelId id, wireguard::DeviceConfig config, Done done,
                          std::function<void()> configure) {
  const std::string link = tunnels_[id].link;
  auto shared_config = std::make_shared<wireguard::DeviceConfig>(std::move(config));
  if (link.empty()) {
    return with_provider_link([this, id, done = std::move(done), shared_config,
                               configure = std::move(configure)](const Status& there) {
      if (!there.ok()) return opened(id, there, done);
      shared_config->link = provider_link_;
      open_device(id, std::move(*shared_config), done, configure);
    });
  }
  // In the journal before it exists: a device that a crash leaves behind is deleted at the next
  // start.
  network_.claim_link(link, [this, id, done = std::move(done), shared_config,
                             configure = std::move(configure)](const Status& claimed) {
    if (!claimed.ok()) return opened(id, claimed, done);
    open_device(id, std::move(*shared_config), done, configure);
  });
}

void Tunnels::open_device(core::node::TunnelId id, wireguard::DeviceConfig config, const Done& done,
                          const std::function<void()>& configure) {
  auto device = wireguard_.open(std::move(config));
  if (!device.ok()) {
    return remove_device(
        id, [this, id, done, why = device.error()](const Status&) { opened(id, why, done); });
  }
  tunnels_[id].device = std::move(*device);
  configure();
}

// The end of every opening. A failed one leaves nothing; one that somebody wants closed meanwhile
// is closed.
void Tunnels::opened(core::node::TunnelId id, const Status& status, const Done& done) {
  Tunnel& tunnel = tunnels_[id];
  tunnel.opening = false;
  Closed close_wanted = std::move(tunnel.close_wanted);
  if (!status.ok()) tunnels_.erase(id);
  done(status);
  if (!close_wanted) return;
  if (status.ok()) return close_now(id, std::move(close_wanted));
  close_wanted(std::nullopt);
}

void Tunnels::remove_device(core::node::TunnelId id, Done done) {
  Tunnel& tunnel = tunnels_[id];
  tunnel.device.reset();
  if (tunnel.link.empty()) return done({});
  network_.release_link(tunnel.link, std::move(done));
}

void Tunnels::open(const core::node::ServiceTunnelOpen& request, platform::UniqueFd socket,
                   Done done) {
  wireguard::DeviceConfig config;
  const bool own_link = wireguard_.backend().backend == wireguard::Backend::Kernel;
  config.name = request.link;
  config.network = request.network;
  config.private_key = request.private_key;
  config.listen_port = request.listen_port;
  config.socket = std::move(socket);
  config.mtu_bytes = config_.provider_mtu_bytes;
  config.peers.push_back(whole_internet(request.peer));
  platform::HostNetwork::Session session;
  session.network = request.network;
  session.own_link = own_link;
  session.address = request.address;
  session.dns_policy = request.dns_policy;
  session.limit_bytes_per_second = config_.limit_bytes_per_second;
  const core::node::TunnelId id = request.tunnel;
  if (own_link) tunnels_[id].link = request.link;
  tunnels_[id].network = request.network;
  make_device(id, std::move(config), done, [this, id, session, done]() mutable {
    session.link = tunnels_[id].device->name();
    network_.open_session(
        session, [this, id, network = session.network, done](const Status& status) {
          if (status.ok()) return opened(id, status, done);
          network_.close_session(network, {});  // its DNS
          remove_device(id, [this, id, status, done](const Status&) { opened(id, status, done); });
        });
  });
}

void Tunnels::open(const core::node::ConsumerTunnelOpen& request, platform::UniqueFd socket,
                   Done done) {
  wireguard::DeviceConfig config;
  config.name = request.link;
  config.private_key = request.private_key;
  config.listen_port = request.listen_port;
  config.socket = std::move(socket);
  wireguard::PeerConfig peer = whole_internet(request.peer);
  peer.endpoint = request.endpoint;
  peer.keepalive_s = static_cast<std::uint16_t>(
      std::chrono::duration_cast<std::chrono::seconds>(request.keepalive).count());
  config.peers.push_back(std::move(peer));
  if (request.keep_routes) {
    for (const auto& [id, tunnel] : tunnels_) {
      if (tunnel.link == request.link && !tunnel.opening) {
        return take_over(id, request, std::move(config), std::move(done));
      }
    }
  }
  platform::HostNetwork::Tunnel wanted;
  wanted.link = request.link;
  wanted.address = request.address;
  wanted.dns = request.dns;
  if (request.slot != 0) {
    wanted.table = kFirstSlotTable + static_cast<std::uint32_t>(request.slot);
  }
  const core::node::TunnelId id = request.tunnel;
  tunnels_[id].link = request.link;
  tunnels_[id].consumer = true;
  make_device(id, std::move(config), done, [this, id, wanted, done] {
    tunnels_[id].device->on_handshake([this, id](const wireguard::PublicKey&) { on_up_(id); });
    network_.open_tunnel(wanted, [this, id, done](const Status& status) {
      if (status.ok()) return opened(id, status, done);
      remove_device(id, [this, id, status, done](const Status&) { opened(id, status, done); });
    });
  });
}

// The device and its routes stay; keys, peer, socket, address and resolvers change.
void Tunnels::take_over(core::node::TunnelId old, const core::node::ConsumerTunnelOpen& request,
                        wireguard::DeviceConfig config, Done done) {
  platform::HostNetwork::Tunnel wanted;
  wanted.link = request.link;
  wanted.address = request.address;
  wanted.dns = request.dns;
  network_.retune_tunnel(
      wanted, [this, old, id = request.tunnel, link = request.link, done = std::move(done),
               config = std::make_shared<wireguard::DeviceConfig>(std::move(config))](
                  const Status& retuned) {
        if (!retuned.ok()) return done(retuned);
        const auto found = tunnels_.find(old);
        if (found == tunnels_.end()) {
          return done(Error{Errc::Cancelled, 0, "the tunnel was closed meanwhile"});
        }
        wireguard::Device& device = *found->second.device;
        const auto set_up = [&]() -> Status {
          MYST_TRY(device.set_private_key(config->private_key));
          if (config->socket.valid()) MYST_TRY(device.set_socket(std::move(config->socket)));
          return device.set_peers(std::move(config->peers));
        };
        if (const Status status = set_up(); !status.ok()) {
          network_.undo_retune(link, [done, status](const Status&) { done(status); });
          return;
        }
        device.on_handshake([this, id](const wireguard::PublicKey&) { on_up_(id); });
        auto node = tunnels_.extract(found);
        node.key() = id;
        tunnels_.insert(std::move(node));
        done({});
      });
}

void Tunnels::close(core::node::TunnelId tunnel, Closed done) {
  const auto found = tunnels_.find(tunnel);
  if (found == tunnels_.end()) return done(std::nullopt);
  if (found->second.opening) {
    found->second.close_wanted = std::move(done);
    return;
  }
  close_now(tunnel, std::move(done));
}

void Tunnels::close_now(core::node::TunnelId id, Closed done) {
  const auto last = counters(id);
  // Out of the table at once: nobody may close it again or read it.
  auto gone = std::make_shared<Tunnel>(std::move(tunnels_[id]));
  tunnels_.erase(id);
  const auto undone = [this, gone, last, done = std::move(done)](const Status&) {
    gone->device.reset();
    if (gone->link.empty()) return done(last);
    network_.release_link(gone->link, [last, done](const Status&) { done(last); });
  };
  if (gone->consumer) {
    network_.close_tunnel(gone->link, undone);
  } else {
    network_.close_session(gone->network, undone);
  }
}

std::optional<core::node::TunnelCounters> Tunnels::counters(core::node::TunnelId tunnel) const {
  const auto found = tunnels_.find(tunnel);
  if (found == tunnels_.end() || found->second.device == nullptr) return std::nullopt;
  const auto stats = found->second.device->stats();
  if (!stats.ok()) return std::nullopt;
  core::node::TunnelCounters sum;
  for (const wireguard::PeerStats& peer : *stats) {
    sum.sent_bytes += peer.tx_bytes;
    sum.received_bytes += peer.rx_bytes;
  }
  return sum;
}

void Tunnels::exclude(const IpAddress& address, Done done) {
  network_.exclude(address, std::move(done));
}

void Tunnels::release(const IpAddress& address) { network_.release(address, {}); }

void Tunnels::kill_switch_on(const core::node::KillSwitchOn& request, Done done) {
  network_.kill_switch_on(request.slot, request.link, request.allowed, std::move(done));
}

void Tunnels::kill_switch_off(int slot) { network_.kill_switch_off(slot, {}); }

}  // namespace myst::app
