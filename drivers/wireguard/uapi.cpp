#include "drivers/wireguard/uapi.hpp"

#include <errno.h>

#include "core/base/text.hpp"

namespace myst::wireguard::uapi {
namespace {

Error malformed(const char* what) { return Error{Errc::Malformed, EINVAL, what}; }

Result<Secret<32>> parse_key(std::string_view text) {
  Secret<32> key;
  if (!from_hex(text, key.mutable_bytes()).ok()) return malformed("key");
  return key;
}

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t most) {
  const auto value = parse_decimal(text);
  if (!value || *value > most) return malformed("number");
  return *value;
}

Status expect_true(std::string_view text) {
  if (text != "true") return malformed("flag");
  return {};
}

Status set_device(Set& set, std::string_view key, std::string_view value) {
  if (key == "private_key") {
    MYST_TRY_ASSIGN(set.private_key, parse_key(value));
  } else if (key == "listen_port") {
    MYST_TRY_ASSIGN(const std::uint64_t port, parse_number(value, 65535));
    set.listen_port = static_cast<std::uint16_t>(port);
  } else if (key == "fwmark") {
    MYST_TRY_ASSIGN(const std::uint64_t mark, parse_number(value, UINT32_MAX));
    set.fwmark = static_cast<std::uint32_t>(mark);
  } else if (key == "replace_peers") {
    MYST_TRY(expect_true(value));
    set.replace_peers = true;
  } else {
    return malformed("key of a device");
  }
  return {};
}

Status set_peer(SetPeer& peer, std::size_t& allowed_ips, std::string_view key,
                std::string_view value) {
  if (key == "preshared_key") {
    MYST_TRY_ASSIGN(peer.preshared_key, parse_key(value));
  } else if (key == "endpoint") {
    // A scope ("%eth0") names a link of the machine; the kernel finds it by the address.
    MYST_TRY_ASSIGN(peer.endpoint, Endpoint::parse(value));
  } else if (key == "persistent_keepalive_interval") {
    MYST_TRY_ASSIGN(const std::uint64_t seconds, parse_number(value, 65535));
    peer.keepalive_s = static_cast<std::uint16_t>(seconds);
  } else if (key == "replace_allowed_ips") {
    MYST_TRY(expect_true(value));
    peer.replace_allowed_ips = true;
    peer.allowed_ips.clear();
  } else if (key == "allowed_ip") {
    if (++allowed_ips > kMaxAllowedIps) return Error{Errc::Full, ENOSPC, "allowed IPs"};
    SetPeer::AllowedIp allowed;
    if (!value.empty() && value[0] == '-') {
      allowed.remove = true;
      value.remove_prefix(1);
    }
    MYST_TRY_ASSIGN(allowed.prefix, IpPrefix::parse(value));
    peer.allowed_ips.push_back(allowed);
  } else if (key == "remove") {
    MYST_TRY(expect_true(value));
    peer.remove = true;
  } else if (key == "update_only") {
    MYST_TRY(expect_true(value));
    peer.update_only = true;
  } else if (key == "protocol_version") {
    if (value != "1") return malformed("protocol version");
  } else {
    return malformed("key of a peer");
  }
  return {};
}

void line(std::string& out, std::string_view key, std::string_view value) {
  out += key;
  out += '=';
  out += value;
  out += '\n';
}

}  // namespace

Result<Verb> parse_verb(std::string_view text) {
  if (text == "get=1") return Verb::Get;
  if (text == "set=1") return Verb::Set;
  return malformed("request");
}

Result<Set> parse_set(std::string_view lines) {
  Set set;
  std::size_t allowed_ips = 0;
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    const std::string_view one = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    const std::size_t equals = one.find('=');
    if (equals == std::string_view::npos) return malformed("line without =");
    const std::string_view key = one.substr(0, equals), value = one.substr(equals + 1);
    if (key == "public_key") {
      if (set.peers.size() >= kMaxPeers) return Error{Errc::Full, ENOSPC, "peers"};
      SetPeer peer;
      if (!from_hex(value, peer.public_key).ok()) return malformed("public key");
      set.peers.push_back(std::move(peer));
    } else if (set.peers.empty()) {
      MYST_TRY(set_device(set, key, value));
    } else {
      MYST_TRY(set_peer(set.peers.back(), allowed_ips, key, value));
    }
  }
  return set;
}

std::string format_get(const Device& device) {
  std::string out;
  if (device.private_key) line(out, "private_key", to_hex(device.private_key->bytes()));
  if (device.listen_port != 0) line(out, "listen_port", std::to_string(device.listen_port));
  if (device.fwmark != 0) line(out, "fwmark", std::to_string(device.fwmark));
  for (const Peer& peer : device.peers) {
    line(out, "public_key", to_hex(peer.public_key));
    line(out, "preshared_key", to_hex(peer.preshared_key.bytes()));
    line(out, "protocol_version", "1");
    if (peer.endpoint) line(out, "endpoint", peer.endpoint->to_string());
    const std::int64_t ms =
        peer.last_handshake ? peer.last_handshake->time_since_epoch().count() : 0;
    line(out, "last_handshake_time_sec", std::to_string(ms / 1000));
    line(out, "last_handshake_time_nsec", std::to_string(ms % 1000 * 1000000));
    line(out, "tx_bytes", std::to_string(peer.tx_bytes));
    line(out, "rx_bytes", std::to_string(peer.rx_bytes));
    line(out, "persistent_keepalive_interval", std::to_string(peer.keepalive_s));
    for (const IpPrefix& prefix : peer.allowed_ips) line(out, "allowed_ip", prefix.to_string());
  }
  out += format_status(0);
  return out;
}

std::string format_status(int error_number) {
  return "errno=" + std::to_string(error_number) + "\n\n";
}

int errno_of(const Error& error) {
  switch (error.code) {
    case Errc::Malformed:
    case Errc::Rejected:
      return EINVAL;
    case Errc::Full:
      return ENOSPC;
    case Errc::AlreadyExists:
      return EADDRINUSE;
    case Errc::Unauthorized:
      return EPERM;
    default:
      return EIO;
  }
}

}  // namespace myst::wireguard::uapi
