// What was read and written is read back the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "core/system/resolv_conf.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst::core;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const ResolvConf conf = parse_resolv_conf(text);
  const ResolvConf back = parse_resolv_conf(render_resolv_conf(conf));
  if (!(back.servers == conf.servers)) std::abort();
  return 0;
}
