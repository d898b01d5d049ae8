#include "platform/net/udp_socket.hpp"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "platform/loop/fd_watcher.hpp"
#include "platform/net/sockaddr.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::platform {

struct UdpSocket::State {
  explicit State(Loop& owner) : loop(owner) {}
  Loop& loop;
  UniqueFd fd;
  FdWatcher watcher;
  std::unique_ptr<OnDatagram> callback;  // replaced or dropped, it lives on until it returns
  std::unique_ptr<OnRefused> refused;
  Endpoint local;
  bool closed = false;
};

namespace {

// A wake reads so many at most: other sockets and timers get their turn under a flood.
constexpr int kDatagramsPerWake = 64;
constexpr int kRefusalsPerWake = 16;

// What an earlier datagram of ours caused: told by ICMP, of no concern to this call.
bool is_echo_of_the_past(int error) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
         error == ECONNRESET || error == EHOSTDOWN || error == EPROTO || error == ENOPROTOOPT;
}

// The queue of errors, when it is wanted (IP_RECVERR): where a datagram went, and what became of
// it.
void read_refusals(UdpSocket::State& state) {
  for (int i = 0; i < kRefusalsPerWake; ++i) {
    sockaddr_storage to{};
    alignas(cmsghdr) char control[512];
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = sizeof to;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (::recvmsg(state.fd.get(), &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
    bool refused = false;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
      const bool v4 = part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR;
      const bool v6 = part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_RECVERR;
      if ((!v4 && !v6) || part->cmsg_len < CMSG_LEN(sizeof(sock_extended_err))) continue;
      sock_extended_err told;
      std::memcpy(&told, CMSG_DATA(part), sizeof told);
      refused = told.ee_errno == ECONNREFUSED &&
                (told.ee_origin == SO_EE_ORIGIN_ICMP || told.ee_origin == SO_EE_ORIGIN_ICMP6);
    }
    const auto where = from_sockaddr(reinterpret_cast<const sockaddr*>(&to));
    if (!refused || !where) continue;
    (*state.refused)(*where);
    if (state.closed || !state.refused) return;
  }
}

void read_datagrams(UdpSocket::State& state) {
  if (state.refused) {
    read_refusals(state);
    if (state.closed || !state.callback) return;
  }
  const MutableByteSpan buffer = state.loop.scratch();
  for (int i = 0; i < kDatagramsPerWake; ++i) {
    sockaddr_storage from{};
    socklen_t from_size = sizeof from;
    const ssize_t size = ::recvfrom(state.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                    reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size < 0) {
      if (errno == EINTR || is_echo_of_the_past(errno)) continue;
      return;
    }
    const auto sender = from_sockaddr(reinterpret_cast<const sockaddr*>(&from));
    if (!sender) continue;
    (*state.callback)(*sender, ByteSpan(buffer.data(), static_cast<std::size_t>(size)));
    if (state.closed || !state.callback) return;
  }
}

Status send_message(int fd, const SocketAddress* to, ByteSpan datagram, std::optional<int> ttl,
                    bool v6) {
  iovec part{const_cast<std::uint8_t*>(datagram.data()), datagram.size()};
  msghdr message{};
  if (to != nullptr) {
    message.msg_name = const_cast<sockaddr*>(to->get());
    message.msg_namelen = to->size;
  }
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (ttl) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    header->cmsg_type = v6 ? IPV6_HOPLIMIT : IP_TTL;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &*ttl, sizeof(int));
  }
  int error = 0;
  // The first try may return an error that waited in the socket; the second one is our own.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return {};
    error = errno;
    if (error != EINTR && !is_echo_of_the_past(error)) break;
  }
  if (error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS) {
    return Error{Errc::Full, error, "udp send buffer"};
  }
  return Error{Errc::Io, error, "udp send"};
}

}  // namespace

UdpSocket::UdpSocket(std::unique_ptr<State> state) : state_(std::move(state)) {}
UdpSocket::UdpSocket(UdpSocket&&) noexcept = default;
UdpSocket& UdpSocket::operator=(UdpSocket&& other) noexcept {
  UdpSocket replaced(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}

UdpSocket::~UdpSocket() {
  if (state_ == nullptr) return;
  if (const int fd = release_fd(); fd >= 0) ::close(fd);
  Loop& loop = state_->loop;
  loop.dispose(std::move(state_));
}

Result<UdpSocket> UdpSocket::open(Loop& loop, const Options& options) {
  const bool v6 = options.local.ip.is_v6();
  UniqueFd fd(::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Error{Errc::Io, errno, "udp socket"};
  const int on = 1;
  // One family a socket: IPv4 peers are met on an IPv4 socket.
  if (v6) (void)::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (options.mark != 0 &&
      ::setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &options.mark, sizeof options.mark) != 0) {
    return Error{Errc::Io, errno, "udp socket mark"};
  }
  const SocketAddress local = to_sockaddr(options.local);
  if (::bind(fd.get(), local.get(), local.size) != 0) return Error{Errc::Io, errno, "udp bind"};
  auto socket = adopt(loop, fd.release());
  if (socket.ok() && options.remote) MYST_TRY(socket->connect(*options.remote));
  return socket;
}

Result<UdpSocket> UdpSocket::adopt(Loop& loop, int fd) {
  auto state = std::make_unique<State>(loop);
  state->fd.reset(fd);
  state->local = local_endpoint(fd);
  State* raw = state.get();
  auto watcher = FdWatcher::open(loop, fd, [raw](unsigned) { read_datagrams(*raw); });
  if (!watcher.ok()) return watcher.error();
  state->watcher = std::move(*watcher);
  return UdpSocket(std::move(state));
}

void UdpSocket::receive(OnDatagram callback) {
  stop();
  state_->callback = std::make_unique<OnDatagram>(std::move(callback));
  state_->watcher.watch(FdWatcher::kReadable);
}

void UdpSocket::stop() {
  state_->watcher.watch(FdWatcher::kNothing);
  state_->loop.dispose(std::move(state_->callback));
}

void UdpSocket::tell_refused(OnRefused callback) {
  const int on = 1;
  const bool v6 = state_->local.ip.is_v6();
  if (::setsockopt(state_->fd.get(), v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR,
                   &on, sizeof on) != 0) {
    return;  // then nothing is told
  }
  state_->loop.dispose(std::move(state_->refused));
  state_->refused = std::make_unique<OnRefused>(std::move(callback));
}

Status UdpSocket::connect(const Endpoint& remote) {
  const SocketAddress address = to_sockaddr(remote);
  if (::connect(state_->fd.get(), address.get(), address.size) != 0) {
    return Error{Errc::Io, errno, "udp connect"};
  }
  state_->local = local_endpoint(state_->fd.get());
  return {};
}

Status UdpSocket::send(const Endpoint& to, ByteSpan datagram, std::optional<int> ttl) {
  const SocketAddress address = to_sockaddr(to);
  return send_message(state_->fd.get(), &address, datagram, ttl, to.ip.is_v6());
}

Status UdpSocket::send(ByteSpan datagram, std::optional<int> ttl) {
  return send_message(state_->fd.get(), nullptr, datagram, ttl, state_->local.ip.is_v6());
}

const Endpoint& UdpSocket::local() const { return state_->local; }
int UdpSocket::fd() const { return state_->fd.get(); }

int UdpSocket::release_fd() {
  state_->closed = true;
  state_->watcher = FdWatcher();
  return state_->fd.release();
}

}  // namespace myst::platform
