#include "platform/system/random.hpp"

#include <errno.h>
#include <sys/random.h>

#include <cstdlib>

namespace myst::platform {

void SystemRng::fill(MutableByteSpan out) {
  while (!out.empty()) {
    const ssize_t size = ::getrandom(out.data(), out.size(), 0);
    if (size > 0) {
      out = out.subspan(static_cast<std::size_t>(size));
    } else if (errno != EINTR) {
      // Keys without randomness would be worse than no program.
      std::abort();
    }
  }
}

}  // namespace myst::platform
