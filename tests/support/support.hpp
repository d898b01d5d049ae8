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
  void fill(MutableByteSpan out) override;

 private:
  std::uint64_t state_;
};

// The content of tests/vectors/<name>; aborts the test program when it is missing.
std::string read_vector(const std::string& name);

}  // namespace myst::test
