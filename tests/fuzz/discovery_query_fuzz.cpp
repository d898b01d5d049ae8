// A query to the hub's discovery API: never fails, is bounded, and means the same after encoding.
#include <cstdlib>

#include "core/hub/proposal_index.hpp"
#include "core/market/filter.hpp"

namespace {

struct CountingRng final : myst::Rng {
  std::uint8_t next = 0;
  void fill(myst::MutableByteSpan out) override {
    for (std::uint8_t& byte : out) byte = next++;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  const auto filter = core::parse_proposal_query(as_text({data, size}));
  if (filter.provider_ids.size() > 100) std::abort();
  // Once written with two decimals, a query stays what it is.
  const std::string query = core::to_query(core::parse_proposal_query(core::to_query(filter)));
  if (core::to_query(core::parse_proposal_query(query)) != query) std::abort();
  static const core::ProposalIndex index = [] {
    core::ProposalIndex built{core::ProposalIndex::Config{}};
    for (int i = 0; i < 20; ++i) {
      core::IndexedProposal item;
      item.proposal.provider_id = "0x" + std::to_string(i);
      item.proposal.service_type = i % 2 == 0 ? "wireguard" : "dvpn";
      item.proposal.location.country = i % 3 == 0 ? "LT" : "DE";
      item.json_head = "{\"quality\":";
      (void)built.put({}, item);
    }
    return built;
  }();
  CountingRng rng;
  const std::string list = index.list(filter, true, rng);
  if (list != "null" && (list.front() != '[' || list.back() != ']')) std::abort();
  if (index.countries(filter).size() > 2) std::abort();
  return 0;
}
