// The sockets of one side of one dial, by index, and the ports the world sees them at. Index i of
// the local and of the published list are the same socket.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/dialog/action_queue.hpp"
#include "core/nat/stun.hpp"

namespace myst::core::dialog {

class PortSet {
 public:
  // Refused openings in all before the set gives up (ports of the pool may be taken meanwhile).
  static constexpr std::size_t kMaxRefusals = 10;

  PortSet(ActionQueue& actions, SocketId& next_id) : actions_(actions), next_id_(next_id) {}

  void grow(std::size_t count);  // asks for sockets until there are `count`
  // STUN for every socket, also those still to come; without a call local ports are published.
  void map(Instant now, const std::vector<Endpoint>& stun_servers, Rng& rng);

  std::optional<std::size_t> index_of(SocketId socket) const;
  void handle_opened(Instant now, std::size_t index, const Result<std::uint16_t>& port, Rng& rng);
  bool handle_datagram(Instant now, std::size_t index, ByteSpan bytes);  // true: STUN took it
  void handle_timeout(Instant now);
  std::optional<Instant> next_timeout() const;

  bool failed() const { return refusals_ > kMaxRefusals; }
  const Error& error() const { return error_; }
  bool opened() const;
  bool ready() const;  // opened, and STUN (if any) done
  std::size_t size() const { return sockets_.size(); }
  SocketId id(std::size_t index) const { return sockets_[index].id; }
  std::uint16_t local_port(std::size_t index) const { return sockets_[index].local_port; }
  std::vector<std::int32_t> published() const;

  void shrink(std::size_t count);  // closes all from index `count` on
  void close_all();
  void release(std::size_t index);  // now the owner's: not closed by close_all

 private:
  struct Socket {
    SocketId id = 0;
    bool open = false;
    bool released = false;
    std::uint16_t local_port = 0;
    std::optional<StunProbe> probe;
  };
  void start_probe(Instant now, Socket& socket, Rng& rng);
  void send_probes(Socket& socket);

  ActionQueue& actions_;
  SocketId& next_id_;
  std::vector<Socket> sockets_;
  bool map_ = false;
  std::vector<Endpoint> stun_servers_;
  std::size_t refusals_ = 0;
  Error error_{};
};

}  // namespace myst::core::dialog
