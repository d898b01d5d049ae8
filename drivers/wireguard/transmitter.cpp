#include "drivers/wireguard/transmitter.hpp"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/wireguard/messages.hpp"
#include "drivers/wireguard/data_plane.hpp"
#include "drivers/wireguard/udp.hpp"

namespace myst::wireguard {

using core::wireguard::KeyUse;
using core::wireguard::kTagSize;
using core::wireguard::kTransportHeaderSize;
using core::wireguard::kTransportOverhead;
using core::wireguard::OffloadHeader;
using core::wireguard::PeerPath;
using core::wireguard::SendKey;
using core::wireguard::Splitter;
using core::wireguard::Table;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
// Room for the one message larger than a UDP payload may be: a 64 KB packet that is no super-packet
// is sealed and then refused by the socket.
constexpr std::size_t kSlotSize = 65535 + 1024;

// The peer of a Table, the port of a PortTable.
template <typename T>
auto route(const T& table, ByteSpan packet) -> decltype(table.route_v4(nullptr)) {
  if (packet.size() >= 20 && packet[0] >> 4 == 4) return table.route_v4(packet.data() + 16);
  if (packet.size() >= 40 && packet[0] >> 4 == 6) return table.route_v6(packet.data() + 24);
  return nullptr;
}

}  // namespace

Transmitter::Transmitter(DataPlane& plane)
    : plane_(plane),
      aead_(BulkAead::Direction::Seal),
      packet_(new std::uint8_t[sizeof(OffloadHeader) + kMaxPacket]),
      slot_(new std::uint8_t[kSlotSize]) {}

bool Transmitter::pump(LinkEnd& link, std::int64_t now) {
  now_ = now;
  mtu_ = link.mtu.load(kRelaxed);
  const PortTable* const ports = link.ports.load(std::memory_order_seq_cst);
  const std::size_t header_size = link.has_header ? sizeof(OffloadHeader) : 0;
  bool alive = true;
  for (unsigned reads = 0; reads < kReadBudget; ++reads) {
    const ssize_t got = ::read(link.tun.get(), packet_.get(), header_size + kMaxPacket);
    if (got < 0) {
      if (errno == EINTR) continue;
      alive = errno != EBADFD && errno != EBADF;
      break;
    }
    const auto size = static_cast<std::size_t>(got);
    if (ports == nullptr || size <= header_size) continue;
    OffloadHeader offload;
    if (link.has_header) std::memcpy(&offload, packet_.get(), sizeof offload);
    const ByteSpan packet(packet_.get() + header_size, size - header_size);
    Port* const port = route(*ports, packet);
    const Table* const table =
        port == nullptr ? nullptr : port->table.load(std::memory_order_seq_cst);
    if (table == nullptr) continue;
    PeerPath* const path = route(*table, packet);
    const auto split = Splitter::parse(offload, packet);
    if (path == nullptr || !split.ok()) {
      port->counters.unrouted.fetch_add(1, kRelaxed);
      continue;
    }
    append(*port, *split, *path);
  }
  flush();
  return alive;
}

void Transmitter::append(Port& port, const Splitter& packet, PeerPath& path) {
  SendKey* const key = path.key_to_send();
  if (key == nullptr || send_key_use(*key, now_) == KeyUse::Dead) {
    flush();
    hand_over(port, packet, path);
    return;
  }
  const std::size_t count = packet.count();
  // One atomic step a super-packet; the loop takes numbers from the same counter for keepalives.
  std::uint64_t counter = key->next_counter.fetch_add(count, kRelaxed);
  for (std::size_t i = 0; i < count; ++i, ++counter) {
    const std::size_t size = packet.size(i);
    const std::size_t padded = core::wireguard::padded_size(size, mtu_);
    const std::size_t message = padded + kTransportOverhead;
    if (batch_.count != 0 &&
        (batch_.path != &path || batch_.key != key || batch_.closed || message > batch_.stride ||
         batch_.count == kMaxBatch || batch_.used + message > kMaxBatchBytes)) {
      flush();
    }
    if (message > kSlotSize) {
      port.counters.send_errors.fetch_add(1, kRelaxed);
      continue;
    }
    if (batch_.count == 0) {
      batch_ = Batch{&port, &path, key, message, 0, 0, false};
      if (!aead_.set_key(key->key)) return;
    }
    std::uint8_t* const at = slot_.get() + batch_.used;
    core::wireguard::write_transport_header(at, key->remote_index, counter);
    packet.write(i, at + kTransportHeaderSize);
    if (padded != size) std::memset(at + kTransportHeaderSize + size, 0, padded - size);
    if (!aead_.seal(counter, {at + kTransportHeaderSize, padded + kTagSize})) return;
    batch_.used += message;
    ++batch_.count;
    if (message < batch_.stride) batch_.closed = true;
  }
}

// No key to send with: the loop stages the packets and begins a handshake.
void Transmitter::hand_over(Port& port, const Splitter& packet, PeerPath& path) {
  for (std::size_t i = 0; i < packet.count(); ++i) {
    const std::size_t size = packet.size(i);
    if (size > kSlotSize) continue;
    packet.write(i, slot_.get());
    if (!plane_.push_unsent(port, path, {slot_.get(), size})) {
      port.counters.ring_full.fetch_add(1, kRelaxed);
      return;
    }
  }
}

int Transmitter::send(Port& port, int fd, PeerPath& path, PathAddress& to, std::size_t& done) {
  const ByteSpan data(slot_.get(), batch_.used);
  bool forgot_source = false;
  for (unsigned attempt = 0; attempt < kSendAttempts; ++attempt) {
    const UdpOffload offload = port.send_offload.load(kRelaxed);
    const bool segment = batch_.count > 1 && offload == UdpOffload::Segment &&
                         batch_.stride <= port.segment_limit.load(kRelaxed);
    const std::size_t before = done;
    int error = 0;
    if (batch_.count == 1 || segment) {
      error = send_datagrams(fd, to, data, batch_.stride);
      if (error == 0) done = data.size();
    } else if (offload != UdpOffload::None) {
      std::size_t sent = 0;
      error = send_datagrams_singly(fd, to, data.subspan(done), batch_.stride, sent);
      done += sent;
    } else {
      while (done < data.size() && error == 0) {
        const std::size_t size = std::min(batch_.stride, data.size() - done);
        error = send_datagrams(fd, to, data.subspan(done, size), 0);
        if (error == 0) done += size;
      }
    }
    if (done != before) attempt = 0;
    switch (error) {
      case 0:
        return 0;
      case EAGAIN: {
        // The kernel's queue is full. Not reading the tun meanwhile makes its qdisc drop, which is
        // what slows the senders down.
        pollfd wait{fd, POLLOUT, 0};
        (void)::poll(&wait, 1, 100);
        continue;
      }
      case ENOBUFS:
      case ENOMEM:
        wait_for_memory(attempt);
        continue;
      case EINTR:
        continue;
      case EINVAL:
      case EMSGSIZE:  // what newer kernels say to segments above the path's MTU
      case EADDRNOTAVAIL:
      case ENODEV:
      case ENETUNREACH:
        if (!forgot_source && to.local) {
          // The address the peer spoke to may have left this machine.
          path.address.forget_source();
          const auto address = path.address.load();
          if (!address) return error;
          to = *address;
          forgot_source = true;
          continue;
        }
        if ((error != EINVAL && error != EMSGSIZE) || !segment) return error;
        // Smaller segments may still fit the path's MTU.
        port.segment_limit.store(static_cast<std::uint32_t>(batch_.stride - 1), kRelaxed);
        plane_.note_offload(port);
        continue;
      case EIO:
      case EOPNOTSUPP:
        // A link without transmit checksums refuses UDP_SEGMENT (before Linux 6.11).
        if (!segment) return error;
        port.send_offload.store(UdpOffload::Many, kRelaxed);
        plane_.note_offload(port);
        continue;
      case ENOSYS:
        if (offload != UdpOffload::Many) return error;
        port.send_offload.store(UdpOffload::None, kRelaxed);
        plane_.note_offload(port);
        continue;
      default:
        return error;
    }
  }
  return EAGAIN;
}

void Transmitter::flush() {
  if (batch_.count == 0) return;
  Port& port = *batch_.port;
  PeerPath& path = *batch_.path;
  SendKey& key = *batch_.key;
  auto to = path.address.load();
  const Sockets* const sockets = port.sockets.load(std::memory_order_seq_cst);
  const int fd = to && sockets != nullptr ? sockets->of(to->remote.ip.is_v6()) : -1;
  std::size_t done = 0;
  const int error = fd < 0 ? EDESTADDRREQ : send(port, fd, path, *to, done);
  if (done != 0) {
    path.tx_bytes.fetch_add(done, kRelaxed);
    std::uint32_t wants = note_sent(path, now_, true);
    if (send_key_use(key, now_) == KeyUse::Aging &&
        now_ - key.asked >= core::wireguard::kRekeyTimeout.count()) {
      key.asked = now_;
      wants |= core::wireguard::kWantHandshake;
    }
    if (wants != 0) plane_.want(path, wants);
  }
  if (error != 0) {
    port.counters.send_errors.fetch_add(batch_.count - done / batch_.stride, kRelaxed);
  }
  batch_ = Batch{};
}

}  // namespace myst::wireguard
