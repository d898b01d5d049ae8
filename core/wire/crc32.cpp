#include "core/wire/crc32.hpp"

#include <array>

#include "core/base/endian.hpp"

namespace myst::core {
namespace {

// Four bytes a step: table k is table 0 advanced by k zero bytes.
using Tables = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr Tables make_tables() {
  Tables t{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1u) ? 0xEDB88320u : 0u);
    t[0][i] = value;
  }
  for (std::size_t k = 1; k < t.size(); ++k) {
    for (std::size_t i = 0; i < 256; ++i) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xff];
  }
  return t;
}

constexpr Tables kTables = make_tables();

}  // namespace

std::uint32_t crc32(ByteSpan bytes) {
  std::uint32_t crc = 0xFFFFFFFFu;
  while (bytes.size() >= 4) {
    crc ^= get_u32le(bytes);
    crc = kTables[3][crc & 0xff] ^ kTables[2][(crc >> 8) & 0xff] ^ kTables[1][(crc >> 16) & 0xff] ^
          kTables[0][crc >> 24];
    bytes = bytes.subspan(4);
  }
  for (const std::uint8_t byte : bytes) crc = (crc >> 8) ^ kTables[0][(crc ^ byte) & 0xff];
  return crc ^ 0xFFFFFFFFu;
}

}  // namespace myst::core
