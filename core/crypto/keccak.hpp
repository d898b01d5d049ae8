// Keccak-256 with the original padding (0x01), as Ethereum uses it; not NIST SHA3-256.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/base/span.hpp"
#include "core/crypto/digest.hpp"

namespace myst {

class Keccak256 {
 public:
  Keccak256& update(ByteSpan data);
  Digest32 finish();  // afterwards the object is used up

 private:
  static constexpr std::size_t kRate = 136;  // 1600 - 2 * 256 bits
  std::array<std::uint64_t, 25> state_{};
  ByteArray<kRate> block_{};
  std::size_t filled_ = 0;
};

Digest32 keccak256(ByteSpan data);

}  // namespace myst
