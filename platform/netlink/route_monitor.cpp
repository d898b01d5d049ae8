#include "platform/netlink/route_monitor.hpp"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/handlers.h>

namespace myst::platform {
namespace {

bool matters(nlmsghdr* message) {
  switch (message->nlmsg_type) {
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      if (!nlmsg_valid_hdr(message, sizeof(rtmsg))) return false;
      const auto* header = static_cast<const rtmsg*>(nlmsg_data(message));
      return header->rtm_table == RT_TABLE_MAIN && (header->rtm_flags & RTM_F_CLONED) == 0;
    }
    case RTM_DELLINK:
      return true;
    case RTM_NEWLINK: {
      // Radio statistics come as link messages several times a second.
      if (!nlmsg_valid_hdr(message, sizeof(ifinfomsg))) return false;
      return nlmsg_find_attr(message, sizeof(ifinfomsg), IFLA_WIRELESS) == nullptr;
    }
    default:
      return false;
  }
}

int on_event(nl_msg* message, void* context) {
  if (matters(nlmsg_hdr(message))) *static_cast<bool*>(context) = true;
  return NL_OK;
}

int no_sequence_check(nl_msg*, void*) { return NL_OK; }

struct CallbackFree {
  void operator()(nl_cb* callbacks) const { nl_cb_put(callbacks); }
};

}  // namespace

Result<RouteMonitor> RouteMonitor::open(What what) {
  MYST_TRY_ASSIGN(NlSocket socket, NlSocket::open(NETLINK_ROUTE));
  nl_sock* raw = socket.get();
  // IPv4 routes of a link that goes down vanish without a message of their own: links are heard
  // too.
  int error = nl_socket_add_memberships(raw, RTNLGRP_LINK, 0);
  if (error == 0 && what == What::LinksAndRoutes) {
    error = nl_socket_add_memberships(raw, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, 0);
  }
  if (error < 0 || nl_socket_set_nonblocking(raw) < 0) {
    return Error{Errc::Io, 0, "route monitor"};
  }
  return RouteMonitor(std::move(socket));
}

bool RouteMonitor::drain() {
  bool changed = false;
  const std::unique_ptr<nl_cb, CallbackFree> callbacks(nl_cb_alloc(NL_CB_CUSTOM));
  if (callbacks == nullptr) return true;
  nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, on_event, &changed);
  nl_cb_set(callbacks.get(), NL_CB_SEQ_CHECK, NL_CB_CUSTOM, no_sequence_check, nullptr);
  for (;;) {
    const int result = nl_recvmsgs(socket_.get(), callbacks.get());
    if (result == -NLE_AGAIN) return changed;
    if (result == -NLE_NOMEM) {
      changed = true;  // ENOBUFS: the kernel had more to say than the buffer holds
    } else if (result < 0) {
      return true;
    }
  }
}

}  // namespace myst::platform
