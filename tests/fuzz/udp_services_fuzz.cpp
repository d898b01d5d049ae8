// The hub's UDP services and its country database lines.
#include <cstdlib>

#include "core/base/text.hpp"
#include "core/hub/location_table.hpp"
#include "core/hub/udp_services.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  const ByteSpan bytes(data, size);
  for (const char* from : {"192.0.2.1:7", "[2001:db8::1]:65535"}) {
    const auto answer = core::answer_stun(bytes, *Endpoint::parse(from));
    if (answer && answer->size() > 44) std::abort();
    const auto probe = core::parse_port_probe(bytes, *Endpoint::parse(from));
    if (probe && (probe->to.port == 0 || size < 18)) std::abort();
  }
  core::LocationTable table({"LT", ""});
  for (const auto line : split(as_text(bytes), '\n')) (void)table.add_line(line);
  table.finish();
  if (table.find(*IpAddress::parse("10.0.0.1")).country.size() != 2) std::abort();
  return 0;
}
