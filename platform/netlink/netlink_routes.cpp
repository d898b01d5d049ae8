// The routing half of Netlink: routes, policy rules, the way to an address.
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <map>

#include "platform/netlink/netlink.hpp"
#include "platform/netlink/rtnl_message.hpp"

namespace myst::platform {
namespace {

constexpr unsigned char kUnspecifiedTable = RT_TABLE_UNSPEC;  // the attribute holds the number

unsigned char family_of(const IpAddress& ip) {
  return static_cast<unsigned char>(ip.is_v4() ? AF_INET : AF_INET6);
}

IpAddress any_address(unsigned char family) {
  return family == AF_INET6 ? IpAddress::v6({}) : IpAddress();
}

struct RawRoute {
  std::uint32_t table = 0, link_index = 0;
  core::RouteEntry entry;
  std::optional<IpAddress> source;
};

// nullopt: not a unicast route of the configured kind (or a multipath route without a first hop).
std::optional<RawRoute> read_route(nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWROUTE) return std::nullopt;
  nlattr* attributes[RTA_MAX + 1] = {};
  if (nlmsg_parse(message, sizeof(rtmsg), attributes, RTA_MAX, nullptr) < 0) return std::nullopt;
  const auto* header = static_cast<const rtmsg*>(nlmsg_data(message));
  if (header->rtm_type != RTN_UNICAST) return std::nullopt;
  if (header->rtm_family != AF_INET && header->rtm_family != AF_INET6) return std::nullopt;
  RawRoute route;
  route.table =
      attributes[RTA_TABLE] != nullptr ? nla_get_u32(attributes[RTA_TABLE]) : header->rtm_table;
  route.entry.destination = {any_address(header->rtm_family), header->rtm_dst_len};
  if (attributes[RTA_DST] != nullptr) {
    if (const auto ip = read_ip(attributes[RTA_DST])) route.entry.destination.ip = *ip;
  }
  if (attributes[RTA_GATEWAY] != nullptr) route.entry.gateway = read_ip(attributes[RTA_GATEWAY]);
  if (attributes[RTA_PRIORITY] != nullptr) {
    route.entry.metric = nla_get_u32(attributes[RTA_PRIORITY]);
  }
  if (attributes[RTA_OIF] != nullptr) route.link_index = nla_get_u32(attributes[RTA_OIF]);
  if (attributes[RTA_PREFSRC] != nullptr) route.source = read_ip(attributes[RTA_PREFSRC]);
  if (nlattr* hops = attributes[RTA_MULTIPATH];
      hops != nullptr && nla_len(hops) >= static_cast<int>(sizeof(rtnexthop))) {
    auto* hop = static_cast<rtnexthop*>(nla_data(hops));
    route.link_index = static_cast<std::uint32_t>(hop->rtnh_ifindex);
    nlattr* inner[RTA_MAX + 1] = {};
    const int size = static_cast<int>(hop->rtnh_len) - static_cast<int>(sizeof(rtnexthop));
    if (size > 0 && hop->rtnh_len <= nla_len(hops) &&
        nla_parse(inner, RTA_MAX, reinterpret_cast<nlattr*>(hop + 1), size, nullptr) == 0 &&
        inner[RTA_GATEWAY] != nullptr) {
      route.entry.gateway = read_ip(inner[RTA_GATEWAY]);
    }
  }
  return route;
}

Result<NlMessage> route_request(int type, int flags, const core::AddRoute& change,
                                std::uint32_t link_index) {
  rtmsg header{};
  header.rtm_family = family_of(change.destination.ip);
  header.rtm_dst_len = change.destination.length;
  header.rtm_table =
      change.table < 256 ? static_cast<unsigned char>(change.table) : kUnspecifiedTable;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_type = RTN_UNICAST;
  header.rtm_scope =
      change.gateway || header.rtm_family == AF_INET6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  if (type == RTM_DELROUTE) {
    // Zero matches any protocol and scope; what counts stands in the attributes.
    header.rtm_protocol = RTPROT_UNSPEC;
    header.rtm_scope = RT_SCOPE_NOWHERE;
  }
  NlMessage message = rtnl_request(type, flags, header);
  const Error failed{Errc::Io, ENOMEM, "route"};
  if (message == nullptr) return failed;
  if (change.destination.length > 0 &&
      !put_ip(message.get(), RTA_DST, change.destination.network().ip)) {
    return failed;
  }
  if (nla_put_u32(message.get(), RTA_TABLE, change.table) < 0) return failed;
  if (change.gateway && !put_ip(message.get(), RTA_GATEWAY, *change.gateway)) return failed;
  if (link_index != 0 && nla_put_u32(message.get(), RTA_OIF, link_index) < 0) return failed;
  if (change.metric != 0 && nla_put_u32(message.get(), RTA_PRIORITY, change.metric) < 0) {
    return failed;
  }
  return message;
}

Result<NlMessage> rule_request(int type, int flags, const core::AddRule& change) {
  fib_rule_hdr header{};
  header.family = change.family == core::IpFamily::V4 ? AF_INET : AF_INET6;
  header.action = FR_ACT_TO_TBL;
  header.table = change.table < 256 ? static_cast<unsigned char>(change.table) : kUnspecifiedTable;
  if (change.from) header.src_len = change.from->length;
  if (change.to) header.dst_len = change.to->length;
  NlMessage message = rtnl_request(type, flags, header);
  const Error failed{Errc::Io, ENOMEM, "rule"};
  if (message == nullptr || nla_put_u32(message.get(), FRA_TABLE, change.table) < 0 ||
      nla_put_u32(message.get(), FRA_PRIORITY, change.priority) < 0) {
    return failed;
  }
  if (change.from && !put_ip(message.get(), FRA_SRC, change.from->network().ip)) return failed;
  if (change.to && !put_ip(message.get(), FRA_DST, change.to->network().ip)) return failed;
  if (change.mark != 0 && nla_put_u32(message.get(), FRA_FWMARK, change.mark) < 0) return failed;
  return message;
}

std::optional<core::AddRule> read_rule(nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWRULE) return std::nullopt;
  nlattr* attributes[FRA_MAX + 1] = {};
  if (nlmsg_parse(message, sizeof(fib_rule_hdr), attributes, FRA_MAX, nullptr) < 0) {
    return std::nullopt;
  }
  const auto* header = static_cast<const fib_rule_hdr*>(nlmsg_data(message));
  if (header->action != FR_ACT_TO_TBL) return std::nullopt;
  if (header->family != AF_INET && header->family != AF_INET6) return std::nullopt;
  core::AddRule rule;
  rule.family = header->family == AF_INET ? core::IpFamily::V4 : core::IpFamily::V6;
  rule.table =
      attributes[FRA_TABLE] != nullptr ? nla_get_u32(attributes[FRA_TABLE]) : header->table;
  if (attributes[FRA_PRIORITY] != nullptr) rule.priority = nla_get_u32(attributes[FRA_PRIORITY]);
  if (attributes[FRA_FWMARK] != nullptr) rule.mark = nla_get_u32(attributes[FRA_FWMARK]);
  const auto prefix = [](nlattr* attribute, std::uint8_t length) -> std::optional<IpPrefix> {
    const auto ip = attribute == nullptr ? std::nullopt : read_ip(attribute);
    if (!ip) return std::nullopt;
    return IpPrefix{*ip, length};
  };
  rule.from = prefix(attributes[FRA_SRC], header->src_len);
  rule.to = prefix(attributes[FRA_DST], header->dst_len);
  return rule;
}

}  // namespace

Result<std::vector<core::RouteEntry>> Netlink::routes(std::uint32_t table) {
  std::vector<RawRoute> raw;
  const NlMessage message = rtnl_request(RTM_GETROUTE, NLM_F_DUMP, rtmsg{});
  if (message == nullptr) return Error{Errc::Io, ENOMEM, "routes"};
  MYST_TRY(socket_.dump(
      message.get(), "routes", [&raw] { raw.clear(); },
      [&](nlmsghdr* answer) {
        auto route = read_route(answer);
        if (route && route->table == table) raw.push_back(*std::move(route));
      }));
  MYST_TRY_ASSIGN(const std::vector<Link> all_links, links());
  std::map<std::uint32_t, std::string> names;
  for (const Link& link : all_links) names.emplace(link.index, link.name);
  std::vector<core::RouteEntry> out;
  for (RawRoute& route : raw) {
    const auto name = names.find(route.link_index);
    if (name != names.end()) route.entry.link = name->second;
    out.push_back(std::move(route.entry));
  }
  return out;
}

Status Netlink::add_route(const core::AddRoute& change) {
  std::uint32_t index = 0;
  if (!change.link.empty()) {
    MYST_TRY_ASSIGN(index, index_of(change.link));
  }
  MYST_TRY_ASSIGN(const NlMessage message,
                  route_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, change, index));
  return socket_.talk(message.get(), "add route");
}

Status Netlink::delete_route(const core::AddRoute& change) {
  std::uint32_t index = 0;
  if (!change.link.empty()) {
    MYST_TRY_ASSIGN(index, index_of(change.link));
  }
  MYST_TRY_ASSIGN(const NlMessage message, route_request(RTM_DELROUTE, 0, change, index));
  return socket_.talk(message.get(), "delete route");
}

Result<bool> Netlink::has_route(const core::AddRoute& change) {
  MYST_TRY_ASSIGN(const auto all, routes(change.table));
  // What the kernel writes for an IPv6 route without metric.
  const std::uint32_t metric =
      change.metric == 0 && change.destination.ip.is_v6() ? 1024 : change.metric;
  for (const core::RouteEntry& route : all) {
    if (route.destination == change.destination.network() && route.gateway == change.gateway &&
        (change.link.empty() || route.link == change.link) && route.metric == metric) {
      return true;
    }
  }
  return false;
}

Status Netlink::add_rule(const core::AddRule& change) {
  MYST_TRY_ASSIGN(const NlMessage message,
                  rule_request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, change));
  return socket_.talk(message.get(), "add rule");
}

Status Netlink::delete_rule(const core::AddRule& change) {
  MYST_TRY_ASSIGN(const NlMessage message, rule_request(RTM_DELRULE, 0, change));
  return socket_.talk(message.get(), "delete rule");
}

Result<std::vector<core::AddRule>> Netlink::rules() {
  std::vector<core::AddRule> out;
  const NlMessage message = rtnl_request(RTM_GETRULE, NLM_F_DUMP, fib_rule_hdr{});
  if (message == nullptr) return Error{Errc::Io, ENOMEM, "rules"};
  MYST_TRY(socket_.dump(
      message.get(), "rules", [&out] { out.clear(); },
      [&out](nlmsghdr* answer) {
        if (auto rule = read_rule(answer)) out.push_back(*std::move(rule));
      }));
  return out;
}

Result<bool> Netlink::has_rule(const core::AddRule& change) {
  MYST_TRY_ASSIGN(const auto all, rules());
  core::AddRule wanted = change;
  if (wanted.from) wanted.from = wanted.from->network();
  if (wanted.to) wanted.to = wanted.to->network();
  for (const core::AddRule& rule : all) {
    if (rule == wanted) return true;
  }
  return false;
}

Result<Way> Netlink::way_to(const IpAddress& destination, std::optional<IpAddress> source) {
  rtmsg header{};
  header.rtm_family = family_of(destination);
  header.rtm_dst_len = destination.is_v4() ? 32 : 128;
  const NlMessage message = rtnl_request(RTM_GETROUTE, 0, header);
  if (message == nullptr || !put_ip(message.get(), RTA_DST, destination) ||
      (source && !put_ip(message.get(), RTA_SRC, *source))) {
    return Error{Errc::Io, ENOMEM, "way to address"};
  }
  std::optional<RawRoute> found;
  const Status status = socket_.talk(message.get(), "way to address", [&found](nlmsghdr* answer) {
    if (auto route = read_route(answer)) found = *std::move(route);
  });
  if (!status.ok()) {
    const int error = status.error().detail;
    if (error == ENETUNREACH || error == EHOSTUNREACH) {
      return Error{Errc::NotFound, error, "no route to address"};
    }
    return status.error();
  }
  if (!found) return Error{Errc::NotFound, ENETUNREACH, "no route to address"};
  MYST_TRY_ASSIGN(const std::vector<Link> all_links, links());
  Way way;
  way.gateway = found->entry.gateway;
  // A given source is not repeated in the answer.
  way.source = found->source ? *found->source : source.value_or(any_address(header.rtm_family));
  for (const Link& link : all_links) {
    if (link.index == found->link_index) way.link = link.name;
  }
  return way;
}

}  // namespace myst::platform
