// Any packets: what is merged, split again, gives the same packets (but for inner checksums, which
// merging does not look at), and taking a merge back restores every byte.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/wireguard/super_packet.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst::core::wireguard;
  // Packets: a length byte pair and the bytes; a first byte of 1 repeats the packet before, with
  // the next two bytes changed, so that runs come up at all.
  std::vector<std::vector<std::uint8_t>> packets;
  while (size >= 3 && packets.size() < 70) {
    if (data[0] == 1 && !packets.empty()) {
      std::vector<std::uint8_t> again = packets.back();
      again[data[1] % again.size()] = data[2];
      packets.push_back(std::move(again));
      data += 3;
      size -= 3;
      continue;
    }
    std::size_t length = static_cast<std::size_t>(data[1]) + 1;
    data += 2;
    size -= 2;
    if (length > size) length = size;
    packets.emplace_back(data, data + length);
    data += length;
    size -= length;
  }
  const auto originals = packets;
  std::vector<PlainPacket> plain;
  for (auto& packet : packets) plain.push_back({packet.data(), packet.size()});
  for (std::size_t first = 0; first < plain.size();) {
    const Run run = merge(plain, first, {true, true});
    if (run.count == 0 || first + run.count > plain.size()) __builtin_trap();
    if (run.count > 1) {
      std::vector<std::uint8_t> merged = packets[first];
      for (std::size_t i = 1; i < run.count; ++i) {
        const auto& next = packets[first + i];
        merged.insert(merged.end(), next.begin() + static_cast<std::ptrdiff_t>(run.header_size),
                      next.end());
      }
      const auto split = Splitter::parse(run.offload, merged);
      if (!split.ok() || split->count() != run.count) __builtin_trap();
      for (std::size_t i = 0; i < run.count; ++i) {
        const auto& expected = originals[first + i];
        std::vector<std::uint8_t> out(split->size(i));
        split->write(i, out.data());
        if (out.size() != expected.size()) __builtin_trap();
        if (std::memcmp(out.data() + run.header_size, expected.data() + run.header_size,
                        out.size() - run.header_size) != 0) {
          __builtin_trap();
        }
      }
      restore(plain[first], run);
      if (packets[first] != originals[first]) __builtin_trap();
    }
    first += run.count;
  }
  return 0;
}
