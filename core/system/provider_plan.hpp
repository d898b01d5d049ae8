// What a provider changes so that a session's packets reach the internet and nothing else.
//
// Same effect as the reference node (node: nat/service_iptables.go), held in chains of our own that
// hang off the built-in ones by one jump each, inserted first: an earlier DROP of Docker or a
// firewall front end cannot win, and clean-up never has to search.
//
//   nat    PREROUTING  -> MYST               DNS of a session's own address to the DNS proxy
//   nat    POSTROUTING -> MYST_SNAT          source address of what leaves
//   filter INPUT       -> MYST_INPUT         from a session: the DNS proxy, else nothing of us
//   filter FORWARD     -> MYST_FORWARD       from a session: no foreign source, no MYST_BLOCK
//   filter MYST_BLOCK                        the protected networks
//   filter MYST_PROVIDER_FIREWALL            destinations a DNS policy opened, then REJECT
//
// The reference black-holes protected networks by DNAT to 240.0.0.1; the packets may then leave
// towards the uplink, and what conntrack calls INVALID passes. Here a filter rule refuses them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/system/change.hpp"

namespace myst::core {

// Two nodes on one host use different prefixes ("MYST", "MYST1").
struct ChainNames {
  explicit ChainNames(std::string_view prefix = "MYST");
  std::string redirect, snat, input, forward, block, policy, kill_switch, all_prefix;
};

// Never reachable through a tunnel, whatever the configuration says: link-local, carrier-grade NAT,
// loopback, multicast, class E and "this network".
const std::vector<IpPrefix>& always_protected();
// The reference's default of firewall.protected.networks.
const std::vector<IpPrefix>& default_protected();

// Once, before the first session. `own_addresses`: the host's addresses, public ones too.
struct ProviderBase {
  ChainNames chains;
  std::vector<IpPrefix> protected_networks;  // IPv6 entries are left out: no IPv6 is forwarded
  std::vector<IpAddress> own_addresses;
};
Plan plan_provider_base(const ProviderBase& base);

// A device of sessions, one or many: nothing passes that is not a session's. MTU 0: kernel's
// choice; no IPv6 on it at all. Sessions insert their rules before these, and where they have a
// rate, their classes.
struct ProviderLink {
  ChainNames chains;
  std::string link;
  std::uint32_t mtu_bytes = 0;
  bool limited = false;     // each session has a limit of its own
  std::string shared_rate;  // the SharedRate, which holds the limits; empty: the kernel has none
};
Plan plan_provider_link(const ProviderLink& link);

// Per session (WireGuard: its /24; OpenVPN: the subnet of the server).
struct SessionNetwork {
  ChainNames chains;
  std::string link;                   // see ProviderLink
  IpPrefix address;                   // of the provider, host bits kept: 10.182.3.1/24
  std::optional<IpAddress> dns;       // 10.182.3.1; none: no DNS redirect
  std::uint16_t dns_port = 11253;     // where the DNS proxy listens
  std::optional<IpAddress> outbound;  // source address of what leaves; none: masquerade
  bool dns_policy = false;            // only destinations opened by plan_open_destination()
  // 0: no limit. Each session has its own (the reference shares one ifb0 among all sessions): a
  // class each direction in the shared rate. Without one: to the consumer a class in the device's
  // queue, from it a rule that drops what is too much, which counts a super-packet as what one
  // timer tick of the rate brings and so lets more through. Of a network wider than /24: the rule.
  std::uint64_t limit_bytes_per_second = 0;
  std::string shared_rate;  // as the link's
};
Result<Plan> plan_session(const SessionNetwork& session);

// A destination opened for all sessions under a DNS policy.
Plan plan_open_destination(const ChainNames& chains, const IpPrefix& destination);

// Session networks: third octet = index, never outside the base (the reference forgets the mask).
// Rejected: base longer than /24 or not IPv4; NotFound: index outside.
Result<IpPrefix> session_network(const IpPrefix& base, std::uint32_t index);

}  // namespace myst::core
