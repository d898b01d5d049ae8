// Private to core/crypto, what libsodium wants of its callers.
#pragma once

#include "core/base/span.hpp"

namespace myst::detail {

// Picks the fast implementations once, on first use.
void sodium_ready();

// Several functions declare their pointers nonnull even where the length is zero.
inline const std::uint8_t* not_null(ByteSpan bytes) {
  static constexpr std::uint8_t kNothing = 0;
  return bytes.empty() ? &kNothing : bytes.data();
}

}  // namespace myst::detail
