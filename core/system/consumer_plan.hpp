// What a consumer changes: routes and resolvers of the tunnel, the way to the provider around it,
// and the kill switch.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/system/change.hpp"
#include "core/system/provider_plan.hpp"

namespace myst::core {

// The device exists (made by the WireGuard or OpenVPN driver) and is not yet up.
struct ConsumerTunnel {
  std::string link;
  IpPrefix address;             // with host bits: 10.182.3.2/24
  std::vector<IpAddress> dns;   // empty: the host's resolvers stay
  bool ipv6_enabled = true;     // net.ipv6.conf.all.disable_ipv6 reads 0 or is unreadable
  std::uint32_t mtu_bytes = 0;  // 0: kernel's choice
};
// Up, /1 routes, address, DNS, in this order. The IPv6 /1 routes have no IPv6 behind them: they
// swallow what would otherwise leave beside the tunnel.
Plan plan_consumer_tunnel(const ConsumerTunnel& tunnel);

// One entry of the main routing table, as far as planning needs it.
struct RouteEntry {
  IpPrefix destination;
  std::optional<IpAddress> gateway;
  std::string link;
  std::uint32_t metric = 0;
};
// The most specific route to `to`, lowest metric first, not through a link of `ignored_links`.
const RouteEntry* best_route(const std::vector<RouteEntry>& main_table, const IpAddress& to,
                             const std::vector<std::string>& ignored_links);

// Keeps addresses outside the tunnel: one host route each, through the gateway in use.
// Counted per address; the route made is remembered, not computed again at release. A peer that is
// on-link gets no route: its connected route is already more specific than the /1 routes, and a
// gateway that does not send back into the LAN would eat every packet.
class RouteExclusions {
 public:
  struct Action {
    bool make = false;  // else undo
    std::string label;  // of the plan, unique per address: "exclude 203.0.113.7"
    Plan plan;          // when make
  };
  static constexpr std::size_t kMaxAddresses = 256;  // full: the address is not excluded

  // `main_table` may hold our own exclusions; they are not taken for the network's routes.
  std::vector<Action> acquire(const IpAddress& address, const std::vector<RouteEntry>& main_table,
                              const std::vector<std::string>& tunnel_links);
  std::vector<Action> release(const IpAddress& address);
  // After the gateway or the connected routes changed.
  std::vector<Action> replan(const std::vector<RouteEntry>& main_table,
                             const std::vector<std::string>& tunnel_links);
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::uint32_t count = 0;
    std::optional<AddRoute> made;
  };
  std::optional<AddRoute> route_for(const IpAddress& address,
                                    const std::vector<RouteEntry>& main_table,
                                    const std::vector<std::string>& tunnel_links) const;
  std::map<IpAddress, Entry> entries_;
};

// Everything this host sends is refused, but for the tunnels, loopback, what is allowed, answers to
// connections from outside (someone's ssh session survives), DHCP and neighbour discovery. Covers
// flows that were open before and IPv6, which the reference does not. `resolvers`: port 53 of these
// addresses only (the reference leaves port 53 open to everybody).
struct KillSwitch {
  ChainNames chains;
  std::vector<std::string> tunnel_links;
  std::vector<IpAddress> allowed;
  std::vector<IpAddress> resolvers;
  bool ipv6 = true;  // an ip6tables twin
};
Plan plan_kill_switch(const KillSwitch& kill_switch);
// One more hole while the switch is on: an address or a tunnel device.
Plan plan_kill_switch_hole(const ChainNames& chains, const IpAddress& address);
Plan plan_kill_switch_tunnel(const ChainNames& chains, const std::string& link, bool ipv6);

}  // namespace myst::core
