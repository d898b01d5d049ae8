#include "tests/support/sim_net.hpp"

#include <algorithm>

namespace myst::test {

SimNet::HostId SimNet::add_host(const IpAddress& public_ip, std::optional<NatBox> nat) {
  const auto id = static_cast<HostId>(hosts_.size());
  hosts_.push_back({public_ip, nat, {}, {}});
  by_ip_[public_ip] = id;
  return id;
}

void SimNet::cut(HostId a, HostId b, bool on) {
  const std::pair<HostId, HostId> pair{std::min(a, b), std::max(a, b)};
  if (on) {
    cuts_.insert(pair);
  } else {
    cuts_.erase(pair);
  }
}

Endpoint SimNet::key_of(NatRule rule, const Endpoint& peer) {
  switch (rule) {
    case NatRule::EndpointIndependent:
      return {};
    case NatRule::AddressDependent:
      return {peer.ip, 0};
    case NatRule::AddressAndPortDependent:
      return peer;
  }
  return {};
}

std::uint16_t SimNet::external_port(Host& host, std::uint16_t port, const Endpoint& to) {
  if (!host.nat) return port;
  const Endpoint key = key_of(host.nat->mapping, to);
  for (auto& [external, mapping] : host.mappings) {
    if (mapping.local_port != port || mapping.key != key) continue;
    mapping.allowed.insert(key_of(host.nat->filtering, to));
    return external;
  }
  std::uint16_t external = next_external_++;
  if (next_external_ < 20000) next_external_ = 20000;
  host.mappings[external] = {port, key, {key_of(host.nat->filtering, to)}};
  return external;
}

void SimNet::send(Instant now, HostId from, std::uint16_t port, const Endpoint& to, unsigned ttl,
                  ByteSpan bytes) {
  Host& host = hosts_[from];
  const bool local = to.ip.is_loopback();
  Flying datagram{from, port, local, {}, to, to_bytes(bytes)};
  ++sent_;
  if (local) {
    datagram.from = {to.ip, port};
  } else {
    datagram.from = {host.ip, external_port(host, port, to)};
    // The own NAT box has translated it by now; the routers after it count down.
    if (ttl != 0 && ttl <= path.hops) return;
  }
  const int copies = rng_.below(100) < path.duplicate_percent ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (rng_.below(100) < path.loss_percent) continue;
    const auto extra = Duration(
        static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(path.jitter.count()) + 1)));
    flying_.emplace(now + path.delay + extra, datagram);
  }
}

std::optional<Instant> SimNet::next_event() const {
  if (flying_.empty()) return std::nullopt;
  return flying_.begin()->first;
}

void SimNet::run(Instant now) {
  while (!flying_.empty() && flying_.begin()->first <= now) {
    const Flying d = std::move(flying_.begin()->second);
    flying_.erase(flying_.begin());
    HostId to = d.sender;
    if (!d.local) {
      const auto found = by_ip_.find(d.to.ip);
      if (found == by_ip_.end()) continue;
      to = found->second;
      if (cuts_.count({std::min(to, d.sender), std::max(to, d.sender)}) != 0) continue;
    }
    Host& host = hosts_[to];
    std::uint16_t port = d.to.port;
    if (!d.local && host.nat) {
      const auto mapping = host.mappings.find(port);
      if (mapping == host.mappings.end()) continue;
      if (mapping->second.allowed.count(key_of(host.nat->filtering, d.from)) == 0) continue;
      port = mapping->second.local_port;
    }
    if (host.ports.count(port) != 0) {
      deliver_(now, to, port, d.from, d.bytes);
    } else if (refused) {
      refused(d.sender, d.sender_port, d.to);
    }
  }
}

}  // namespace myst::test
