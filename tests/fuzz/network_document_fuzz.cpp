// The documents a node reads from a network: network document, prices, location, access policy.
#include <cstdlib>

#include "drivers/discovery/location_codec.hpp"
#include "drivers/discovery/network_codec.hpp"
#include "drivers/discovery/policy_codec.hpp"
#include "drivers/discovery/price_codec.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  const std::string_view text = as_text({data, size});
  if (const auto document = discovery::read_network_document(text); document.ok()) {
    const std::string written = discovery::write_network_document(*document);
    const auto again = discovery::read_network_document(written);
    if (!again.ok() || discovery::write_network_document(*again) != written) std::abort();
  }
  if (const auto prices = discovery::read_prices(text); prices.ok()) {
    const auto again = discovery::read_prices(discovery::write_prices(*prices));
    if (!again.ok() || again->current_valid_until != prices->current_valid_until) std::abort();
  }
  if (const auto policy = discovery::read_access_policy(text); policy.ok()) {
    if (!discovery::read_access_policy(discovery::write_access_policy(*policy)).ok()) std::abort();
  }
  (void)discovery::read_location(text);
  (void)discovery::read_ip(text);
  (void)discovery::network_document_url(text);
  return 0;
}
