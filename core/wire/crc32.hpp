// CRC-32 of IEEE 802.3 (reflected 0xEDB88320, initial and final XOR 0xFFFFFFFF).
#pragma once

#include <cstdint>

#include "core/base/span.hpp"

namespace myst::core {

std::uint32_t crc32(ByteSpan bytes);

}  // namespace myst::core
