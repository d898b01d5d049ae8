// URLs and queries: what parses is written back to something that parses to the same.
#include <cstdlib>

#include "core/base/span.hpp"
#include "core/base/url.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  const std::string_view text = as_text({data, size});
  if (const auto url = Url::parse(text); url.ok()) {
    const auto again = Url::parse(url->to_string());
    if (!again.ok() || again->to_string() != url->to_string() || again->host != url->host ||
        again->port != url->port || again->target() != url->target()) {
      std::abort();
    }
    if (url->target().find_first_of(" \r\n") != std::string::npos) std::abort();
  }
  (void)parse_query(text);
  if (const auto decoded = percent_decode(percent_encode(text));
      !decoded.ok() || *decoded != text) {
    std::abort();
  }
  return 0;
}
