// What every test may use: a seeded Rng and the vector files.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/rng.hpp"

namespace myst::test {

// SplitMix64: repeatable bytes from a seed; no security whatsoever.
class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : state_(seed) {}
  void fill(MutableByteSpan out) override {  // here: fuzz targets link no test library
    for (std::size_t i = 0; i < out.size();) {
      state_ += 0x9e3779b97f4a7c15u;
      std::uint64_t z = state_;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
      z ^= z >> 31;
      for (std::size_t k = 0; k < 8 && i < out.size(); ++k, ++i) {
        out[i] = static_cast<std::uint8_t>(z >> (8 * k));
      }
    }
  }

 private:
  std::uint64_t state_;
};

// The content of tests/vectors/<name>; aborts the test program when it is missing.
std::string read_vector(const std::string& name);

}  // namespace myst::test
