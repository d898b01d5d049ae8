#include "core/crypto/sodium_ready.hpp"

#include <sodium.h>

namespace myst::detail {

void sodium_ready() {
  // Its only failure is a system without random bytes, and we take none from it: the portable
  // implementations then stay in place.
  static const int result = sodium_init();
  (void)result;
}

}  // namespace myst::detail
