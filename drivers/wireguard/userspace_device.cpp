#include "drivers/wireguard/userspace_device.hpp"

#include <errno.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "platform/log/log.hpp"
#include "platform/netlink/netlink.hpp"

namespace myst::wireguard {

using core::wireguard::Engine;
using core::wireguard::PathAddress;

namespace {

constexpr std::size_t kMaxPeersPerSet = Engine::kMaxPeers;

bool kernel_is(const char* release, unsigned& major, unsigned& minor, unsigned& patch) {
  major = minor = patch = 0;
  return std::sscanf(release, "%u.%u.%u", &major, &minor, &patch) >= 2;
}

// Linux 7.0 to 7.1.4 mangles a UDP_SEGMENT batch whose last datagram is as long as the others.
bool segment_is_broken() {
  utsname name{};
  unsigned major = 0, minor = 0, patch = 0;
  if (::uname(&name) != 0 || !kernel_is(name.release, major, minor, patch)) return false;
  return major == 7 && (minor == 0 || (minor == 1 && patch <= 4));
}

// Flags and MTU of a link; false: it is gone.
bool look_at_link(const std::string& name, bool& up, std::uint32_t& mtu) {
  platform::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) fd.reset(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), std::min<std::size_t>(name.size(), IFNAMSIZ - 1));
  if (::ioctl(fd.get(), SIOCGIFFLAGS, &request) != 0) return errno != ENODEV;
  up = (request.ifr_flags & IFF_UP) != 0;
  if (::ioctl(fd.get(), SIOCGIFMTU, &request) != 0) return errno != ENODEV;
  mtu = static_cast<std::uint32_t>(request.ifr_mtu);
  return true;
}

}  // namespace

const char* to_string(UdpOffload offload) {
  switch (offload) {
    case UdpOffload::None:
      return "single datagrams";
    case UdpOffload::Many:
      return "sendmmsg";
    case UdpOffload::Segment:
      return "UDP segmentation";
  }
  return "";
}

UserspaceOptions userspace_options() {
  UserspaceOptions options;
  if (segment_is_broken()) options.udp_offload = UdpOffload::Many;
  const auto env = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string_view(value == nullptr ? "" : value);
  };
  const std::string_view tun = env("MYST_WG_TUN"), udp = env("MYST_WG_UDP");
  if (tun == "none") options.tun_offload = platform::TunOffload::None;
  if (tun == "tcp") options.tun_offload = platform::TunOffload::Tcp;
  if (udp == "none") options.udp_offload = UdpOffload::None;
  if (udp == "many") options.udp_offload = UdpOffload::Many;
  return options;
}

UserspaceDevice::UserspaceDevice(platform::Loop& loop, Rng& rng, DataPlane& plane,
                                 std::uint64_t number, const UserspaceOptions& options)
    : loop_(loop),
      plane_(plane),
      number_(number),
      options_(options),
      engine_(rng, plane.stage_budget(), number),
      timer_(loop, [this] { on_timer(); }) {}

Result<std::unique_ptr<UserspaceDevice>> UserspaceDevice::open(platform::Loop& loop, Rng& rng,
                                                               DataPlane& plane,
                                                               const UserspaceOptions& options,
                                                               DeviceConfig config) {
  MYST_TRY_ASSIGN(const std::uint64_t number, plane.reserve());
  std::unique_ptr<UserspaceDevice> device(new UserspaceDevice(loop, rng, plane, number, options));
  MYST_TRY(device->start(std::move(config)));
  return device;
}

UserspaceDevice::~UserspaceDevice() {
  control_.reset();
  timer_.cancel();
  if (port_ != nullptr) link_->leave(*port_);
  plane_.detach(number_);
  engine_.remove_all_peers();
  for (auto& object : engine_.take_retired()) plane_.retire(std::move(object));
}

SocketOptions UserspaceDevice::socket_options() const {
  SocketOptions out;
  out.fwmark = fwmark_;
  out.buffers = options_.buffers;
  out.receive_offload = options_.udp_offload == UdpOffload::Segment;
  return out;
}

Status UserspaceDevice::start(DeviceConfig config) {
  MYST_TRY(check_peers(config.peers));
  fwmark_ = config.fwmark;
  // The socket first: a taken port must not leave a link behind, not even for a moment.
  SocketPair pair;
  if (config.socket.valid()) {
    MYST_TRY_ASSIGN(pair, adopt_socket(std::move(config.socket), socket_options()));
  } else {
    MYST_TRY_ASSIGN(pair, open_sockets(config.listen_port, socket_options()));
  }
  const bool shared = config.link != nullptr;
  link_ = std::move(config.link);
  if (!shared) {
    MYST_TRY_ASSIGN(link_, TunLink::open(config.name, options_.tun_offload, config.mtu_bytes));
  }
  name_ = link_->name();
  auto port = std::make_unique<Port>();
  port->send_offload.store(options_.udp_offload);
  auto sockets = std::make_unique<Sockets>();
  sockets->v4 = std::move(pair.v4);
  sockets->v6 = std::move(pair.v6);
  listen_port_ = pair.port;
  port->number = number_;
  port->sockets.store(sockets.get());
  MYST_TRY(link_->join(plane_, *port, shared ? std::optional(config.network) : std::nullopt));
  (void)sockets.release();  // the port's from here on; detach() takes it back
  port_ = port.get();
  MYST_TRY(plane_.attach(number_, std::move(port), *this));

  set_limits(link_->mtu());
  MYST_TRY_ASSIGN(platform::Netlink netlink, platform::Netlink::open());
  for (const IpPrefix& address : config.addresses) {
    MYST_TRY(netlink.add_address(core::AddAddress{name_, address}));
  }
  engine_.set_private_key(config.private_key);
  MYST_TRY(apply_peers(std::move(config.peers)));
  if (config.control_socket) {
    MYST_TRY_ASSIGN(control_, ControlSocket::open(loop_, *this, name_));
  }
  if (config.up) MYST_TRY(netlink.set_link_up(name_, true));
  log::info("wireguard device", "name", name_, "port", listen_port_, "tun",
            platform::to_string(link_->offload()), "udp", to_string(options_.udp_offload));
  on_link_change();
  settle();
  return {};
}

void UserspaceDevice::set_limits(std::uint32_t mtu) {
  engine_.set_mtu(mtu);
  port_->link->mtu.store(mtu, std::memory_order_relaxed);
}

// --- configuration

Status UserspaceDevice::check_peers(const std::vector<PeerConfig>& peers) const {
  if (peers.size() > kMaxPeersPerSet) return Error{Errc::Full, 0, "peers of a device"};
  std::size_t allowed_ips = 0;
  for (const PeerConfig& peer : peers) allowed_ips += peer.allowed_ips.size();
  if (allowed_ips > Engine::kMaxAllowedIps) return Error{Errc::Full, 0, "allowed IPs of a device"};
  return {};
}

Status UserspaceDevice::apply_peers(std::vector<PeerConfig> peers) {
  for (PeerConfig& config : peers) {
    MYST_TRY_ASSIGN(Engine::Peer* const peer, engine_.add_peer(config.public_key));
    engine_.set_preshared_key(*peer, config.preshared_key.value_or(Secret<32>{}));
    if (config.endpoint) engine_.set_endpoint(*peer, *config.endpoint);
    engine_.clear_allowed_ips(*peer);
    for (const IpPrefix& prefix : config.allowed_ips) {
      MYST_TRY(engine_.add_allowed_ip(*peer, prefix));
    }
    engine_.set_keepalive(loop_.instant(), *peer, config.keepalive_s);
  }
  return {};
}

Status UserspaceDevice::set_peers(std::vector<PeerConfig> peers) {
  MYST_TRY(check_peers(peers));
  std::vector<PublicKey> gone;
  for (const auto& [id, peer] : engine_.peers()) {
    const PublicKey& key = peer->remote.public_key;
    const auto same = [&key](const PeerConfig& config) { return config.public_key == key; };
    if (std::none_of(peers.begin(), peers.end(), same)) gone.push_back(key);
  }
  for (const PublicKey& key : gone) engine_.remove_peer(key);
  const Status status = apply_peers(std::move(peers));
  settle();
  return status;
}

Status UserspaceDevice::set_private_key(const Secret<32>& key) {
  engine_.set_private_key(key);
  settle();
  return {};
}

Status UserspaceDevice::use_sockets(SocketPair pair) {
  auto sockets = std::make_unique<Sockets>();
  sockets->v4 = std::move(pair.v4);
  sockets->v6 = std::move(pair.v6);
  MYST_TRY(plane_.replace_sockets(*port_, std::move(sockets)));
  listen_port_ = pair.port;
  for (const auto& [id, peer] : engine_.peers()) peer->path->address.forget_source();
  return {};
}

Status UserspaceDevice::set_socket(platform::UniqueFd socket) {
  MYST_TRY_ASSIGN(SocketPair pair, adopt_socket(std::move(socket), socket_options()));
  return use_sockets(std::move(pair));
}

Status UserspaceDevice::configure(uapi::Set set) {
  if (set.private_key) engine_.set_private_key(*set.private_key);
  const auto finish = [&]() -> Status {
    if (set.fwmark && *set.fwmark != fwmark_) {
      fwmark_ = *set.fwmark;
      const Sockets* const sockets = port_->sockets.load();
      for (const int fd : {sockets->v4.get(), sockets->v6.get()}) {
        if (fd >= 0) MYST_TRY(set_mark(fd, fwmark_));
      }
    }
    if (set.listen_port && (*set.listen_port == 0 || *set.listen_port != listen_port_)) {
      MYST_TRY_ASSIGN(SocketPair pair, open_sockets(*set.listen_port, socket_options()));
      MYST_TRY(use_sockets(std::move(pair)));
    }
    if (set.replace_peers) engine_.remove_all_peers();
    for (const uapi::SetPeer& one : set.peers) {
      if (one.remove) {
        engine_.remove_peer(one.public_key);
        continue;
      }
      Engine::Peer* peer = engine_.find_peer(one.public_key);
      if (peer == nullptr) {
        if (one.update_only) continue;
        // Our own key as a peer is left out without an error, as the kernel does.
        if (engine_.identity().valid && engine_.identity().public_key == one.public_key) continue;
        MYST_TRY_ASSIGN(peer, engine_.add_peer(one.public_key));
      }
      if (one.preshared_key) engine_.set_preshared_key(*peer, *one.preshared_key);
      if (one.endpoint) engine_.set_endpoint(*peer, *one.endpoint);
      if (one.replace_allowed_ips) engine_.clear_allowed_ips(*peer);
      for (const auto& allowed : one.allowed_ips) {
        if (allowed.remove) {
          engine_.remove_allowed_ip(*peer, allowed.prefix);
        } else {
          MYST_TRY(engine_.add_allowed_ip(*peer, allowed.prefix));
        }
      }
      if (one.keepalive_s) engine_.set_keepalive(loop_.instant(), *peer, *one.keepalive_s);
    }
    return {};
  };
  const Status status = finish();
  settle();
  return status;
}

// --- what is known

Result<std::vector<PeerStats>> UserspaceDevice::stats() {
  std::vector<PeerStats> out;
  out.reserve(engine_.peers().size());
  for (const auto& [id, peer] : engine_.peers()) {
    PeerStats stats;
    stats.public_key = peer->remote.public_key;
    if (const auto address = peer->path->address.load()) stats.endpoint = address->remote;
    stats.tx_bytes = peer->path->tx_bytes.load(std::memory_order_relaxed);
    stats.rx_bytes = peer->path->rx_bytes.load(std::memory_order_relaxed);
    stats.last_handshake = peer->last_handshake;
    out.push_back(stats);
  }
  return out;
}

uapi::Device UserspaceDevice::describe() const {
  uapi::Device out;
  if (engine_.identity().valid) out.private_key = engine_.identity().private_key;
  out.listen_port = listen_port_;
  out.fwmark = fwmark_;
  for (const auto& [id, peer] : engine_.peers()) {
    uapi::Peer one;
    one.public_key = peer->remote.public_key;
    one.preshared_key = peer->remote.preshared_key;
    if (const auto address = peer->path->address.load()) one.endpoint = address->remote;
    one.last_handshake = peer->last_handshake;
    one.tx_bytes = peer->path->tx_bytes.load(std::memory_order_relaxed);
    one.rx_bytes = peer->path->rx_bytes.load(std::memory_order_relaxed);
    one.keepalive_s = peer->keepalive_s;
    one.allowed_ips = peer->allowed_ips;
    out.peers.push_back(std::move(one));
  }
  return out;
}

// --- events

// A packet may be faster than the news that the link is up again. Dropped, it would cost whoever
// waits for it Rekey-Timeout.
bool UserspaceDevice::still_down() {
  if (!is_down_) return false;
  bool up = false;
  std::uint32_t mtu = 0;
  if (look_at_link(name_, up, mtu) && up) came_up();
  return is_down_;
}

void UserspaceDevice::came_up() {
  is_down_ = false;
  for (const auto& [id, peer] : engine_.peers()) {
    if (const std::uint16_t seconds = peer->keepalive_s; seconds != 0) {
      engine_.set_keepalive(loop_.instant(), *peer, 0);
      engine_.set_keepalive(loop_.instant(), *peer, seconds);
    }
  }
}

void UserspaceDevice::on_unsent(std::uint64_t peer_id, ByteSpan packet) {
  if (still_down()) return;
  engine_.handle_unsent(loop_.now(), peer_id, packet);
}

void UserspaceDevice::on_handshake(const PathAddress& from, ByteSpan message, bool under_load) {
  if (still_down()) return;
  // Who sends nonsense is not worth a line; PortCounters and `wg show` tell enough.
  (void)engine_.handle_message(loop_.now(), from, message, under_load);
  // More of them come before settle(), perhaps a flood's: no cookie may be lost for want of room.
  if (engine_.waiting_messages() >= Engine::kMaxSmall / 2) drain();
}

void UserspaceDevice::on_attention(std::uint64_t peer_id, std::uint32_t bits) {
  if (is_down_) return;  // its sessions have ended
  engine_.handle_attention(loop_.now(), peer_id, bits);
}

void UserspaceDevice::on_timer() {
  engine_.handle_timeout(loop_.now());
  settle();
}

void UserspaceDevice::on_offload_changed() {
  const auto offload = port_->send_offload.load(std::memory_order_relaxed);
  log::info("wireguard offload refused by the kernel", "name", name_, "udp", to_string(offload),
            "segment_limit", port_->segment_limit.load(std::memory_order_relaxed), "merge_tcp",
            port_->link->merge_tcp.load(std::memory_order_relaxed), "merge_udp",
            port_->link->merge_udp.load(std::memory_order_relaxed));
}

void UserspaceDevice::on_link_change() {
  bool up = false;
  std::uint32_t mtu = 0;
  if (!look_at_link(name_, up, mtu)) {
    if (auto gone = std::exchange(on_gone_, nullptr)) gone();
    return;
  }
  if (mtu != 0 && mtu != engine_.mtu()) set_limits(mtu);
  // Taken down by hand: sessions end and nobody is answered until it is up again. A link that has
  // never been up is being made, and its handshake may be under way already.
  const bool down = was_up_ && !up;
  was_up_ = was_up_ || up;
  if (down == is_down_) return;
  if (down) {
    is_down_ = true;
    engine_.reset_sessions();
  } else {
    came_up();
  }
  settle();
}

bool UserspaceDevice::transmit(const Engine::Transmit& out) {
  const Sockets* const sockets = port_->sockets.load();
  const int fd = sockets->of(out.to.remote.ip.is_v6());
  if (fd < 0 || is_down_) return false;
  const ByteSpan data(plane_.scratch().data(), out.size);
  int error = send_datagrams(fd, out.to, data, 0);
  // A lost handshake costs Rekey-Timeout. A cookie is not worth the loop's time.
  for (unsigned attempt = 0;
       attempt < 6 && out.path != nullptr && (error == ENOBUFS || error == ENOMEM); ++attempt) {
    wait_for_memory(attempt);
    error = send_datagrams(fd, out.to, data, 0);
  }
  if (error != 0 && out.to.local && out.path != nullptr) {
    out.path->address.forget_source();
    PathAddress again = out.to;
    again.local.reset();
    error = send_datagrams(fd, again, data, 0);
  }
  return error == 0;
}

// Publishes what changed, then sends what waits: see the order in Engine.
void UserspaceDevice::drain() {
  const Now now = loop_.now();
  const auto publish = [&] {
    if (auto table = engine_.take_table()) {
      plane_.retire(std::unique_ptr<core::wireguard::Table>(
          port_->table.exchange(table.release(), std::memory_order_seq_cst)));
    }
    for (auto& object : engine_.take_retired()) plane_.retire(std::move(object));
  };
  publish();
  while (const auto out = engine_.poll_transmit(now, plane_.scratch())) {
    if (transmit(*out) && out->path != nullptr) {
      out->path->tx_bytes.fetch_add(out->size, std::memory_order_relaxed);
    }
  }
  publish();  // sending may have begun a handshake
}

// What every input ends with.
void UserspaceDevice::settle() {
  const std::weak_ptr<bool> alive = alive_;
  drain();
  timer_.arm(is_down_ ? std::nullopt : engine_.next_timeout());
  while (const auto event = engine_.poll_event()) {
    if (event->had_session || !on_handshake_) continue;
    const OnHandshake callback = on_handshake_;
    callback(event->peer);
    if (alive.expired()) return;
  }
}

}  // namespace myst::wireguard
