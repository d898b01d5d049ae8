#include "core/wireguard/super_packet.hpp"

#include <algorithm>
#include <cstring>

#include "core/wireguard/checksum.hpp"

namespace myst::core::wireguard {
namespace {

constexpr std::uint8_t kProtocolTcp = 6, kProtocolUdp = 17;
constexpr std::size_t kV4Header = 20, kV6Header = 40, kUdpHeader = 8, kTcpMinimum = 20;
constexpr std::uint8_t kFin = 0x01, kPsh = 0x08, kAck = 0x10, kCwr = 0x80;
constexpr std::size_t kMaxIpPacket = 65535;

void set_ip_length(std::uint8_t* packet, std::size_t size, bool v6) {
  if (v6) {
    store_be16(packet + 4, size - kV6Header);
    return;
  }
  store_be16(packet + 2, size);
  const std::size_t ip_header = std::size_t{packet[0]} % 16 * 4;
  store_u16(packet + 10, 0);
  store_u16(packet + 10,
            static_cast<std::uint16_t>(~checksum_fold(checksum_add(0, packet, ip_header))));
}

}  // namespace

Result<Splitter> Splitter::parse(const OffloadHeader& header, ByteSpan packet) {
  Splitter out;
  out.header_ = header;
  out.packet_ = packet;
  const auto malformed = [](const char* what) { return Error{Errc::Malformed, 0, what}; };
  if (packet.size() < kV4Header) return malformed("packet below an IP header");
  out.v6_ = packet[0] >> 4 == 6;
  if (!out.v6_ && packet[0] >> 4 != 4) return malformed("no IP packet");
  if (out.v6_ && packet.size() < kV6Header) return malformed("packet below an IPv6 header");
  const auto type = static_cast<std::uint8_t>(header.type & ~OffloadHeader::kEcnBit);
  if (type == OffloadHeader::kNone) {
    if ((header.flags & OffloadHeader::kNeedsChecksum) != 0 &&
        std::size_t{header.checksum_start} + header.checksum_offset + 2 > packet.size()) {
      return malformed("checksum outside of the packet");
    }
    return out;
  }
  out.tcp_ = type == OffloadHeader::kTcp4 || type == OffloadHeader::kTcp6;
  if (!out.tcp_ && type != OffloadHeader::kUdp) return malformed("kind of super-packet");
  if (out.tcp_ && out.v6_ != (type == OffloadHeader::kTcp6)) return malformed("IP version");
  const std::size_t ip_header = out.v6_ ? kV6Header : std::size_t{packet[0]} % 16 * 4;
  out.transport_ = header.checksum_start;
  if (ip_header < kV4Header || out.transport_ < ip_header || header.segment_size == 0) {
    return malformed("super-packet header");
  }
  const std::size_t least = out.tcp_ ? kTcpMinimum : kUdpHeader;
  if (out.transport_ + least > packet.size()) return malformed("super-packet too short");
  const std::size_t transport_header =
      out.tcp_ ? std::size_t{packet[out.transport_ + 12]} / 16 * 4 : kUdpHeader;
  out.header_size_ = out.transport_ + transport_header;
  if (transport_header < least || out.header_size_ >= packet.size()) {
    return malformed("super-packet transport header");
  }
  const std::size_t payload = packet.size() - out.header_size_;
  out.count_ = (payload + header.segment_size - 1) / header.segment_size;
  return out;
}

std::size_t Splitter::size(std::size_t i) const {
  if (header_size_ == 0) return packet_.size();
  const std::size_t step = header_.segment_size;
  const std::size_t left = packet_.size() - header_size_ - i * step;
  return header_size_ + std::min(left, step);
}

void Splitter::write_whole(std::uint8_t* out) const {
  const std::uint8_t* const data = packet_.data();
  if ((header_.flags & OffloadHeader::kNeedsChecksum) == 0) {
    std::memcpy(out, data, packet_.size());
    return;
  }
  // The field holds the sum of the pseudo header, so that summing all of it is right.
  const std::size_t start = header_.checksum_start, at = start + header_.checksum_offset;
  std::memcpy(out, data, start);
  std::uint16_t sum =
      checksum_fold(checksum_copy(0, data + start, out + start, packet_.size() - start));
  sum = static_cast<std::uint16_t>(~sum);
  // Zero would say "no checksum" in UDP; all ones is the same number.
  store_u16(out + at, sum == 0 ? std::uint16_t{0xffff} : sum);
}

void Splitter::write(std::size_t i, std::uint8_t* out) const {
  if (header_size_ == 0) return write_whole(out);
  const std::size_t whole = size(i);
  const std::size_t offset = i * header_.segment_size;
  std::memcpy(out, packet_.data(), header_size_);
  if (!v6_) {
    store_be16(out + 4, load_be16(out + 4) + i);  // identification counts on
  }
  set_ip_length(out, whole, v6_);
  std::uint8_t* const transport = out + transport_;
  const std::size_t transport_size = whole - transport_;
  std::size_t checksum_at = 6;
  if (tcp_) {
    checksum_at = 16;
    store_be32(transport + 4, load_be32(transport + 4) + static_cast<std::uint32_t>(offset));
    if (i + 1 != count_) transport[13] &= static_cast<std::uint8_t>(~(kFin | kPsh));
    if (i != 0) transport[13] &= static_cast<std::uint8_t>(~kCwr);
  } else {
    store_be16(transport + 4, transport_size);
  }
  store_u16(transport + checksum_at, 0);
  std::uint64_t sum = pseudo_header_sum(out, tcp_ ? kProtocolTcp : kProtocolUdp, transport_size);
  sum = checksum_add(sum, transport, header_size_ - transport_);
  // Transport headers are of even size, so the payload's sum goes on where the header's ended.
  sum = checksum_copy(sum, packet_.data() + header_size_ + offset, out + header_size_,
                      whole - header_size_);
  const auto check = static_cast<std::uint16_t>(~checksum_fold(sum));
  store_u16(transport + checksum_at, check == 0 && !tcp_ ? std::uint16_t{0xffff} : check);
}

// --- merging

namespace {

struct Flow {
  bool v6 = false, tcp = false;
  std::size_t transport = 0, header = 0, payload = 0;
};

// nullopt-like: header 0 when the packet can be neither head nor member of a run.
Flow look(const PlainPacket& packet, MergeKinds kinds) {
  Flow flow;
  const std::uint8_t* const p = packet.data;
  if (packet.size < kV4Header + kUdpHeader) return flow;
  std::uint8_t protocol = 0;
  if (p[0] == 0x45) {
    if (load_be16(p + 2) != packet.size) return flow;
    if ((load_be16(p + 6) & 0x3fff) != 0) return flow;  // a fragment
    protocol = p[9];
    flow.transport = kV4Header;
  } else if (p[0] >> 4 == 6 && packet.size >= kV6Header + kUdpHeader) {
    if (load_be16(p + 4) + kV6Header != packet.size) return flow;
    protocol = p[6];
    flow.v6 = true;
    flow.transport = kV6Header;
  } else {
    return flow;
  }
  const std::uint8_t* const t = p + flow.transport;
  std::size_t header = 0;
  if (protocol == kProtocolTcp && kinds.tcp && packet.size >= flow.transport + kTcpMinimum) {
    flow.tcp = true;
    // Only plain data: ACK, and PSH, which ends a run.
    if ((t[13] & ~kPsh) != kAck || (t[12] & 0x0f) != 0) return flow;
    const std::size_t size = std::size_t{t[12]} / 16 * 4;
    if (size < kTcpMinimum) return flow;
    header = flow.transport + size;
  } else if (protocol == kProtocolUdp && kinds.udp) {
    if (load_be16(t + 4) + flow.transport != packet.size || load_u16(t + 6) == 0) return flow;
    header = flow.transport + kUdpHeader;
  } else {
    return flow;
  }
  if (header >= packet.size) return flow;
  flow.header = header;
  flow.payload = packet.size - header;
  return flow;
}

bool same_ip(const std::uint8_t* a, const std::uint8_t* b, bool v6, std::size_t distance) {
  if (v6) {
    // Version, class and label; then next header, hop limit and addresses.
    return std::memcmp(a, b, 4) == 0 && std::memcmp(a + 6, b + 6, 34) == 0;
  }
  if (a[1] != b[1] || std::memcmp(a + 6, b + 6, 4) != 0 || std::memcmp(a + 12, b + 12, 8) != 0) {
    return false;
  }
  // The kernel will number the packets on from the first when it splits them again; a fixed number
  // is as good where fragments are forbidden.
  const auto step = static_cast<std::uint16_t>(load_be16(b + 4) - load_be16(a + 4));
  return step == distance || (step == 0 && (a[6] & 0x40) != 0);
}

}  // namespace

Run merge(Span<const PlainPacket> packets, std::size_t first, MergeKinds kinds) {
  Run run;
  run.offload.flags = OffloadHeader::kDataValid;
  const PlainPacket& head = packets[first];
  if (first + 1 >= packets.size()) return run;
  const Flow flow = look(head, kinds);
  if (flow.header == 0) return run;
  std::uint8_t* const p = head.data;
  std::uint8_t* const t = p + flow.transport;
  if (flow.tcp && (t[13] & kPsh) != 0) return run;
  std::size_t size = head.size;
  bool push = false;
  for (std::size_t i = first + 1; i < packets.size() && run.count < kMaxMerged; ++i) {
    const PlainPacket& next = packets[i];
    const Flow other = look(next, kinds);
    if (other.header != flow.header || other.v6 != flow.v6 || other.tcp != flow.tcp) break;
    if (other.payload > flow.payload || size + other.payload > kMaxIpPacket) break;
    if (!same_ip(p, next.data, flow.v6, run.count)) break;
    const std::uint8_t* const u = next.data + flow.transport;
    if (std::memcmp(t, u, 4) != 0) break;  // ports
    if (flow.tcp) {
      const auto sequence = static_cast<std::uint32_t>(load_be32(t + 4) + size - flow.header);
      if (load_be32(u + 4) != sequence) break;
      // Acknowledged number and data offset; window; options. Not the checksum.
      if (std::memcmp(t + 8, u + 8, 5) != 0 || std::memcmp(t + 14, u + 14, 2) != 0) break;
      if (std::memcmp(t + 18, u + 18, flow.header - flow.transport - 18) != 0) break;
      push = (u[13] & kPsh) != 0;
    }
    size += other.payload;
    ++run.count;
    if (push || other.payload < flow.payload) break;
  }
  if (run.count == 1) return run;
  run.header_size = flow.header;
  std::memcpy(run.saved.data(), p, flow.header);
  set_ip_length(p, size, flow.v6);
  const std::size_t transport_size = size - flow.transport;
  if (flow.tcp) {
    if (push) t[13] |= kPsh;
  } else {
    store_be16(t + 4, transport_size);
  }
  run.offload.flags = OffloadHeader::kNeedsChecksum;
  run.offload.type =
      flow.tcp ? (flow.v6 ? OffloadHeader::kTcp6 : OffloadHeader::kTcp4) : OffloadHeader::kUdp;
  run.offload.header_size = static_cast<std::uint16_t>(flow.header);
  run.offload.segment_size = static_cast<std::uint16_t>(flow.payload);
  run.offload.checksum_start = static_cast<std::uint16_t>(flow.transport);
  run.offload.checksum_offset = flow.tcp ? 16 : 6;
  store_u16(
      t + run.offload.checksum_offset,
      checksum_fold(pseudo_header_sum(p, flow.tcp ? kProtocolTcp : kProtocolUdp, transport_size)));
  return run;
}

void restore(const PlainPacket& first, const Run& run) {
  std::memcpy(first.data, run.saved.data(), run.header_size);
}

}  // namespace myst::core::wireguard
