// A bound UDP socket. Receiving allocates nothing; sending never waits.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "platform/loop/loop.hpp"

namespace myst::platform {

class UdpSocket {
 public:
  struct Options {
    Endpoint local;                  // 0.0.0.0:0: any IPv4 address, a port the kernel chooses
    std::optional<Endpoint> remote;  // connected: only its datagrams arrive
    std::uint32_t mark = 0;          // SO_MARK for policy routing (needs CAP_NET_ADMIN); 0: none
  };
  // The view lives until the callback returns. The callback may destroy the socket.
  using OnDatagram = std::function<void(const Endpoint& from, ByteSpan datagram)>;
  using OnRefused = std::function<void(const Endpoint& to)>;

  // Never with SO_REUSEADDR: a port someone has is an error (Io, EADDRINUSE).
  static Result<UdpSocket> open(Loop& loop, const Options& options);
  static Result<UdpSocket> adopt(Loop& loop, int fd);  // owns fd from here on, even when it fails

  UdpSocket(UdpSocket&&) noexcept;
  UdpSocket& operator=(UdpSocket&&) noexcept;
  ~UdpSocket();

  void receive(OnDatagram callback);  // until stop(); datagrams that wait are kept by the kernel
  void stop();
  // While it receives: told when a host answers by ICMP that nobody listens where a datagram went.
  // Of a path, or by somebody who guesses well: never a proof. The callback may destroy the socket.
  void tell_refused(OnRefused callback);
  Status connect(const Endpoint& remote);

  // Full: the kernel's buffer is full, the datagram is lost as on a busy network. Io: errno
  // (ENETUNREACH, EPERM of a firewall, ...); the socket stays usable. An ICMP "refused" left over
  // from earlier datagrams is no error of this one. ttl: of this datagram only.
  Status send(const Endpoint& to, ByteSpan datagram, std::optional<int> ttl = std::nullopt);
  Status send(ByteSpan datagram, std::optional<int> ttl = std::nullopt);  // connected

  const Endpoint& local() const;  // with the port the kernel chose
  int fd() const;
  // Hands the bound (and perhaps connected) socket to another owner; this object is closed.
  int release_fd();

  struct State;

 private:
  explicit UdpSocket(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace myst::platform
