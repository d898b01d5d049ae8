#include "tests/support/virtual_net.hpp"

#include <utility>

namespace myst::test {

std::size_t VirtualNet::add_host(const IpAddress& public_ip, NatKind nat) {
  hosts_.push_back({public_ip, nat, {}, {}});
  return hosts_.size() - 1;
}

void VirtualNet::bind(std::size_t host, std::uint16_t port, OnDatagram on_datagram) {
  hosts_[host].sockets[port] = std::move(on_datagram);
}

void VirtualNet::unbind(std::size_t host, std::uint16_t port) { hosts_[host].sockets.erase(port); }

std::uint16_t VirtualNet::external_port(Host& host, std::uint16_t port, const Endpoint& to) {
  if (host.nat == NatKind::None) return port;
  for (auto& [external, mapping] : host.mappings) {
    if (mapping.local_port != port) continue;
    if (host.nat == NatKind::Symmetric && mapping.destination != to) continue;
    mapping.sent_to[to] = true;
    return external;
  }
  const std::uint16_t external = next_external_++;
  host.mappings[external] = {port, to, {{to, true}}};
  return external;
}

void VirtualNet::send(Instant now, std::size_t host, std::uint16_t port, const Endpoint& to,
                      unsigned ttl, ByteSpan bytes) {
  Host& from = hosts_[host];
  const bool local = to.ip.is_loopback();
  Flying datagram{host, local, {}, to, to_bytes(bytes)};
  if (local) {
    datagram.from = {to.ip, port};
  } else {
    datagram.from = {from.ip, external_port(from, port, to)};
    // The own NAT box has translated it by now; the routers after it count down.
    if (ttl != 0 && ttl <= path_.hops) return;
    if (lost && lost(now, datagram.from, to)) return;
  }
  const int copies = rng_.below(100) < path_.duplicate_percent ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (rng_.below(100) < path_.loss_percent) continue;
    const auto extra = Duration(static_cast<std::int64_t>(
        rng_.below(static_cast<std::uint64_t>(path_.jitter.count()) + 1)));
    flying_.emplace(now + path_.delay + extra, datagram);
  }
}

std::optional<Instant> VirtualNet::next_event() const {
  if (flying_.empty()) return std::nullopt;
  return flying_.begin()->first;
}

void VirtualNet::deliver(Instant now) {
  while (!flying_.empty() && flying_.begin()->first <= now) {
    const Flying d = std::move(flying_.begin()->second);
    flying_.erase(flying_.begin());
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      Host& host = hosts_[i];
      if (d.local ? i != d.host : host.ip != d.to.ip) continue;
      std::uint16_t port = d.to.port;
      if (!d.local && host.nat != NatKind::None) {
        const auto mapping = host.mappings.find(port);
        if (mapping == host.mappings.end()) continue;
        if (host.nat != NatKind::FullCone && mapping->second.sent_to.count(d.from) == 0) continue;
        port = mapping->second.local_port;
      }
      const auto socket = host.sockets.find(port);
      if (socket == host.sockets.end()) continue;
      ++delivered_;
      const OnDatagram callback = socket->second;  // it may close the socket
      callback(now, d.from, d.bytes);
    }
  }
}

}  // namespace myst::test
