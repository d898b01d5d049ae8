#include "drivers/keystore/memory.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "core/base/text.hpp"
#include "platform/system/files.hpp"

namespace myst::keystore {
namespace {

constexpr std::uint64_t kUnknown = UINT64_MAX;
constexpr std::uint64_t kReserve = 24u << 20;

std::string read(const std::string& path) {
  auto text = platform::read_file(path, 16384);
  return text.ok() ? std::move(text).value() : std::string();
}

std::uint64_t number(std::string_view text) {
  return parse_decimal(trim(text)).value_or(kUnknown);  // "max" is no number: no limit
}

std::uint64_t available() {
  const std::string text = read("/proc/meminfo");
  for (const std::string_view line : split(text, '\n')) {
    constexpr std::string_view kName = "MemAvailable:";
    if (line.substr(0, kName.size()) != kName) continue;
    const std::string_view value = trim(line.substr(kName.size()));
    const std::uint64_t kilobytes = number(value.substr(0, value.find(' ')));
    return kilobytes == kUnknown ? kUnknown : kilobytes * 1024;
  }
  return kUnknown;
}

// cgroup version 2: every group on the way to the root may set a limit.
std::uint64_t left_in_groups() {
  std::uint64_t least = kUnknown;
  const std::string text = read("/proc/self/cgroup");
  for (const std::string_view line : split(text, '\n')) {
    if (line.substr(0, 3) != "0::") continue;
    std::string group(line.substr(3));
    // Inside a container the own group is "/" and has a limit too.
    for (bool top = false; !top;) {
      top = group.empty() || group == "/";
      const std::string folder = "/sys/fs/cgroup" + (top ? std::string() : group);
      const std::uint64_t limit = number(read(folder + "/memory.max"));
      const std::uint64_t used = number(read(folder + "/memory.current"));
      if (limit != kUnknown && used != kUnknown) {
        least = std::min(least, limit > used ? limit - used : 0);
      }
      const std::size_t slash = group.find_last_of('/');
      group.resize(slash == std::string::npos ? 0 : slash);
    }
  }
  return least;
}

}  // namespace

std::uint64_t memory_for_scrypt() {
  const std::uint64_t least = std::min(available(), left_in_groups());
  if (least == kUnknown) return kUnknown;
  return least > kReserve ? least - kReserve : 0;
}

}  // namespace myst::keystore
