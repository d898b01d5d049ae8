// Any header in front of any packet: what is split off stays inside and adds up.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/wireguard/super_packet.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst::core::wireguard;
  OffloadHeader header;
  if (size < sizeof header) return 0;
  std::memcpy(&header, data, sizeof header);
  // A copy of exactly the size, so that reading past its end is seen.
  const std::vector<std::uint8_t> packet(data + sizeof header, data + size);
  const auto split = Splitter::parse(header, packet);
  if (!split.ok()) return 0;
  for (std::size_t i = 0; i < split->count(); ++i) {
    if (split->size(i) > packet.size()) __builtin_trap();
    std::vector<std::uint8_t> out(split->size(i));
    split->write(i, out.data());
  }
  return 0;
}
