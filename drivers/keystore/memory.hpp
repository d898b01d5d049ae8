// How much memory a computation may take now without the kernel killing something for it.
#pragma once

#include <cstdint>

namespace myst::keystore {

// MemAvailable, or what is left below the tightest cgroup limit around this process, less a reserve
// for everyone else. UINT64_MAX when the kernel does not tell.
std::uint64_t memory_for_scrypt();

}  // namespace myst::keystore
