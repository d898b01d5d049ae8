// The outer UDP sockets of a device, and one call each to send and receive super-packets.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/wireguard/shared_state.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::wireguard {

using core::wireguard::PathAddress;

// The kernel's memory a socket may hold, each way.
struct BufferSizes {
  std::size_t receive = 1 << 20, send = 1 << 20;
};
// For a machine with so much memory.
BufferSizes buffers_for(std::uint64_t ram_bytes);
BufferSizes buffers_for_this_machine();

struct SocketOptions {
  std::uint32_t fwmark = 0;
  BufferSizes buffers;
  bool receive_offload = true;  // ask for UDP_GRO
};

// Sets up an open socket of either family: buffers, mark, packet info, receive offload, datagrams
// may be fragmented (as the kernel module sends them).
void prepare_socket(int fd, bool v6, const SocketOptions& options);
Status set_mark(int fd, std::uint32_t fwmark);

struct SocketPair {
  platform::UniqueFd v4, v6;  // either may be missing, not both
  std::uint16_t port = 0;
};
// Both families on one port; port 0: one that is free for both.
Result<SocketPair> open_sockets(std::uint16_t port, const SocketOptions& options);
// Takes over a bound socket (its remote end, if it has one, is forgotten).
Result<SocketPair> adopt_socket(platform::UniqueFd fd, const SocketOptions& options);

// One sendmsg: `data` as datagrams of `segment` bytes, the last may be shorter; segment 0 or not
// below the size: one datagram. 0 or errno.
int send_datagrams(int fd, const PathAddress& to, ByteSpan data, std::size_t segment);
// The same as one sendmmsg, for sockets without UDP_SEGMENT. At most 64 datagrams; `sent`: bytes of
// those that left, also after an error.
int send_datagrams_singly(int fd, const PathAddress& to, ByteSpan data, std::size_t segment,
                          std::size_t& sent);
// After ENOBUFS and the like, which no poll tells the end of: 0.25 ms, twice as long each further
// time, 16 ms at most.
void wait_for_memory(unsigned attempt);

struct Received {
  std::size_t size = 0;
  std::size_t segment = 0;  // of the datagrams; size when it is one
  PathAddress from;
  std::uint32_t dropped = 0;  // by the kernel since the socket was opened, as of this datagram
};
// nullopt: nothing there (or an error left over by an earlier send, which recvmsg reports once).
std::optional<Received> receive_datagrams(int fd, MutableByteSpan buffer);

}  // namespace myst::wireguard
