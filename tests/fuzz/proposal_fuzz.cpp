// Proposals as JSON: no crash, and what was read reads back the same after writing. What the hub
// would store, readers can read.
#include <cstdlib>

#include "drivers/discovery/proposal_codec.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  const std::string_view text = as_text({data, size});
  if (const auto proposal = discovery::read_proposal_message(text); proposal.ok()) {
    const std::string written = discovery::proposal_message(*proposal);
    if (written.size() < 32 * 1024) {
      const auto again = discovery::read_proposal_message(written);
      if (!again.ok() || discovery::proposal_message(*again) != written) std::abort();
    }
    if (const auto indexed = discovery::index_proposal(*proposal); indexed.ok()) {
      if (!discovery::read_proposal_list("[" + indexed->json_head + "{}}]").ok()) std::abort();
    }
  }
  (void)discovery::read_proposal_list(text);
  return 0;
}
