// Order and presets of a priced list of proposals, at the consumer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/market/price.hpp"
#include "core/market/proposal.hpp"

namespace myst::core {

struct PricedProposal {
  Proposal proposal;
  Price price;
};

// Proposals without a price are left out.
std::vector<PricedProposal> with_prices(std::vector<Proposal> proposals, const PriceTable& prices);

// quality, uptime, bandwidth: best first; latency, price (per GiB, then per hour): lowest first.
// Equal ones keep their order.
enum class SortBy : std::uint8_t { None, Quality, Uptime, Bandwidth, Latency, LowestPrice };
Result<SortBy> parse_sort_by(std::string_view name);  // empty: None
void sort_proposals(std::vector<PricedProposal>& list, SortBy by);

// System presets 1 "Media Streaming", 2 "Browsing", 3 "Download"; other ids leave the list alone.
constexpr int kFirstUserPreset = 100;
void apply_preset(std::vector<PricedProposal>& list, int preset_id);

struct FilterPreset {
  int id = 0;
  std::string name;
  std::string ip_type;  // what a user preset filters by; empty or 0: no test
  double quality_min = 0;
};

// The presets a user sees: three of the system and up to 100 of his own.
class FilterPresets {
 public:
  FilterPresets();
  explicit FilterPresets(std::vector<FilterPreset> user_presets);
  const std::vector<FilterPreset>& list() const { return list_; }
  // Id 0: a new preset. An id in use: replaces it. Rejected: a system preset. Full: 100 of one's
  // own.
  Result<int> save(FilterPreset preset);
  Status remove(int id);  // Rejected below 100, NotFound

 private:
  std::vector<FilterPreset> list_;
};

}  // namespace myst::core
