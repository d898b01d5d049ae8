#include "drivers/wireguard/receiver.hpp"

#include <errno.h>
#include <sys/uio.h>

#include <algorithm>

#include "core/wireguard/checksum.hpp"
#include "core/wireguard/cookie.hpp"
#include "core/wireguard/messages.hpp"
#include "drivers/wireguard/data_plane.hpp"

namespace myst::wireguard {

using core::wireguard::kTransportHeaderSize;
using core::wireguard::kTransportOverhead;
using core::wireguard::load_be16;
using core::wireguard::MessageType;
using core::wireguard::OffloadHeader;
using core::wireguard::PeerPath;
using core::wireguard::PlainPacket;
using core::wireguard::ReceiveKey;
using core::wireguard::Run;
using core::wireguard::Table;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// Whose packet it says it is, by its source.
struct Owner {
  PeerPath* peer = nullptr;
  Port* port = nullptr;
};

// Cuts the padding off. False: no IP packet.
bool look_inside(const Table& table, const PortTable& ports, const std::uint8_t* packet,
                 std::size_t& size, Owner& owner) {
  if (size >= 20 && packet[0] >> 4 == 4) {
    const std::size_t length = load_be16(packet + 2);
    if (length < 20 || length > size) return false;
    size = length;
    owner = {table.route_v4(packet + 12), ports.route_v4(packet + 12)};
    return true;
  }
  if (size >= 40 && packet[0] >> 4 == 6) {
    const std::size_t length = std::size_t{load_be16(packet + 4)} + 40;
    if (length > size) return false;
    size = length;
    owner = {table.route_v6(packet + 8), ports.route_v6(packet + 8)};
    return true;
  }
  return false;
}

}  // namespace

Receiver::Receiver(DataPlane& plane)
    : plane_(plane),
      aead_(BulkAead::Direction::Open),
      buffer_(new std::uint8_t[kBufferSize]),
      packets_(new PlainPacket[kMaxPackets]) {}

void Receiver::pump(Port& port, bool v6, std::int64_t now) {
  now_ = now;
  const Sockets* const sockets = port.sockets.load(std::memory_order_seq_cst);
  const int fd = sockets == nullptr ? -1 : sockets->of(v6);
  if (fd < 0) return;
  for (unsigned i = 0; i < kReceiveBudget; ++i) {
    const auto received = receive_datagrams(fd, {buffer_.get(), kBufferSize});
    if (!received) return;
    if (received->dropped != 0) port.counters.socket_drops.store(received->dropped, kRelaxed);
    const Table* const table = port.table.load(std::memory_order_seq_cst);
    if (table != nullptr) take(port, *table, *received);
  }
}

void Receiver::take(Port& port, const Table& table, const Received& received) {
  key_ = nullptr;
  from_ = &received.from;
  for (std::size_t at = 0; at < received.size;) {
    const std::size_t size = std::min(received.segment, received.size - at);
    const MutableByteSpan message(buffer_.get() + at, size);
    at += size;
    const auto type = core::wireguard::message_type({message.data(), size});
    if (type == MessageType::Transport) {
      open_message(port, table, message);
      if (count_ == kMaxPackets) write_tun(port);
      continue;
    }
    const ByteSpan handshake(message.data(), size);
    if (!type ||
        (*type != MessageType::Cookie && !core::wireguard::mac1_valid(table.mac1, handshake))) {
      port.counters.bad_handshake.fetch_add(1, kRelaxed);
    } else if (!plane_.push_handshake(port, table, received.from, handshake)) {
      port.counters.ring_full.fetch_add(1, kRelaxed);
    }
  }
  settle(received.from);
  write_tun(port);
}

void Receiver::open_message(Port& port, const Table& table, MutableByteSpan message) {
  const std::uint32_t index = core::wireguard::load_le32(message.data() + 4);
  if (key_ == nullptr || key_->local_index != index) {
    ReceiveKey* const key = table.find_key(index);
    if (key == nullptr || !aead_.set_key(key->key)) {
      port.counters.unknown_key.fetch_add(1, kRelaxed);
      return;
    }
    key_ = key;
  }
  ReceiveKey& key = *key_;
  const std::int64_t age = now_ - key.born;
  const std::uint64_t counter = core::wireguard::load_le64(message.data() + 8);
  if (age >= core::wireguard::kRejectAfterTime.count() ||
      counter >= core::wireguard::kRejectAfterMessages) {
    port.counters.unknown_key.fetch_add(1, kRelaxed);
    return;
  }
  if (!aead_.open(counter, message.subspan(kTransportHeaderSize))) {
    port.counters.forged.fetch_add(1, kRelaxed);
    return;
  }
  if (!key.window.accept(counter)) {
    port.counters.replayed.fetch_add(1, kRelaxed);
    return;
  }
  PeerPath& path = *key.path;
  if (account_.path != &path) {
    if (account_.path != nullptr) settle(*from_);
    account_.path = &path;
  }
  if (!key.confirmed.load(kRelaxed)) {
    key.confirmed.store(true, std::memory_order_release);
    account_.wants |= core::wireguard::kConfirmed;
  }
  if (key.initiator && !key.asked_last_minute && age >= core::wireguard::kLastMinuteAge.count()) {
    key.asked_last_minute = true;
    account_.wants |= core::wireguard::kWantHandshake;
  }
  std::size_t size = message.size() - kTransportOverhead;
  if (size == 0) {
    account_.bytes += message.size();
    return;
  }
  account_.data = true;
  std::uint8_t* const packet = message.data() + kTransportHeaderSize;
  const PortTable* const ports = port.link->ports.load(std::memory_order_seq_cst);
  Owner owner;
  if (ports == nullptr || !look_inside(table, *ports, packet, size, owner) || owner.peer != &path) {
    port.counters.not_allowed.fetch_add(1, kRelaxed);
    return;
  }
  account_.bytes += message.size();
  if (owner.port != &port) {
    // Counted, as the peer's keys allow it; but the neighbours on the link are not to be spoken
    // for.
    port.counters.not_at_home.fetch_add(1, kRelaxed);
    return;
  }
  packets_[count_++] = PlainPacket{packet, size};
}

// The peer has been heard: its address, counters and timers learn of it.
void Receiver::settle(const PathAddress& from) {
  if (account_.path == nullptr) return;
  PeerPath& path = *account_.path;
  if (path.seen_version != path.address.version() || path.seen != from) {
    std::uint32_t version = 0;
    const auto known = path.address.load(&version);
    if (!known || *known != from) {
      path.address.store(from);
      version = path.address.version();
    }
    path.seen = from;
    path.seen_version = version;
  }
  path.rx_bytes.fetch_add(account_.bytes, kRelaxed);
  const std::uint32_t wants = account_.wants | note_received(path, now_, account_.data);
  if (wants != 0) plane_.want(path, wants);
  account_ = Account{};
}

bool Receiver::write_run(Port& port, std::size_t first, Run& run) {
  iovec parts[core::wireguard::kMaxMerged + 1];
  int used = 0;
  if (port.link->has_header) parts[used++] = {&run.offload, sizeof run.offload};
  parts[used++] = {packets_[first].data, packets_[first].size};
  for (std::size_t i = 1; i < run.count; ++i) {
    const PlainPacket& packet = packets_[first + i];
    parts[used++] = {packet.data + run.header_size, packet.size - run.header_size};
  }
  constexpr unsigned kAttempts = 4;  // the socket's buffer holds what comes meanwhile
  for (unsigned attempt = 0;; ++attempt) {
    if (::writev(port.link->tun.get(), parts, used) >= 0) return true;
    if (errno == EINTR) continue;
    if ((errno == ENOBUFS || errno == ENOMEM || errno == EAGAIN) && attempt < kAttempts) {
      wait_for_memory(attempt);
      continue;
    }
    if (errno == EINVAL && run.count > 1) return false;
    port.counters.tun_errors.fetch_add(run.count, kRelaxed);
    return true;
  }
}

void Receiver::write_tun(Port& port) {
  LinkEnd& link = *port.link;
  const Span<const PlainPacket> packets(packets_.get(), count_);
  for (std::size_t first = 0; first < count_;) {
    const core::wireguard::MergeKinds kinds{link.merge_tcp.load(kRelaxed),
                                            link.merge_udp.load(kRelaxed)};
    Run run = merge(packets, first, kinds);
    if (!write_run(port, first, run)) {
      // The kernel refuses this kind of super-packet: these go one by one, and so do all later
      // ones.
      const bool udp = run.offload.type == OffloadHeader::kUdp;
      (udp ? link.merge_udp : link.merge_tcp).store(false, kRelaxed);
      plane_.note_offload(port);
      restore(packets[first], run);
      continue;
    }
    first += run.count;
  }
  count_ = 0;
}

}  // namespace myst::wireguard
