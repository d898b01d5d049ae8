// Private to core/crypto: libsodium picks its fast implementations once, on first use.
#pragma once

namespace myst::detail {

void sodium_ready();

}  // namespace myst::detail
