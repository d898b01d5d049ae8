#include "platform/system/memory.hpp"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "core/base/text.hpp"
#include "platform/system/files.hpp"

namespace myst::platform {
namespace {

// "Name:   123 kB" of a /proc file, in bytes.
Result<std::uint64_t> field_of(std::string_view text, std::string_view name) {
  for (std::string_view line : split(text, '\n')) {
    if (line.substr(0, name.size()) != name) continue;
    line = trim(line.substr(name.size()));
    const auto kilobytes = parse_decimal(line.substr(0, std::min(line.find(' '), line.size())));
    if (kilobytes) return *kilobytes * 1024;
  }
  return Error{Errc::Unsupported, 0, "/proc field"};
}

constexpr std::size_t kMaxProcFile = 64 * 1024;

// Segments that were never writable are the file's own pages, whatever the loader did elsewhere.
int forget_segments(dl_phdr_info* object, std::size_t, void*) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t start = object->dlpi_addr + segment.p_vaddr;
    // Whole pages only: the last one may be the next segment's, which may be writable.
    const std::uintptr_t first = (start + page - 1) / page * page;
    const std::uintptr_t end = (start + segment.p_memsz) / page * page;
    if (first >= end) continue;
    // The loader gives addresses as numbers.
    void* const memory = reinterpret_cast<void*>(first);  // NOLINT(performance-no-int-to-ptr)
    (void)::madvise(memory, end - first, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void tune_heap() {
#ifdef __GLIBC__
  (void)::mallopt(M_ARENA_MAX, 1);
  (void)::mallopt(M_MMAP_THRESHOLD, 64 * 1024);
  (void)::mallopt(M_TRIM_THRESHOLD, 64 * 1024);
  (void)::mallopt(M_TOP_PAD, 16 * 1024);
#endif
}

void trim_heap() {
#ifdef __GLIBC__
  (void)::malloc_trim(0);
#endif
}

void forget_used_code() { ::dl_iterate_phdr(forget_segments, nullptr); }

Result<std::uint64_t> available_memory() {
  MYST_TRY_ASSIGN(const std::string text, read_file("/proc/meminfo", kMaxProcFile));
  return field_of(text, "MemAvailable:");
}

Result<MemoryUse> memory_use() {
  MYST_TRY_ASSIGN(const std::string text, read_file("/proc/self/smaps_rollup", kMaxProcFile));
  MemoryUse use;
  MYST_TRY_ASSIGN(use.resident_bytes, field_of(text, "Rss:"));
  MYST_TRY_ASSIGN(use.private_dirty_bytes, field_of(text, "Private_Dirty:"));
  return use;
}

}  // namespace myst::platform
