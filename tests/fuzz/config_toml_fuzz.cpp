// Reading never crashes, and what was read reads back equal after writing.
#include <cstdlib>

#include "core/base/span.hpp"
#include "drivers/config/toml.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  const auto tree = config::parse_toml(as_text({data, size}));
  if (!tree.ok()) return 0;
  const std::string text = config::write_toml(*tree);
  const auto again = config::parse_toml(text);
  if (!again.ok()) {
    if (text.size() > core::ConfigLimits::kFile) return 0;  // escapes made it grow
    std::abort();
  }
  // NaN differs from itself, so texts are compared.
  if (config::write_toml(*again) != text) std::abort();
  return 0;
}
