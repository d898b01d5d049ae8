// Random UUIDs (RFC 4122 version 4) as lower-case text: ids of services and sessions.
#pragma once

#include <string>

#include "core/base/rng.hpp"
#include "core/base/text.hpp"

namespace myst::core {

inline std::string make_uuid(Rng& rng) {
  auto raw = rng.bytes<16>();
  raw[6] = static_cast<std::uint8_t>((raw[6] & 0x0f) | 0x40);
  raw[8] = static_cast<std::uint8_t>((raw[8] & 0x3f) | 0x80);
  std::string text = to_hex(raw);
  for (const std::size_t at : {8u, 13u, 18u, 23u}) text.insert(at, 1, '-');
  return text;
}

}  // namespace myst::core
