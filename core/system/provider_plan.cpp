#include "core/system/provider_plan.hpp"

#include <algorithm>
#include <utility>

namespace myst::core {
namespace {

using Args = std::vector<std::string>;

constexpr std::uint64_t kMaxRuleRate = 1'000'000;  // KB/s; xt_hashlimit ends at 4 GB/s

IpPrefix net(std::uint8_t a, std::uint8_t b, std::uint8_t length) {
  return {IpAddress::v4(a, b, 0, 0), length};
}

IptablesChain chain(const char* table, const std::string& name) {
  return {IpFamily::V4, table, name};
}
IptablesRule append(const char* table, const std::string& name, Args args) {
  return {IpFamily::V4, table, name, 0, std::move(args)};
}
IptablesRule insert(const char* table, const std::string& name, Args args) {
  return {IpFamily::V4, table, name, 1, std::move(args)};
}

}  // namespace

ChainNames::ChainNames(std::string_view prefix)
    : redirect(prefix),
      snat(redirect + "_SNAT"),
      input(redirect + "_INPUT"),
      forward(redirect + "_FORWARD"),
      block(redirect + "_BLOCK"),
      policy(redirect + "_PROVIDER_FIREWALL"),
      kill_switch(redirect + "_CONSUMER_KILL_SWITCH"),
      all_prefix(redirect) {}

const std::vector<IpPrefix>& always_protected() {
  static const std::vector<IpPrefix> kNetworks{net(0, 0, 8),      net(100, 64, 10), net(127, 0, 8),
                                               net(169, 254, 16), net(224, 0, 4),   net(240, 0, 4)};
  return kNetworks;
}

const std::vector<IpPrefix>& default_protected() {
  static const std::vector<IpPrefix> kNetworks{net(10, 0, 8), net(172, 16, 12), net(192, 168, 16),
                                               net(127, 0, 8)};
  return kNetworks;
}

Plan plan_provider_base(const ProviderBase& base) {
  const ChainNames& names = base.chains;
  Plan plan;
  plan.push_back(chain("nat", names.redirect));
  plan.push_back(chain("nat", names.snat));
  plan.push_back(chain("filter", names.input));
  plan.push_back(chain("filter", names.forward));
  plan.push_back(chain("filter", names.block));
  plan.push_back(chain("filter", names.policy));

  std::vector<IpPrefix> blocked;
  const auto block = [&blocked](const IpPrefix& network) {
    if (!network.ip.is_v4()) return;
    for (const IpPrefix& seen : blocked) {
      if (seen.length <= network.length && seen.contains(network.ip)) return;
    }
    blocked.push_back(network.network());
  };
  for (const IpPrefix& network : base.protected_networks) block(network);
  for (const IpPrefix& network : always_protected()) block(network);
  for (const IpAddress& own : base.own_addresses) block({own, 32});
  for (const IpPrefix& network : blocked) {
    // What a consumer sees of the reference's black hole, too: "net unreachable".
    plan.push_back(append(
        "filter", names.block,
        {"-d", network.to_string(), "-j", "REJECT", "--reject-with", "icmp-net-unreachable"}));
  }
  plan.push_back(append("filter", names.policy, {"-j", "REJECT"}));

  // The jumps last: nothing passes through a chain that is half filled.
  plan.push_back(insert("nat", "PREROUTING", {"-j", names.redirect}));
  plan.push_back(insert("nat", "POSTROUTING", {"-j", names.snat}));
  plan.push_back(insert("filter", "INPUT", {"-j", names.input}));
  plan.push_back(insert("filter", "FORWARD", {"-j", names.forward}));
  plan.push_back(SetSysctl{"net/ipv4/ip_forward", "1"});
  return plan;
}

Plan plan_provider_link(const ProviderLink& provider) {
  const std::string& link = provider.link;
  Plan plan;
  if (provider.mtu_bytes > 0) plan.push_back(SetLinkMtu{link, provider.mtu_bytes});
  // A tunnel lets IPv6 in as well (allowed IPs ::/0), but nothing here would filter or forward it.
  plan.push_back(SetSysctl{"net/ipv6/conf/" + link + "/disable_ipv6", "1"});
  // WireGuard's allowed IPs are 0.0.0.0/0: the peer could send from any address.
  plan.push_back(append("filter", provider.chains.input, {"-i", link, "-j", "REJECT"}));
  plan.push_back(append("filter", provider.chains.forward, {"-i", link, "-j", "DROP"}));
  plan.push_back(append("filter", provider.chains.forward, {"-o", link, "-j", "DROP"}));
  if (!provider.shared_rate.empty()) {
    plan.push_back(JoinSharedRate{link, provider.shared_rate});
  } else if (provider.limited) {
    plan.push_back(ShapeLink{link});
  }
  plan.push_back(SetLinkUp{link});
  return plan;
}

Result<Plan> plan_session(const SessionNetwork& session) {
  if (!session.address.ip.is_v4() || (session.dns && !session.dns->is_v4()) ||
      (session.outbound && !session.outbound->is_v4())) {
    return Error{Errc::Unsupported, 0, "session network is not IPv4"};
  }
  // The reference passes an empty outbound address on to iptables; 0.0.0.0 would be the same here.
  if (session.outbound && session.outbound->is_unspecified()) {
    return Error{Errc::Rejected, 0, "outbound address is unspecified"};
  }
  const ChainNames& names = session.chains;
  const IpPrefix prefix = session.address.network();
  const std::string network = prefix.to_string();
  const std::string& link = session.link;
  Plan plan;
  if (session.dns) {
    const std::string dns = session.dns->to_string();
    const std::string port = std::to_string(session.dns_port);
    for (const char* protocol : {"udp", "tcp"}) {
      // Not REDIRECT: that takes the device's first address, which may be another session's.
      plan.push_back(
          append("nat", names.redirect,
                 {"-i", link, "-s", network, "-d", dns + "/32", "-p", protocol, "-m", protocol,
                  "--dport", "53", "-j", "DNAT", "--to-destination", dns + ":" + port}));
    }
    for (const char* protocol : {"udp", "tcp"}) {
      plan.push_back(insert("filter", names.input,
                            {"-i", link, "-s", network, "-d", dns + "/32", "-p", protocol, "-m",
                             protocol, "--dport", port, "-j", "ACCEPT"}));
    }
  }
  Args leave{"-s", network, "!", "-d", network, "-j"};
  if (session.outbound) {
    leave.insert(leave.end(), {"SNAT", "--to-source", session.outbound->to_string()});
  } else {
    leave.push_back("MASQUERADE");
  }
  plan.push_back(append("nat", names.snat, std::move(leave)));
  // Each before the last one, so what is to match first comes last.
  // Answers only: the provider's neighbours cannot open connections to the consumer.
  plan.push_back(insert("filter", names.forward,
                        {"-o", link, "-d", network, "-m", "conntrack", "--ctstate",
                         "RELATED,ESTABLISHED", "-j", "ACCEPT"}));
  // Nor can its other consumers.
  plan.push_back(insert("filter", names.forward,
                        {"-i", link, "!", "-o", link, "-s", network, "-j",
                         session.dns_policy ? names.policy : "ACCEPT"}));
  plan.push_back(insert("filter", names.forward, {"-i", link, "-s", network, "-j", names.block}));
  const std::uint64_t limit = session.limit_bytes_per_second;
  // A class tells networks apart by their third octet.
  const bool has_class = prefix.length >= 24;
  if (limit > 0 && (session.shared_rate.empty() || !has_class)) {
    // hashlimit counts in whole KB and wants a burst above what one second brings.
    const std::uint64_t rate = std::clamp<std::uint64_t>(limit / 1024, 1, kMaxRuleRate);
    const std::uint64_t burst = rate + 64;
    plan.push_back(
        insert("filter", names.forward,
               {"-i", link, "-s", network, "-m", "hashlimit", "--hashlimit-above",
                std::to_string(rate) + "kb/s", "--hashlimit-burst", std::to_string(burst) + "kb",
                "--hashlimit-name", prefix.ip.to_string(), "-j", "DROP"}));
  }
  if (has_class) {
    const std::uint64_t own = limit == 0 ? kNoRate : std::max<std::uint64_t>(limit, 1000);
    if (!session.shared_rate.empty()) {
      plan.push_back(SessionRate{session.shared_rate, prefix, own, true});
    } else if (limit > 0) {
      plan.push_back(SessionRate{link, prefix, own, false});
    }
  }
  plan.push_back(AddAddress{link, session.address});
  return plan;
}

Plan plan_open_destination(const ChainNames& chains, const IpPrefix& destination) {
  if (!destination.ip.is_v4()) return {};
  return {insert("filter", chains.policy, {"-d", destination.to_string(), "-j", "ACCEPT"})};
}

Result<IpPrefix> session_network(const IpPrefix& base, std::uint32_t index) {
  if (!base.ip.is_v4() || base.length > 24) {
    return Error{Errc::Rejected, base.length, "subnet for sessions must be IPv4, /24 or wider"};
  }
  const std::uint32_t third = (base.network().ip.v4_host_order() >> 8) & 0xff;
  if (index > 255) return Error{Errc::NotFound, 0, "session network index"};
  const IpPrefix network{
      IpAddress::v4((base.network().ip.v4_host_order() & 0xffff0000u) | (index << 8)), 24};
  if (index < third || !base.contains(network.ip)) {
    return Error{Errc::NotFound, 0, "session network index outside the subnet"};
  }
  return network;
}

}  // namespace myst::core
