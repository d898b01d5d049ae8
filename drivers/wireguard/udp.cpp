#include "drivers/wireguard/udp.hpp"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/sysinfo.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "platform/net/sockaddr.hpp"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace myst::wireguard {
namespace {

constexpr std::size_t kMaxDatagrams = 64;

void set_int(int fd, int level, int name, int value) {
  (void)::setsockopt(fd, level, name, &value, sizeof value);
}

void set_buffer(int fd, int forced, int plain, std::size_t bytes) {
  const int value = static_cast<int>(bytes);
  if (::setsockopt(fd, SOL_SOCKET, forced, &value, sizeof value) != 0) {
    set_int(fd, SOL_SOCKET, plain, value);
  }
}

// What sendmsg needs besides the data. Not movable: it points into itself.
struct Destination {
  sockaddr_storage name{};
  socklen_t name_size = 0;
  alignas(
      cmsghdr) char control[CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(std::uint16_t))];
  std::size_t control_size = 0;

  void add(int level, int type, const void* data, std::size_t size) {
    auto* const header = reinterpret_cast<cmsghdr*>(control + control_size);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(header), data, size);
    control_size += CMSG_SPACE(size);
  }

  Destination(const PathAddress& to, std::size_t segment) {
    std::memset(control, 0, sizeof control);
    if (to.remote.ip.is_v6()) {
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_port = htons(to.remote.port);
      std::memcpy(&address.sin6_addr, to.remote.ip.bytes().data(), 16);
      address.sin6_scope_id = to.interface_index;
      std::memcpy(&name, &address, sizeof address);
      name_size = sizeof address;
      if (to.local && to.local->is_v6()) {
        in6_pktinfo info{};
        std::memcpy(&info.ipi6_addr, to.local->bytes().data(), 16);
        info.ipi6_ifindex = to.interface_index;
        add(IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
      }
    } else {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(to.remote.port);
      std::memcpy(&address.sin_addr, to.remote.ip.bytes().data(), 4);
      std::memcpy(&name, &address, sizeof address);
      name_size = sizeof address;
      if (to.local && to.local->is_v4()) {
        // No interface: the route decides, the address only has to be ours.
        in_pktinfo info{};
        std::memcpy(&info.ipi_spec_dst, to.local->bytes().data(), 4);
        add(IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
      }
    }
    if (segment != 0) {
      const auto size = static_cast<std::uint16_t>(segment);
      add(SOL_UDP, UDP_SEGMENT, &size, sizeof size);
    }
  }

  void fill(msghdr& message) {
    message.msg_name = &name;
    message.msg_namelen = name_size;
    message.msg_control = control_size == 0 ? nullptr : control;
    message.msg_controllen = control_size;
  }
};

Result<platform::UniqueFd> open_one(bool v6, std::uint16_t port, const SocketOptions& options) {
  platform::UniqueFd fd(
      ::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Error{Errc::Unavailable, errno, "UDP socket"};
  if (v6) set_int(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  Endpoint any;
  any.port = port;
  if (v6) any.ip = IpAddress::v6({});
  const platform::SocketAddress address = platform::to_sockaddr(any);
  if (::bind(fd.get(), address.get(), address.size) != 0) {
    return Error{errno == EADDRINUSE ? Errc::AlreadyExists : Errc::Io, errno, "bind UDP port"};
  }
  prepare_socket(fd.get(), v6, options);
  return fd;
}

bool is_link_local(const IpAddress& ip) {
  return ip.is_v6() && ip.bytes()[0] == 0xfe && (ip.bytes()[1] & 0xc0) == 0x80;
}

}  // namespace

BufferSizes buffers_for(std::uint64_t ram_bytes) {
  constexpr std::uint64_t kMega = 1 << 20;
  // 256 KB cost 13 % of the throughput on a fast machine, and slow ones never get there.
  if (ram_bytes <= 256 * kMega) return {256 << 10, 256 << 10};
  // Boards of 1 GB report less. What arrives while the thread writes to the tun must fit, or TCP
  // sends it again: with 1 MB it did thousands of times a second, with 4 MB hardly ever. A larger
  // buffer for sending changes nothing.
  if (ram_bytes < 768 * kMega) return {1 << 20, 1 << 20};
  return {4 << 20, 1 << 20};
}

BufferSizes buffers_for_this_machine() {
  struct sysinfo info {};
  return ::sysinfo(&info) != 0 ? BufferSizes{}
                               : buffers_for(std::uint64_t{info.totalram} * info.mem_unit);
}

Status set_mark(int fd, std::uint32_t fwmark) {
  if (::setsockopt(fd, SOL_SOCKET, SO_MARK, &fwmark, sizeof fwmark) != 0) {
    return Error{errno == EPERM ? Errc::Unauthorized : Errc::Io, errno, "mark of the UDP socket"};
  }
  return {};
}

void prepare_socket(int fd, bool v6, const SocketOptions& options) {
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.buffers.receive);
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, options.buffers.send);
  if (options.fwmark != 0) (void)set_mark(fd, options.fwmark);
  if (v6) {
    set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
  } else {
    set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
    set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
  }
  set_int(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
  if (options.receive_offload) set_int(fd, SOL_UDP, UDP_GRO, 1);
}

Result<SocketPair> open_sockets(std::uint16_t port, const SocketOptions& options) {
  // A port the kernel chose for one family may be taken in the other: then another is tried.
  constexpr int kAttempts = 100;
  for (int attempt = 0;; ++attempt) {
    SocketPair pair;
    auto v4 = open_one(false, port, options);
    if (!v4.ok() && v4.error().detail != EAFNOSUPPORT) return v4.error();
    if (v4.ok()) {
      pair.v4 = std::move(*v4);
      pair.port = platform::local_endpoint(pair.v4.get()).port;
    }
    auto v6 = open_one(true, pair.v4.valid() ? pair.port : port, options);
    if (v6.ok()) {
      pair.v6 = std::move(*v6);
      pair.port = platform::local_endpoint(pair.v6.get()).port;
    } else if (v6.error().detail == EADDRINUSE && port == 0 && attempt < kAttempts) {
      continue;
    } else if (!pair.v4.valid() || v6.error().detail == EADDRINUSE) {
      return v6.error();
    }
    return pair;
  }
}

Result<SocketPair> adopt_socket(platform::UniqueFd fd, const SocketOptions& options) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return Error{Errc::Io, errno, "socket to adopt"};
  }
  if (name.ss_family != AF_INET && name.ss_family != AF_INET6) {
    return Error{Errc::Unsupported, name.ss_family, "family of the socket to adopt"};
  }
  const Endpoint local = platform::local_endpoint(fd.get());
  if (local.port == 0) return Error{Errc::InvalidState, 0, "socket to adopt is not bound"};
  if (platform::remote_endpoint(fd.get()).port != 0) {
    // Peers may roam. Disconnecting gives up a port that the kernel had chosen: bound once more.
    sockaddr nobody{};
    nobody.sa_family = AF_UNSPEC;
    (void)::connect(fd.get(), &nobody, sizeof nobody);
    Endpoint left = platform::local_endpoint(fd.get());
    if (left.port == 0) {
      left.port = local.port;
      if (name.ss_family == AF_INET6 && left.ip.is_v4()) left.ip = IpAddress::v6({});
      const platform::SocketAddress again = platform::to_sockaddr(left);
      if (::bind(fd.get(), again.get(), again.size) != 0) {
        return Error{Errc::Io, errno, "socket to adopt lost its port"};
      }
    }
  }
  const bool v6 = name.ss_family == AF_INET6;
  SocketPair pair;
  pair.port = local.port;
  prepare_socket(fd.get(), v6, options);
  (v6 ? pair.v6 : pair.v4) = std::move(fd);
  return pair;
}

int send_datagrams(int fd, const PathAddress& to, ByteSpan data, std::size_t segment) {
  Destination destination(to, segment < data.size() ? segment : 0);
  iovec part{const_cast<std::uint8_t*>(data.data()), data.size()};
  msghdr message{};
  destination.fill(message);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return ::sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}

int send_datagrams_singly(int fd, const PathAddress& to, ByteSpan data, std::size_t segment,
                          std::size_t& sent) {
  sent = 0;
  Destination destination(to, 0);
  if (segment == 0) segment = data.size();
  mmsghdr messages[kMaxDatagrams] = {};
  iovec parts[kMaxDatagrams];
  unsigned count = 0;
  for (std::size_t at = 0; at < data.size() && count < kMaxDatagrams; at += segment, ++count) {
    parts[count].iov_base = const_cast<std::uint8_t*>(data.data()) + at;
    parts[count].iov_len = std::min(segment, data.size() - at);
    destination.fill(messages[count].msg_hdr);
    messages[count].msg_hdr.msg_iov = &parts[count];
    messages[count].msg_hdr.msg_iovlen = 1;
  }
  for (unsigned gone = 0; gone < count;) {
    const int now = ::sendmmsg(fd, messages + gone, count - gone, MSG_NOSIGNAL);
    if (now <= 0) return errno;
    gone += static_cast<unsigned>(now);
    sent = std::min(gone * segment, data.size());
  }
  return 0;
}

void wait_for_memory(unsigned attempt) {
  constexpr long kFirst = 250000;
  const timespec pause{0, kFirst << std::min(attempt, 6u)};
  (void)::nanosleep(&pause, nullptr);
}

std::optional<Received> receive_datagrams(int fd, MutableByteSpan buffer) {
  sockaddr_storage name;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int)) +
                                CMSG_SPACE(sizeof(std::uint32_t))];
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_name = &name;
  message.msg_namelen = sizeof name;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(fd, &message, MSG_DONTWAIT);
  if (size < 0) return std::nullopt;
  Received out;
  out.size = out.segment = static_cast<std::size_t>(size);
  if (name.ss_family == AF_INET6) {
    sockaddr_in6 address;
    std::memcpy(&address, &name, sizeof address);
    ByteArray<16> bytes;
    std::memcpy(bytes.data(), &address.sin6_addr, 16);
    out.from.remote = {IpAddress::v6(bytes), ntohs(address.sin6_port)};
  } else {
    sockaddr_in address;
    std::memcpy(&address, &name, sizeof address);
    out.from.remote = {IpAddress::v4(ntohl(address.sin_addr.s_addr)), ntohs(address.sin_port)};
  }
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level == SOL_UDP && at->cmsg_type == UDP_GRO) {
      int segment = 0;
      std::memcpy(&segment, CMSG_DATA(at), sizeof segment);
      if (segment > 0) out.segment = static_cast<std::size_t>(segment);
    } else if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(at), sizeof info);
      out.from.local = IpAddress::v4(ntohl(info.ipi_spec_dst.s_addr));
    } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(at), sizeof info);
      ByteArray<16> bytes;
      std::memcpy(bytes.data(), &info.ipi6_addr, 16);
      out.from.local = IpAddress::v6(bytes);
      if (is_link_local(out.from.remote.ip)) {
        out.from.interface_index = static_cast<std::uint32_t>(info.ipi6_ifindex);
      }
    } else if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SO_RXQ_OVFL) {
      std::memcpy(&out.dropped, CMSG_DATA(at), sizeof out.dropped);
    }
  }
  return out;
}

}  // namespace myst::wireguard
