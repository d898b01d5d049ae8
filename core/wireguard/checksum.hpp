// The Internet checksum (RFC 1071), on its own and fused with a copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/base/span.hpp"

namespace myst::core::wireguard {

// Sums are kept unfolded and in the host's byte order; only finish() gives 16 bits. A sum of bytes
// that follow others is only right when those were an even number.
std::uint64_t checksum_add(std::uint64_t sum, const std::uint8_t* data, std::size_t size);
std::uint64_t checksum_copy(std::uint64_t sum, const std::uint8_t* from, std::uint8_t* to,
                            std::size_t size);
std::uint16_t checksum_fold(std::uint64_t sum);  // not complemented

inline std::uint16_t load_u16(const std::uint8_t* p) {
  std::uint16_t value;
  std::memcpy(&value, p, 2);
  return value;
}
inline void store_u16(std::uint8_t* p, std::uint16_t value) { std::memcpy(p, &value, 2); }
inline std::uint16_t load_be16(const std::uint8_t* p) {
  return static_cast<std::uint16_t>(p[0] << 8 | p[1]);
}
inline void store_be16(std::uint8_t* p, std::size_t value) {
  p[0] = static_cast<std::uint8_t>(value >> 8);
  p[1] = static_cast<std::uint8_t>(value);
}
inline std::uint32_t load_be32(const std::uint8_t* p) {
  return std::uint32_t{load_be16(p)} << 16 | load_be16(p + 2);
}
inline void store_be32(std::uint8_t* p, std::uint32_t value) {
  store_be16(p, value >> 16);
  store_be16(p + 2, value & 0xffff);
}

// Of an IP packet's addresses, protocol and transport length.
std::uint64_t pseudo_header_sum(const std::uint8_t* ip_header, std::uint8_t protocol,
                                std::size_t transport_size);

}  // namespace myst::core::wireguard
