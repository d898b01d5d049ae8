// Super-packets: what the kernel hands to or takes from a tun device as one piece of up to 64 KB
// with a virtio-net header, and the packets of one MTU each that go into WireGuard messages.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/result.hpp"
#include "core/base/span.hpp"

namespace myst::core::wireguard {

// struct virtio_net_hdr, in the host's byte order as tun devices have it by default.
struct OffloadHeader {
  static constexpr std::uint8_t kNeedsChecksum = 1, kDataValid = 2;
  static constexpr std::uint8_t kNone = 0, kTcp4 = 1, kTcp6 = 4, kUdp = 5, kEcnBit = 0x80;
  std::uint8_t flags = 0;
  std::uint8_t type = kNone;
  std::uint16_t header_size = 0;
  std::uint16_t segment_size = 0;
  std::uint16_t checksum_start = 0;
  std::uint16_t checksum_offset = 0;
};
static_assert(sizeof(OffloadHeader) == 10, "the kernel's layout");

// A packet read from a tun device, as the packets to send.
class Splitter {
 public:
  // Malformed: the header does not fit the packet; drop it. `packet` must outlive the splitter.
  static Result<Splitter> parse(const OffloadHeader& header, ByteSpan packet);
  std::size_t count() const { return count_; }
  std::size_t size(std::size_t i) const;
  // Packet i with lengths, sequence number and checksums set. out: size(i) bytes.
  void write(std::size_t i, std::uint8_t* out) const;

 private:
  void write_whole(std::uint8_t* out) const;
  OffloadHeader header_;
  ByteSpan packet_;
  std::size_t count_ = 1;
  std::size_t header_size_ = 0;  // IP and transport
  std::size_t transport_ = 0;    // where it begins
  bool tcp_ = false, v6_ = false;
};

struct PlainPacket {
  std::uint8_t* data = nullptr;
  std::size_t size = 0;
};
struct MergeKinds {
  bool tcp = false, udp = false;
};

// Packets that can be written as one: packet `first` whole (its header now speaks for all), then
// the payloads of those that follow, each from `header_size` on.
struct Run {
  std::size_t count = 1;
  std::size_t header_size = 0;
  OffloadHeader offload;
  // To take the merge back, because the kernel refused it: restore().
  ByteArray<120> saved{};
};
// The longest run from packets[first] on. Nothing is merged that a receiver could tell from the
// packets one by one, but for inner checksums: the caller has authenticated every packet.
Run merge(Span<const PlainPacket> packets, std::size_t first, MergeKinds kinds);
void restore(const PlainPacket& first, const Run& run);

inline constexpr std::size_t kMaxMerged = 64;

}  // namespace myst::core::wireguard
