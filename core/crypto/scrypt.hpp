// scrypt (RFC 7914). Slow and hungry by purpose: run it off the loop thread.
#pragma once

#include <cstdint>

#include "core/base/result.hpp"
#include "core/base/span.hpp"

namespace myst {

struct ScryptCost {
  std::uint64_t n = 0;
  std::uint32_t r = 0;
  std::uint32_t p = 0;
  // What a computation occupies at its peak, saturating; it is returned to the system at once.
  std::uint64_t memory_bytes() const;
};

// Malformed: n is no power of two above 1, or r, p are zero or absurd. Unavailable: no memory.
Status scrypt(ByteSpan password, ByteSpan salt, const ScryptCost& cost, MutableByteSpan out);

}  // namespace myst
