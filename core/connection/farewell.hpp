// Channels whose connection has ended: their last requests go out, then they are closed.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/time.hpp"
#include "core/node/context.hpp"
#include "core/node/peer_link.hpp"

namespace myst::core::node {

class Farewells {
 public:
  static constexpr std::size_t kMax = 64;  // full: the oldest is closed without having finished
  static constexpr Duration kLimit = std::chrono::seconds{2};

  explicit Farewells(Context& context) : context_(context) {}
  ~Farewells();

  // The link has its last requests queued, made with this owner; it closes when all are answered.
  static constexpr EffectQueue::Owner kOwner = 0;
  void add(Now now, std::unique_ptr<PeerLink> link, std::optional<SocketId> service_socket,
           const IpAddress& excluded);
  void handle_timeout(Now now);
  std::optional<Instant> next_timeout() const;
  void settle(Now now);
  bool idle() const { return list_.empty(); }

 private:
  struct Item {
    std::unique_ptr<PeerLink> link;
    std::optional<SocketId> service_socket;
    IpAddress excluded;
    Instant until;
  };
  void close(Item& item);
  Context& context_;
  std::vector<Item> list_;
};

}  // namespace myst::core::node
