#include "platform/netlink/netlink.hpp"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>

#include <cerrno>
#include <cstring>

#include "platform/netlink/rtnl_message.hpp"

namespace myst::platform {
namespace {

NlMessage link_request(int type, int flags, unsigned interface_flags = 0, unsigned change = 0) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_flags = interface_flags;
  header.ifi_change = change;
  return rtnl_request(type, flags, header);
}

std::optional<Link> read_link(nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWLINK) return std::nullopt;
  nlattr* attributes[IFLA_MAX + 1] = {};
  if (nlmsg_parse(message, sizeof(ifinfomsg), attributes, IFLA_MAX, nullptr) < 0) {
    return std::nullopt;
  }
  const auto* header = static_cast<const ifinfomsg*>(nlmsg_data(message));
  Link link;
  link.index = static_cast<std::uint32_t>(header->ifi_index);
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
  if (attributes[IFLA_IFNAME] != nullptr) link.name = nla_get_string(attributes[IFLA_IFNAME]);
  if (attributes[IFLA_MTU] != nullptr) link.mtu_bytes = nla_get_u32(attributes[IFLA_MTU]);
  if (nlattr* stats = attributes[IFLA_STATS64];
      stats != nullptr && nla_len(stats) >= static_cast<int>(sizeof(rtnl_link_stats64))) {
    rtnl_link_stats64 counters{};
    std::memcpy(&counters, nla_data(stats), sizeof counters);
    link.received_bytes = counters.rx_bytes;
    link.sent_bytes = counters.tx_bytes;
  }
  if (attributes[IFLA_LINKINFO] != nullptr) {
    nlattr* info[IFLA_INFO_MAX + 1] = {};
    if (nla_parse_nested(info, IFLA_INFO_MAX, attributes[IFLA_LINKINFO], nullptr) == 0 &&
        info[IFLA_INFO_KIND] != nullptr) {
      link.kind = nla_get_string(info[IFLA_INFO_KIND]);
    }
  }
  return link;
}

std::optional<LinkAddress> read_address(nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWADDR) return std::nullopt;
  nlattr* attributes[IFA_MAX + 1] = {};
  if (nlmsg_parse(message, sizeof(ifaddrmsg), attributes, IFA_MAX, nullptr) < 0) {
    return std::nullopt;
  }
  const auto* header = static_cast<const ifaddrmsg*>(nlmsg_data(message));
  // IFA_ADDRESS is the peer's on point-to-point links; IFA_LOCAL, where given, is ours.
  nlattr* own = attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  const auto ip = own == nullptr ? std::nullopt : read_ip(own);
  if (!ip) return std::nullopt;
  return LinkAddress{
      header->ifa_index, {*ip, header->ifa_prefixlen}, header->ifa_scope == RT_SCOPE_LINK};
}

}  // namespace

Result<Netlink> Netlink::open() {
  MYST_TRY_ASSIGN(NlSocket socket, NlSocket::open(NETLINK_ROUTE));
  return Netlink(std::move(socket));
}

Result<std::vector<Link>> Netlink::links() {
  std::vector<Link> out;
  const NlMessage message = link_request(RTM_GETLINK, NLM_F_DUMP);
  if (message == nullptr) return Error{Errc::Io, ENOMEM, "links"};
  MYST_TRY(socket_.dump(
      message.get(), "links", [&out] { out.clear(); },
      [&out](nlmsghdr* answer) {
        if (auto link = read_link(answer)) out.push_back(*std::move(link));
      }));
  return out;
}

Result<Link> Netlink::link(const std::string& name) {
  std::optional<Link> found;
  const NlMessage message = link_request(RTM_GETLINK, 0);
  if (message == nullptr || nla_put_string(message.get(), IFLA_IFNAME, name.c_str()) < 0) {
    return Error{Errc::Io, ENOMEM, "link"};
  }
  MYST_TRY(socket_.talk(message.get(), "link",
                        [&found](nlmsghdr* answer) { found = read_link(answer); }));
  if (!found) return Error{Errc::NotFound, ENODEV, "link"};
  return *std::move(found);
}

Result<std::uint32_t> Netlink::index_of(const std::string& name) {
  MYST_TRY_ASSIGN(const Link found, link(name));
  return found.index;
}

Status Netlink::create_link(const std::string& name, const std::string& kind) {
  const NlMessage message = link_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  if (message == nullptr || nla_put_string(message.get(), IFLA_IFNAME, name.c_str()) < 0) {
    return Error{Errc::Io, ENOMEM, "create link"};
  }
  nlattr* info = nla_nest_start(message.get(), IFLA_LINKINFO);
  if (info == nullptr || nla_put_string(message.get(), IFLA_INFO_KIND, kind.c_str()) < 0) {
    return Error{Errc::Io, ENOMEM, "create link"};
  }
  nla_nest_end(message.get(), info);
  return socket_.talk(message.get(), "create link");
}

Status Netlink::delete_link(const std::string& name) {
  const NlMessage message = link_request(RTM_DELLINK, 0);
  if (message == nullptr || nla_put_string(message.get(), IFLA_IFNAME, name.c_str()) < 0) {
    return Error{Errc::Io, ENOMEM, "delete link"};
  }
  return socket_.talk(message.get(), "delete link");
}

Status Netlink::set_link_up(const std::string& name, bool up) {
  const NlMessage message = link_request(RTM_NEWLINK, 0, up ? IFF_UP : 0, IFF_UP);
  if (message == nullptr || nla_put_string(message.get(), IFLA_IFNAME, name.c_str()) < 0) {
    return Error{Errc::Io, ENOMEM, "set link up"};
  }
  return socket_.talk(message.get(), "set link up");
}

Status Netlink::set_link_mtu(const std::string& name, std::uint32_t mtu_bytes) {
  const NlMessage message = link_request(RTM_NEWLINK, 0);
  if (message == nullptr || nla_put_string(message.get(), IFLA_IFNAME, name.c_str()) < 0 ||
      nla_put_u32(message.get(), IFLA_MTU, mtu_bytes) < 0) {
    return Error{Errc::Io, ENOMEM, "set link MTU"};
  }
  return socket_.talk(message.get(), "set link MTU");
}

Status Netlink::move_link(const std::string& name, int process) {
  const NlMessage message = link_request(RTM_NEWLINK, 0);
  if (message == nullptr || nla_put_string(message.get(), IFLA_IFNAME, name.c_str()) < 0 ||
      nla_put_u32(message.get(), IFLA_NET_NS_PID, static_cast<std::uint32_t>(process)) < 0) {
    return Error{Errc::Io, ENOMEM, "move link"};
  }
  return socket_.talk(message.get(), "move link");
}

Status Netlink::set_link_without_local_address(const std::string& name) {
  const NlMessage message = link_request(RTM_NEWLINK, 0);
  const Error no_memory{Errc::Io, ENOMEM, "set link addresses"};
  if (message == nullptr || nla_put_string(message.get(), IFLA_IFNAME, name.c_str()) < 0) {
    return no_memory;
  }
  nlattr* const families = nla_nest_start(message.get(), IFLA_AF_SPEC);
  if (families == nullptr) return no_memory;
  nlattr* const v6 = nla_nest_start(message.get(), AF_INET6);
  if (v6 == nullptr || nla_put_u8(message.get(), IFLA_INET6_ADDR_GEN_MODE,
                                  std::uint8_t{IN6_ADDR_GEN_MODE_NONE}) < 0) {
    return no_memory;
  }
  nla_nest_end(message.get(), v6);
  nla_nest_end(message.get(), families);
  return socket_.talk(message.get(), "set link addresses");
}

Result<std::vector<LinkAddress>> Netlink::addresses() {
  std::vector<LinkAddress> out;
  const NlMessage message = rtnl_request(RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{});
  if (message == nullptr) return Error{Errc::Io, ENOMEM, "addresses"};
  MYST_TRY(socket_.dump(
      message.get(), "addresses", [&out] { out.clear(); },
      [&out](nlmsghdr* answer) {
        if (const auto address = read_address(answer)) out.push_back(*address);
      }));
  return out;
}

namespace {

Result<NlMessage> address_request(int type, int flags, std::uint32_t index,
                                  const IpPrefix& address) {
  ifaddrmsg header{};
  header.ifa_family = address.ip.is_v4() ? AF_INET : AF_INET6;
  header.ifa_prefixlen = address.length;
  header.ifa_index = index;
  NlMessage message = rtnl_request(type, flags, header);
  if (message == nullptr || !put_ip(message.get(), IFA_LOCAL, address.ip) ||
      !put_ip(message.get(), IFA_ADDRESS, address.ip)) {
    return Error{Errc::Io, ENOMEM, "address"};
  }
  // Duplicate address detection would make the address unusable for a second; there is no other
  // host on a tunnel.
  if (type == RTM_NEWADDR && address.ip.is_v6() &&
      nla_put_u32(message.get(), IFA_FLAGS, IFA_F_NODAD) < 0) {
    return Error{Errc::Io, ENOMEM, "address"};
  }
  return message;
}

}  // namespace

Status Netlink::add_address(const core::AddAddress& change) {
  MYST_TRY_ASSIGN(const std::uint32_t index, index_of(change.link));
  MYST_TRY_ASSIGN(const NlMessage message,
                  address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, change.address));
  return socket_.talk(message.get(), "add address");
}

Status Netlink::delete_address(const core::AddAddress& change) {
  MYST_TRY_ASSIGN(const std::uint32_t index, index_of(change.link));
  MYST_TRY_ASSIGN(const NlMessage message, address_request(RTM_DELADDR, 0, index, change.address));
  return socket_.talk(message.get(), "delete address");
}

Result<bool> Netlink::has_address(const core::AddAddress& change) {
  const auto index = index_of(change.link);
  if (!index.ok()) {
    if (index.error().code == Errc::NotFound) return false;
    return index.error();
  }
  MYST_TRY_ASSIGN(const auto all, addresses());
  for (const LinkAddress& address : all) {
    if (address.link_index == *index && address.address == change.address) return true;
  }
  return false;
}

}  // namespace myst::platform
