// Links, addresses, routes and policy rules of the kernel (rtnetlink).
// Errors: AlreadyExists, NotFound, Unauthorized (no CAP_NET_ADMIN), Unsupported, Io with errno.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/system/change.hpp"
#include "core/system/consumer_plan.hpp"
#include "platform/netlink/nl_socket.hpp"

namespace myst::platform {

struct Link {
  std::uint32_t index = 0;
  std::string name;
  std::string kind;  // "wireguard", "tun", "veth"; empty for hardware and loopback
  std::uint32_t mtu_bytes = 0;
  bool up = false;  // administratively
  bool loopback = false;
  std::uint64_t received_bytes = 0, sent_bytes = 0;
};

struct LinkAddress {
  std::uint32_t link_index = 0;
  IpPrefix address;  // with host bits
  bool link_scope = false;
};

// How a packet would leave.
struct Way {
  std::string link;
  std::optional<IpAddress> gateway;  // none: on-link
  IpAddress source;
};

class Netlink {
 public:
  static Result<Netlink> open();

  Result<std::vector<Link>> links();
  Result<Link> link(const std::string& name);
  // kind: "wireguard", ... Unsupported: the kernel does not know it.
  Status create_link(const std::string& name, const std::string& kind);
  Status delete_link(const std::string& name);
  Status set_link_up(const std::string& name, bool up);
  Status set_link_mtu(const std::string& name, std::uint32_t mtu_bytes);
  // Into the network namespace of a process.
  Status move_link(const std::string& name, int process);
  // No link-local IPv6 address by itself, so that the kernel solicits no routers there.
  Status set_link_without_local_address(const std::string& name);

  Result<std::vector<LinkAddress>> addresses();
  Status add_address(const core::AddAddress& change);
  Status delete_address(const core::AddAddress& change);
  Result<bool> has_address(const core::AddAddress& change);

  // Of one table, both families, unicast only.
  Result<std::vector<core::RouteEntry>> routes(std::uint32_t table = core::kMainTable);
  Status add_route(const core::AddRoute& change);
  Status delete_route(const core::AddRoute& change);
  Result<bool> has_route(const core::AddRoute& change);

  Status add_rule(const core::AddRule& change);
  Status delete_rule(const core::AddRule& change);
  Result<bool> has_rule(const core::AddRule& change);

  // What the routing table says now. Take the outbound address before the tunnel's routes exist:
  // afterwards it is the tunnel's own. NotFound: no way (Io ENETUNREACH is told as NotFound too).
  Result<Way> way_to(const IpAddress& destination, std::optional<IpAddress> source = std::nullopt);

  // HTB as root queue of the link; replaces what is there / deletes it if it is one.
  Status shape(const core::ShapeLink& change);
  Status unshape(const std::string& link);
  // A rate that links share, their traffic's way there, and a session's part in it or in the queue
  // of a shaped link (netlink_share.cpp).
  Status make_shared_rate(const core::SharedRate& change);
  Status join_shared_rate(const core::JoinSharedRate& change);
  Status leave_shared_rate(const core::JoinSharedRate& change);
  Status make_session_rate(const core::SessionRate& change);
  Status drop_session_rate(const core::SessionRate& change);

 private:
  explicit Netlink(NlSocket socket) : socket_(std::move(socket)) {}
  Status put_leaf(std::uint32_t device, std::uint32_t parent, std::uint64_t bytes_per_second);
  Result<std::uint32_t> index_of(const std::string& name);
  Result<std::vector<core::AddRule>> rules();
  NlSocket socket_;
};

}  // namespace myst::platform
