// Both readers of addresses agree where both accept, and every form reads back.
#include <cstdlib>

#include "core/identity/address.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  const std::string_view text = as_text({data, size});
  const Address lenient = Address::parse_lenient(text);
  if (*Address::parse(lenient.to_checksum()) != lenient) std::abort();
  if (*Address::parse(lenient.to_string()) != lenient) std::abort();
  const auto strict = Address::parse(text);
  if (strict.ok() && *strict != lenient) std::abort();
  return 0;
}
