#include "core/wireguard/checksum.hpp"

namespace myst::core::wireguard {
namespace {

// Four 32-bit lanes: SSE2 and NEON where there is one, plain code elsewhere. A lane takes at most
// 2 * 65535 a step, so it cannot overflow within the 4096 steps of a 64 KB packet.
typedef std::uint32_t Lanes __attribute__((vector_size(16)));

template <bool kCopy>
std::uint64_t run(std::uint64_t sum, const std::uint8_t* from, std::uint8_t* to, std::size_t size) {
  constexpr std::size_t kChunk = 32768;
  while (size >= 16) {
    std::size_t now = size < kChunk ? size / 16 * 16 : kChunk;
    size -= now;
    Lanes low = {0, 0, 0, 0}, high = {0, 0, 0, 0};
    const Lanes mask = {0xffff, 0xffff, 0xffff, 0xffff};
    for (; now >= 32; now -= 32) {
      Lanes a, b;
      std::memcpy(&a, from, 16);
      std::memcpy(&b, from + 16, 16);
      if (kCopy) {
        std::memcpy(to, &a, 16);
        std::memcpy(to + 16, &b, 16);
        to += 32;
      }
      from += 32;
      low += (a & mask) + (b & mask);
      high += (a >> 16) + (b >> 16);
    }
    if (now != 0) {
      Lanes a;
      std::memcpy(&a, from, 16);
      if (kCopy) {
        std::memcpy(to, &a, 16);
        to += 16;
      }
      from += 16;
      low += a & mask;
      high += a >> 16;
    }
    for (int i = 0; i < 4; ++i) sum += std::uint64_t{low[i]} + high[i];
  }
  if (kCopy && size != 0) std::memcpy(to, from, size);
  for (; size >= 2; size -= 2, from += 2) sum += load_u16(from);
  if (size != 0) {
    const std::uint8_t last[2] = {*from, 0};
    sum += load_u16(last);
  }
  return sum;
}

}  // namespace

std::uint64_t checksum_add(std::uint64_t sum, const std::uint8_t* data, std::size_t size) {
  return run<false>(sum, data, nullptr, size);
}

std::uint64_t checksum_copy(std::uint64_t sum, const std::uint8_t* from, std::uint8_t* to,
                            std::size_t size) {
  return run<true>(sum, from, to, size);
}

std::uint16_t checksum_fold(std::uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

std::uint64_t pseudo_header_sum(const std::uint8_t* ip_header, std::uint8_t protocol,
                                std::size_t transport_size) {
  const bool v6 = ip_header[0] >> 4 == 6;
  std::uint64_t sum = v6 ? checksum_add(0, ip_header + 8, 32) : checksum_add(0, ip_header + 12, 8);
  std::uint8_t tail[6] = {0, protocol};
  store_be16(tail + 2, transport_size >> 16);
  store_be16(tail + 4, transport_size & 0xffff);
  for (int i = 0; i < 6; i += 2) sum += load_u16(tail + i);
  return sum;
}

}  // namespace myst::core::wireguard
