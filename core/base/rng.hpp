// Where random bytes come from: the system in programs (platform/system), a seed in tests.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/base/span.hpp"

namespace myst {

class Rng {
 public:
  virtual ~Rng() = default;
  virtual void fill(MutableByteSpan out) = 0;

  template <std::size_t N>
  ByteArray<N> bytes() {
    ByteArray<N> out;
    fill(out);
    return out;
  }
  std::uint64_t u64() {
    const auto raw = bytes<8>();
    std::uint64_t value = 0;
    std::memcpy(&value, raw.data(), raw.size());
    return value;
  }
  // Uniform in [0, bound) but for a bias below 2^-32 when bound < 2^32; bound 0 gives 0.
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : u64() % bound; }
};

}  // namespace myst
