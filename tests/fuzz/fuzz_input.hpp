// The fuzzer's bytes as a source of small decisions and of packets, and a repeatable Rng.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/rng.hpp"
#include "core/base/span.hpp"

namespace myst::fuzz {

class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}
  bool empty() const { return rest_.empty(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t value = rest_[0];
    rest_ = rest_.subspan(1);
    return value;
  }
  std::uint32_t u32() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | byte();
    return value;
  }
  // A length byte or two (high bit: times 16), then so many bytes as there are.
  ByteSpan piece() {
    const std::uint8_t length = byte();
    const std::size_t wanted = (length & 0x80u) != 0 ? (length & 0x7fu) * 16u : length;
    const std::size_t size = std::min(wanted, rest_.size());
    const ByteSpan out = rest_.first(size);
    rest_ = rest_.subspan(size);
    return out;
  }
  ByteSpan all() {
    const ByteSpan out = rest_;
    rest_ = {};
    return out;
  }

 private:
  ByteSpan rest_;
};

class FuzzRng final : public Rng {
 public:
  void fill(MutableByteSpan out) override {
    for (std::uint8_t& b : out) {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;
      b = static_cast<std::uint8_t>(state_ >> 56);
    }
  }

 private:
  std::uint64_t state_ = 1;
};

// Not assert: it must also stop a build without assertions.
inline void require(bool condition) {
  if (!condition) __builtin_trap();
}

}  // namespace myst::fuzz
