// Integers in bytes, both orders. The caller has checked the size: reading or writing beyond it is
// our own mistake.
#pragma once

#include <cassert>
#include <cstdint>

#include "core/base/span.hpp"

namespace myst {

inline std::uint16_t get_u16le(ByteSpan b) {
  assert(b.size() >= 2);
  return static_cast<std::uint16_t>(b.data()[0] | b.data()[1] << 8);
}
inline std::uint32_t get_u32le(ByteSpan b) {
  assert(b.size() >= 4);
  return std::uint32_t{b.data()[0]} | std::uint32_t{b.data()[1]} << 8 |
         std::uint32_t{b.data()[2]} << 16 | std::uint32_t{b.data()[3]} << 24;
}
inline std::uint16_t get_u16be(ByteSpan b) {
  assert(b.size() >= 2);
  return static_cast<std::uint16_t>(b.data()[0] << 8 | b.data()[1]);
}
inline std::uint32_t get_u32be(ByteSpan b) {
  assert(b.size() >= 4);
  return std::uint32_t{b.data()[0]} << 24 | std::uint32_t{b.data()[1]} << 16 |
         std::uint32_t{b.data()[2]} << 8 | std::uint32_t{b.data()[3]};
}
inline void put_u16le(std::uint8_t* to, std::uint16_t value) {
  to[0] = static_cast<std::uint8_t>(value);
  to[1] = static_cast<std::uint8_t>(value >> 8);
}
inline void put_u32le(std::uint8_t* to, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<std::uint8_t>(value >> (8 * i));
}
inline void put_u16be(std::uint8_t* to, std::uint16_t value) {
  to[0] = static_cast<std::uint8_t>(value >> 8);
  to[1] = static_cast<std::uint8_t>(value);
}
inline void put_u32be(std::uint8_t* to, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

}  // namespace myst
