#include <cstddef>
#include <cstdint>

#include "drivers/wireguard/uapi.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)myst::wireguard::uapi::parse_verb(text);
  const auto set = myst::wireguard::uapi::parse_set(text);
  if (set.ok() && set->peers.size() > myst::wireguard::uapi::kMaxPeers) __builtin_trap();
  return 0;
}
