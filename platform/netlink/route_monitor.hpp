// Tells when routes or links of this host change, without polling: kernel events, coalesced.
// Owned and called by the loop's thread:
//
//   watcher = FdWatcher::open(loop, monitor.fd(), [&](unsigned) { if (monitor.drain()) replan();
//   });
#pragma once

#include <cstdint>

#include "core/base/result.hpp"
#include "platform/netlink/nl_socket.hpp"

namespace myst::platform {

class RouteMonitor {
 public:
  enum class What : std::uint8_t { Links, LinksAndRoutes };
  static Result<RouteMonitor> open(What what = What::LinksAndRoutes);
  int fd() const { return nl_socket_get_fd(socket_.get()); }
  // Reads all events that wait. True: a route of the main table, an address or the state of a link
  // changed (or events were lost, which may mean the same); with Links the latter only.
  bool drain();

 private:
  explicit RouteMonitor(NlSocket socket) : socket_(std::move(socket)) {}
  NlSocket socket_;
};

}  // namespace myst::platform
