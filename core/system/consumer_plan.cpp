#include "core/system/consumer_plan.hpp"

#include <algorithm>
#include <utility>

namespace myst::core {
namespace {

using Args = std::vector<std::string>;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string host(const IpAddress& address) {
  return IpPrefix{address, static_cast<std::uint8_t>(address.is_v4() ? 32 : 128)}.to_string();
}

IpFamily family_of(const IpAddress& address) {
  return address.is_v4() ? IpFamily::V4 : IpFamily::V6;
}

std::string exclusion_label(const IpAddress& address) { return "exclude " + address.to_string(); }

void plan_kill_switch_family(const KillSwitch& wanted, IpFamily family, Plan& plan) {
  const std::string& name = wanted.chains.kill_switch;
  const auto rule = [&](Args args) {
    plan.push_back(IptablesRule{family, "filter", name, 0, std::move(args)});
  };
  plan.push_back(IptablesChain{family, "filter", name});
  rule({"-o", "lo", "-j", "RETURN"});
  for (const std::string& link : wanted.tunnel_links) rule({"-o", link, "-j", "RETURN"});
  for (const IpAddress& address : wanted.allowed) {
    if (family_of(address) == family) rule({"-d", host(address), "-j", "RETURN"});
  }
  for (const IpAddress& address : wanted.resolvers) {
    if (family_of(address) != family) continue;
    for (const char* protocol : {"udp", "tcp"}) {
      rule({"-d", host(address), "-p", protocol, "-m", protocol, "--dport", "53", "-j", "RETURN"});
    }
  }
  if (family == IpFamily::V4) {
    rule({"-p", "udp", "-m", "udp", "--sport", "68", "--dport", "67", "-j", "RETURN"});
  } else {
    rule({"-p", "udp", "-m", "udp", "--sport", "546", "--dport", "547", "-j", "RETURN"});
    for (const char* type : {"133", "135", "136"}) {  // RFC 4861: router and neighbour discovery
      rule({"-p", "ipv6-icmp", "-m", "icmp6", "--icmpv6-type", type, "-j", "RETURN"});
    }
  }
  rule({"-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "--ctdir", "REPLY", "-j", "RETURN"});
  rule({"-j", "REJECT"});
  plan.push_back(IptablesRule{family, "filter", "OUTPUT", 1, {"-j", name}});
}

}  // namespace

Plan plan_consumer_tunnel(const ConsumerTunnel& tunnel) {
  const std::string& link = tunnel.link;
  Plan plan;
  if (tunnel.mtu_bytes > 0) plan.push_back(SetLinkMtu{link, tunnel.mtu_bytes});
  plan.push_back(SetLinkUp{link});
  plan.push_back(AddRoute{{IpAddress::v4(0, 0, 0, 0), 1}, std::nullopt, link});
  plan.push_back(AddRoute{{IpAddress::v4(128, 0, 0, 0), 1}, std::nullopt, link});
  if (tunnel.ipv6_enabled) {
    ByteArray<16> upper{};
    plan.push_back(AddRoute{{IpAddress::v6(upper), 1}, std::nullopt, link});
    upper[0] = 0x80;
    plan.push_back(AddRoute{{IpAddress::v6(upper), 1}, std::nullopt, link});
  }
  plan.push_back(AddAddress{link, tunnel.address});
  if (!tunnel.dns.empty()) {
    const auto count = std::min(tunnel.dns.size(), kMaxDnsServers);
    plan.push_back(SetDns{
        link, {tunnel.dns.begin(), tunnel.dns.begin() + static_cast<std::ptrdiff_t>(count)}, {}});
  }
  return plan;
}

const RouteEntry* best_route(const std::vector<RouteEntry>& main_table, const IpAddress& to,
                             const std::vector<std::string>& ignored_links) {
  const RouteEntry* best = nullptr;
  for (const RouteEntry& route : main_table) {
    if (route.destination.ip.is_v4() != to.is_v4() || !route.destination.contains(to) ||
        contains(ignored_links, route.link)) {
      continue;
    }
    if (best == nullptr || route.destination.length > best->destination.length ||
        (route.destination.length == best->destination.length && route.metric < best->metric)) {
      best = &route;
    }
  }
  return best;
}

std::optional<AddRoute> RouteExclusions::route_for(
    const IpAddress& address, const std::vector<RouteEntry>& main_table,
    const std::vector<std::string>& tunnel_links) const {
  std::vector<RouteEntry> foreign;
  for (const RouteEntry& route : main_table) {
    const auto own = std::find_if(entries_.begin(), entries_.end(), [&route](const auto& entry) {
      const std::optional<AddRoute>& made = entry.second.made;
      return made && made->destination == route.destination && made->gateway == route.gateway;
    });
    if (own == entries_.end()) foreign.push_back(route);
  }
  const RouteEntry* via = best_route(foreign, address, tunnel_links);
  if (via == nullptr || !via->gateway) return std::nullopt;
  const auto length = static_cast<std::uint8_t>(address.is_v4() ? 32 : 128);
  return AddRoute{{address, length}, via->gateway, via->link};
}

std::vector<RouteExclusions::Action> RouteExclusions::acquire(
    const IpAddress& address, const std::vector<RouteEntry>& main_table,
    const std::vector<std::string>& tunnel_links) {
  const auto found = entries_.find(address);
  if (found != entries_.end()) {
    ++found->second.count;
    return {};
  }
  if (entries_.size() >= kMaxAddresses) return {};
  Entry entry;
  entry.count = 1;
  if (!address.is_loopback()) entry.made = route_for(address, main_table, tunnel_links);
  std::vector<Action> actions;
  if (entry.made) actions.push_back({true, exclusion_label(address), {*entry.made}});
  entries_.emplace(address, std::move(entry));
  return actions;
}

std::vector<RouteExclusions::Action> RouteExclusions::release(const IpAddress& address) {
  const auto found = entries_.find(address);
  if (found == entries_.end() || --found->second.count > 0) return {};
  std::vector<Action> actions;
  if (found->second.made) actions.push_back({false, exclusion_label(address), {}});
  entries_.erase(found);
  return actions;
}

std::vector<RouteExclusions::Action> RouteExclusions::replan(
    const std::vector<RouteEntry>& main_table, const std::vector<std::string>& tunnel_links) {
  std::vector<std::pair<IpAddress, std::optional<AddRoute>>> wanted;
  for (const auto& [address, entry] : entries_) {
    wanted.emplace_back(address, address.is_loopback()
                                     ? std::nullopt
                                     : route_for(address, main_table, tunnel_links));
  }
  std::vector<Action> actions;
  for (auto& [address, route] : wanted) {
    Entry& entry = entries_[address];
    // Between two networks there is no way at all: the old route stays until a new way is known.
    if (!route && best_route(main_table, address, tunnel_links) == nullptr) continue;
    if (entry.made == route) continue;
    if (entry.made) actions.push_back({false, exclusion_label(address), {}});
    if (route) actions.push_back({true, exclusion_label(address), {*route}});
    entry.made = route;
  }
  return actions;
}

Plan plan_kill_switch(const KillSwitch& kill_switch) {
  Plan plan;
  plan_kill_switch_family(kill_switch, IpFamily::V4, plan);
  if (kill_switch.ipv6) plan_kill_switch_family(kill_switch, IpFamily::V6, plan);
  return plan;
}

Plan plan_kill_switch_hole(const ChainNames& chains, const IpAddress& address) {
  return {IptablesRule{
      family_of(address), "filter", chains.kill_switch, 1, {"-d", host(address), "-j", "RETURN"}}};
}

Plan plan_kill_switch_tunnel(const ChainNames& chains, const std::string& link, bool ipv6) {
  Plan plan{
      IptablesRule{IpFamily::V4, "filter", chains.kill_switch, 1, {"-o", link, "-j", "RETURN"}}};
  if (ipv6) {
    plan.push_back(
        IptablesRule{IpFamily::V6, "filter", chains.kill_switch, 1, {"-o", link, "-j", "RETURN"}});
  }
  return plan;
}

}  // namespace myst::core
