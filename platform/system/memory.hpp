// Keeping the heap small, and seeing how much memory there is.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/result.hpp"

namespace myst::platform {

// Once, before the first thread: one heap for all threads (each further one costs its own pages),
// large blocks straight from and to the kernel, the top of the heap given back early.
void tune_heap();
// Gives free pages back to the kernel; after something large was freed.
void trim_heap();
// Takes the program's and its libraries' read-only pages out of the process; what is needed comes
// back from the page cache by itself. What only ran or was read once (symbol tables, relocations,
// initialisation) then counts for nobody. Costs about a millisecond.
void forget_used_code();

// What can be had without swapping (MemAvailable of /proc/meminfo), in bytes.
Result<std::uint64_t> available_memory();
struct MemoryUse {
  std::uint64_t resident_bytes = 0;
  std::uint64_t private_dirty_bytes = 0;  // what is ours alone
};
Result<MemoryUse> memory_use();

}  // namespace myst::platform
