// Random bytes from the kernel (getrandom): for keys and everything else.
#pragma once

#include "core/base/rng.hpp"

namespace myst::platform {

class SystemRng final : public Rng {
 public:
  void fill(MutableByteSpan out) override;  // waits for the kernel's pool right after boot
};

}  // namespace myst::platform
