#include "drivers/wireguard/kernel_device.hpp"

#include <linux/wireguard.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include <algorithm>
#include <cstring>

#include "platform/log/log.hpp"
#include "platform/net/sockaddr.hpp"
#include "platform/netlink/netlink.hpp"

namespace myst::wireguard {
namespace {

constexpr std::uint32_t kDefaultMtu = 1420;
constexpr Duration kFirstStep = std::chrono::milliseconds{20};
constexpr Duration kLastStep = std::chrono::seconds{1};
// A request for one device: 64 peers with a few prefixes each are well below it.
constexpr std::size_t kMessageSize = 64 * 1024;
constexpr std::size_t kMaxPeersInMessage = 128;
constexpr std::size_t kMaxAllowedIpsInMessage = 1024;

platform::NlMessage new_message(int family, std::uint8_t command, int flags) {
  platform::NlMessage message(nlmsg_alloc_size(kMessageSize));
  if (message != nullptr) {
    genlmsg_put(message.get(), NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, flags, command,
                WG_GENL_VERSION);
  }
  return message;
}

bool put(nl_msg* message, int type, ByteSpan data) {
  return nla_put(message, type, static_cast<int>(data.size()), data.data()) == 0;
}

bool put_allowed_ip(nl_msg* message, const IpPrefix& prefix) {
  nlattr* const entry = nla_nest_start(message, 0);
  const bool ok =
      entry != nullptr &&
      nla_put_u16(message, WGALLOWEDIP_A_FAMILY, prefix.ip.is_v6() ? AF_INET6 : AF_INET) == 0 &&
      put(message, WGALLOWEDIP_A_IPADDR, prefix.ip.bytes()) &&
      nla_put_u8(message, WGALLOWEDIP_A_CIDR_MASK, prefix.length) == 0;
  if (entry != nullptr) nla_nest_end(message, entry);
  return ok;
}

bool put_peer(nl_msg* message, const PeerConfig& peer) {
  nlattr* const entry = nla_nest_start(message, 0);
  if (entry == nullptr) return false;
  bool ok = put(message, WGPEER_A_PUBLIC_KEY, peer.public_key) &&
            nla_put_u32(message, WGPEER_A_FLAGS, WGPEER_F_REPLACE_ALLOWEDIPS) == 0 &&
            nla_put_u16(message, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, peer.keepalive_s) == 0;
  const Secret<32> preshared = peer.preshared_key.value_or(Secret<32>{});
  ok = ok && put(message, WGPEER_A_PRESHARED_KEY, preshared.bytes());
  if (peer.endpoint) {
    const platform::SocketAddress address = platform::to_sockaddr(*peer.endpoint);
    ok = ok &&
         nla_put(message, WGPEER_A_ENDPOINT, static_cast<int>(address.size), &address.storage) == 0;
  }
  nlattr* const list = nla_nest_start(message, WGPEER_A_ALLOWEDIPS);
  ok = ok && list != nullptr;
  for (const IpPrefix& prefix : peer.allowed_ips) ok = ok && put_allowed_ip(message, prefix);
  if (list != nullptr) nla_nest_end(message, list);
  nla_nest_end(message, entry);
  return ok;
}

PeerStats read_peer(nlattr* entry) {
  PeerStats out;
  nlattr* fields[WGPEER_A_MAX + 1] = {};
  if (nla_parse_nested(fields, WGPEER_A_MAX, entry, nullptr) != 0) return out;
  if (nlattr* const key = fields[WGPEER_A_PUBLIC_KEY]; key != nullptr && nla_len(key) == 32) {
    std::memcpy(out.public_key.data(), nla_data(key), 32);
  }
  if (nlattr* const address = fields[WGPEER_A_ENDPOINT];
      address != nullptr && nla_len(address) >= static_cast<int>(sizeof(sockaddr_in))) {
    sockaddr_storage storage{};
    std::memcpy(&storage, nla_data(address),
                std::min<std::size_t>(sizeof storage, static_cast<std::size_t>(nla_len(address))));
    out.endpoint = platform::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage));
  }
  if (nlattr* const rx = fields[WGPEER_A_RX_BYTES]) out.rx_bytes = nla_get_u64(rx);
  if (nlattr* const tx = fields[WGPEER_A_TX_BYTES]) out.tx_bytes = nla_get_u64(tx);
  if (nlattr* const time = fields[WGPEER_A_LAST_HANDSHAKE_TIME];
      time != nullptr && nla_len(time) >= 16) {
    std::int64_t parts[2];  // struct __kernel_timespec
    std::memcpy(parts, nla_data(time), sizeof parts);
    if (parts[0] != 0 || parts[1] != 0) {
      out.last_handshake =
          WallTime{std::chrono::milliseconds{parts[0] * 1000 + parts[1] / 1000000}};
    }
  }
  return out;
}

}  // namespace

KernelDevice::KernelDevice(platform::Loop& loop, platform::NlSocket socket, int family)
    : socket_(std::move(socket)),
      family_(family),
      timer_(loop, [this] { look_for_handshakes(); }) {}

Result<std::unique_ptr<KernelDevice>> KernelDevice::open(platform::Loop& loop,
                                                         DeviceConfig config) {
  MYST_TRY_ASSIGN(platform::NlSocket socket, platform::NlSocket::open(NETLINK_GENERIC));
  MYST_TRY_ASSIGN(platform::Netlink netlink, platform::Netlink::open());
  // The module is loaded by the first link of its type, so the link comes before the family.
  MYST_TRY(netlink.create_link(config.name, "wireguard"));
  const int family = genl_ctrl_resolve(socket.get(), WG_GENL_NAME);
  std::unique_ptr<KernelDevice> device(new KernelDevice(loop, std::move(socket), family));
  device->name_ = config.name;
  device->made_ = true;
  if (family < 0) return Error{Errc::Unsupported, -family, "wireguard netlink family"};
  MYST_TRY(
      netlink.set_link_mtu(config.name, config.mtu_bytes == 0 ? kDefaultMtu : config.mtu_bytes));
  for (const IpPrefix& address : config.addresses) {
    MYST_TRY(netlink.add_address(core::AddAddress{config.name, address}));
  }
  std::uint16_t port = config.listen_port;
  if (config.socket.valid()) {
    port = platform::local_endpoint(config.socket.get()).port;
    config.socket.reset();
  }
  MYST_TRY(device->write(&config.private_key, &port, &config.fwmark, &config.peers));
  if (config.up) MYST_TRY(netlink.set_link_up(config.name, true));
  MYST_TRY_ASSIGN(const State state, device->read());
  device->listen_port_ = state.listen_port;
  log::info("wireguard device", "name", config.name, "port", state.listen_port, "backend",
            "kernel");
  return device;
}

KernelDevice::~KernelDevice() {
  if (!made_) return;
  auto netlink = platform::Netlink::open();
  if (netlink.ok()) (void)netlink->delete_link(name_);
}

Status KernelDevice::write(const Secret<32>* key, const std::uint16_t* port,
                           const std::uint32_t* fwmark, const std::vector<PeerConfig>* peers) {
  // Many peers go in several messages; only the first one replaces.
  std::size_t next = 0;
  do {
    platform::NlMessage message =
        new_message(family_, WG_CMD_SET_DEVICE, NLM_F_REQUEST | NLM_F_ACK);
    if (message == nullptr) return Error{Errc::Unavailable, 0, "netlink message"};
    nl_msg* const raw = message.get();
    bool ok = nla_put_string(raw, WGDEVICE_A_IFNAME, name_.c_str()) == 0;
    if (next == 0) {
      if (key != nullptr) ok = ok && put(raw, WGDEVICE_A_PRIVATE_KEY, key->bytes());
      if (port != nullptr) ok = ok && nla_put_u16(raw, WGDEVICE_A_LISTEN_PORT, *port) == 0;
      if (fwmark != nullptr) ok = ok && nla_put_u32(raw, WGDEVICE_A_FWMARK, *fwmark) == 0;
      if (peers != nullptr) {
        ok = ok && nla_put_u32(raw, WGDEVICE_A_FLAGS, WGDEVICE_F_REPLACE_PEERS) == 0;
      }
    }
    if (peers != nullptr && !peers->empty()) {
      nlattr* const list = nla_nest_start(raw, WGDEVICE_A_PEERS);
      ok = ok && list != nullptr;
      std::size_t allowed_ips = 0;
      const std::size_t first = next;
      while (ok && next < peers->size() && next - first < kMaxPeersInMessage) {
        allowed_ips += (*peers)[next].allowed_ips.size();
        if (allowed_ips > kMaxAllowedIpsInMessage && next != first) break;
        ok = put_peer(raw, (*peers)[next++]);
      }
      if (list != nullptr) nla_nest_end(raw, list);
    }
    if (!ok) return Error{Errc::Full, 0, "peer with too many allowed IPs"};
    const Status status = socket_.talk(raw, "configure wireguard");
    wipe(nlmsg_data(nlmsg_hdr(raw)), static_cast<std::size_t>(nlmsg_datalen(nlmsg_hdr(raw))));
    MYST_TRY(status);
  } while (peers != nullptr && next < peers->size());
  return {};
}

Result<KernelDevice::State> KernelDevice::read() {
  platform::NlMessage message = new_message(family_, WG_CMD_GET_DEVICE, NLM_F_REQUEST | NLM_F_DUMP);
  if (message == nullptr || nla_put_string(message.get(), WGDEVICE_A_IFNAME, name_.c_str()) != 0) {
    return Error{Errc::Unavailable, 0, "netlink message"};
  }
  State state;
  const auto on_answer = [&](nlmsghdr* header) {
    nlattr* fields[WGDEVICE_A_MAX + 1] = {};
    if (genlmsg_parse(header, 0, fields, WGDEVICE_A_MAX, nullptr) != 0) return;
    if (nlattr* const port = fields[WGDEVICE_A_LISTEN_PORT]) state.listen_port = nla_get_u16(port);
    nlattr* const list = fields[WGDEVICE_A_PEERS];
    if (list == nullptr) return;
    int left = 0;
    nlattr* entry = nullptr;
    nla_for_each_nested(entry, list, left) {
      PeerStats peer = read_peer(entry);
      // A peer with many prefixes goes on in the next message.
      if (!state.peers.empty() && state.peers.back().public_key == peer.public_key) continue;
      state.peers.push_back(std::move(peer));
    }
  };
  MYST_TRY(socket_.dump(
      message.get(), "read wireguard", [&] { state = State{}; }, on_answer));
  return state;
}

Status KernelDevice::set_peers(std::vector<PeerConfig> peers) {
  // The module would end the sessions of peers it replaces: those that stay are only updated.
  MYST_TRY_ASSIGN(const State state, read());
  for (const PeerStats& peer : state.peers) {
    const bool stays = std::any_of(peers.begin(), peers.end(), [&](const PeerConfig& config) {
      return config.public_key == peer.public_key;
    });
    if (stays) continue;
    platform::NlMessage message =
        new_message(family_, WG_CMD_SET_DEVICE, NLM_F_REQUEST | NLM_F_ACK);
    if (message == nullptr) return Error{Errc::Unavailable, 0, "netlink message"};
    nl_msg* const raw = message.get();
    bool ok = nla_put_string(raw, WGDEVICE_A_IFNAME, name_.c_str()) == 0;
    nlattr* const list = nla_nest_start(raw, WGDEVICE_A_PEERS);
    nlattr* const entry = nla_nest_start(raw, 0);
    ok = ok && list != nullptr && entry != nullptr &&
         put(raw, WGPEER_A_PUBLIC_KEY, peer.public_key) &&
         nla_put_u32(raw, WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME) == 0;
    if (!ok) return Error{Errc::Unavailable, 0, "netlink message"};
    nla_nest_end(raw, entry);
    nla_nest_end(raw, list);
    MYST_TRY(socket_.talk(raw, "remove a wireguard peer"));
  }
  for (const PeerConfig& peer : peers) {
    platform::NlMessage message =
        new_message(family_, WG_CMD_SET_DEVICE, NLM_F_REQUEST | NLM_F_ACK);
    if (message == nullptr) return Error{Errc::Unavailable, 0, "netlink message"};
    nl_msg* const raw = message.get();
    bool ok = nla_put_string(raw, WGDEVICE_A_IFNAME, name_.c_str()) == 0;
    nlattr* const list = nla_nest_start(raw, WGDEVICE_A_PEERS);
    ok = ok && list != nullptr && put_peer(raw, peer);
    if (!ok) return Error{Errc::Full, 0, "peer with too many allowed IPs"};
    nla_nest_end(raw, list);
    MYST_TRY(socket_.talk(raw, "configure a wireguard peer"));
  }
  return {};
}

Status KernelDevice::set_private_key(const Secret<32>& key) {
  return write(&key, nullptr, nullptr, nullptr);
}

Status KernelDevice::set_socket(platform::UniqueFd socket) {
  const std::uint16_t port = platform::local_endpoint(socket.get()).port;
  socket.reset();
  MYST_TRY(write(nullptr, &port, nullptr, nullptr));
  listen_port_ = port;
  return {};
}

Result<std::vector<PeerStats>> KernelDevice::stats() {
  MYST_TRY_ASSIGN(State state, read());
  return std::move(state.peers);
}

void KernelDevice::on_handshake(OnHandshake callback) {
  on_handshake_ = std::move(callback);
  if (!on_handshake_) return timer_.cancel();
  step_ = kFirstStep;
  timer_.arm_in(step_);
}

void KernelDevice::look_for_handshakes() {
  const auto state = read();
  if (state.ok()) {
    for (const PeerStats& peer : state->peers) {
      if (!peer.last_handshake) continue;
      const OnHandshake callback = on_handshake_;
      callback(peer.public_key);  // may end this device: nothing of it is used afterwards
      return;
    }
  }
  step_ = std::min(kLastStep, step_ + step_ / 2);
  timer_.arm_in(step_);
}

}  // namespace myst::wireguard
