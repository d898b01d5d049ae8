#include "core/connection/farewell.hpp"

#include <algorithm>
#include <utility>

namespace myst::core::node {

Farewells::~Farewells() {
  for (Item& item : list_) close(item);
}

void Farewells::close(Item& item) {
  item.link->close();
  if (item.service_socket) context_.fx.tell(UdpClose{*item.service_socket});
  if (!item.excluded.is_unspecified()) context_.fx.tell(ReleaseAddress{item.excluded});
}

void Farewells::add(Now now, std::unique_ptr<PeerLink> link, std::optional<SocketId> service_socket,
                    const IpAddress& excluded) {
  if (list_.size() >= kMax) {
    close(list_.front());
    list_.erase(list_.begin());
  }
  link->on_request(nullptr);
  link->on_lost(nullptr);
  link->on_closed_port(nullptr);
  list_.push_back(Item{std::move(link), service_socket, excluded, now.instant + kLimit});
}

void Farewells::handle_timeout(Now now) {
  for (Item& item : list_) item.link->handle_timeout(now);
}

std::optional<Instant> Farewells::next_timeout() const {
  std::optional<Instant> next;
  for (const Item& item : list_) {
    next = earliest(next, earliest(item.until, item.link->next_timeout()));
  }
  return next;
}

void Farewells::settle(Now now) {
  for (Item& item : list_) item.link->drain(now);
  const auto over = [&](Item& item) {
    if (now.instant < item.until && item.link->waiting() > 0) return false;
    close(item);
    return true;
  };
  list_.erase(std::remove_if(list_.begin(), list_.end(), over), list_.end());
}

}  // namespace myst::core::node
