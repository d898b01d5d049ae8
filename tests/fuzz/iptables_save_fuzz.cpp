#include <cstddef>
#include <cstdint>

#include "core/system/iptables_text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)myst::core::read_iptables_save(text, "MYST");
  (void)myst::core::count_rules(text);
  return 0;
}
