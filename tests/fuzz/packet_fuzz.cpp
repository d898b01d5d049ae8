// Datagrams nobody sealed, and sealed ones with a flipped bit.
#include <array>

#include "core/p2p/packet.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace myst;
using namespace myst::core;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Secret<32> key(ByteArray<32>{1});
  std::array<std::uint8_t, kMaxReceivedDatagram> buffer;
  (void)open_packet(key, {data, size}, buffer);
  std::array<std::uint8_t, 64> small;
  (void)open_packet(key, {data, size}, small);
  fuzz::FuzzRng rng;
  Bytes packet(kPacketHeader);
  packet.insert(packet.end(), data, data + std::min<std::size_t>(size, 1400));
  seal_packet(key, rng, packet);
  const auto opened = open_packet(key, packet, buffer);
  fuzz::require(opened.ok() && std::equal(opened->begin(), opened->end(), data));
  if (size == 0) return 0;
  const std::size_t at = 16 + (data[0] + size) % (packet.size() - 16);
  packet[at] ^= 0x40;
  fuzz::require(!open_packet(key, packet, buffer).ok());
  return 0;
}
