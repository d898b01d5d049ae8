#include "core/market/ranking.hpp"

#include <algorithm>

namespace myst::core {
namespace {

constexpr std::size_t kMaxUserPresets = 100;

template <typename Before>
void sort_by(std::vector<PricedProposal>& list, Before before) {
  std::stable_sort(list.begin(), list.end(),
                   [&](const PricedProposal& a, const PricedProposal& b) { return before(a, b); });
}

template <typename Keep>
void keep_if(std::vector<PricedProposal>& list, Keep keep) {
  list.erase(std::remove_if(list.begin(), list.end(),
                            [&](const PricedProposal& item) { return !keep(item); }),
             list.end());
}

bool cheaper(const PricedProposal& a, const PricedProposal& b) {
  if (a.price.per_gib != b.price.per_gib) return a.price.per_gib < b.price.per_gib;
  return a.price.per_hour < b.price.per_hour;
}

// The average over all would be dragged down by proposals nobody measured, so the bound is at
// most 1.5 (node: core/discovery/proposal/*_filter.go).
double quality_bound(double sum, std::size_t count) {
  return count == 0 ? 0 : std::min(sum / static_cast<double>(count), 1.5);
}

void media_streaming(std::vector<PricedProposal>& list) {
  double quality = 0, bandwidth = 0;
  std::size_t count = 0;
  for (const auto& [proposal, price] : list) {
    if (proposal.quality.quality <= 0 && proposal.quality.bandwidth <= 0) continue;
    quality += proposal.quality.quality;
    bandwidth += proposal.quality.bandwidth;
    ++count;
  }
  const double least_quality = quality_bound(quality, count);
  const double least_bandwidth = count == 0 ? 0 : bandwidth / static_cast<double>(count);
  keep_if(list, [&](const PricedProposal& item) {
    return item.proposal.location.ip_type == "residential" &&
           item.proposal.quality.quality >= least_quality &&
           item.proposal.quality.bandwidth >= least_bandwidth;
  });
  sort_by(list, [](const PricedProposal& a, const PricedProposal& b) {
    const auto &x = a.proposal.quality, &y = b.proposal.quality;
    if (x.bandwidth > y.bandwidth || x.bandwidth < y.bandwidth) return x.bandwidth > y.bandwidth;
    return x.quality > y.quality;
  });
}

void browsing(std::vector<PricedProposal>& list) {
  double quality = 0;
  for (const auto& item : list) quality += item.proposal.quality.quality;
  const double bound = quality_bound(quality, list.size());
  keep_if(list, [&](const PricedProposal& item) { return item.proposal.quality.quality > bound; });
  sort_by(list, [](const PricedProposal& a, const PricedProposal& b) {
    const double x = a.proposal.quality.quality, y = b.proposal.quality.quality;
    if (x > y || x < y) return x > y;
    return cheaper(a, b);
  });
}

void download(std::vector<PricedProposal>& list) {
  keep_if(list,
          [](const PricedProposal& item) { return item.proposal.location.ip_type == "hosting"; });
  sort_by(list, cheaper);
}

}  // namespace

std::vector<PricedProposal> with_prices(std::vector<Proposal> proposals, const PriceTable& prices) {
  std::vector<PricedProposal> out;
  out.reserve(proposals.size());
  for (Proposal& proposal : proposals) {
    const auto price =
        prices.current(proposal.location.country, proposal.location.ip_type, proposal.service_type);
    if (price) out.push_back({std::move(proposal), *price});
  }
  return out;
}

Result<SortBy> parse_sort_by(std::string_view name) {
  if (name.empty()) return SortBy::None;
  if (name == "quality") return SortBy::Quality;
  if (name == "uptime") return SortBy::Uptime;
  if (name == "bandwidth") return SortBy::Bandwidth;
  if (name == "latency") return SortBy::Latency;
  if (name == "price") return SortBy::LowestPrice;
  return Error{Errc::Unsupported, 0, "unsupported proposal sort type"};
}

void sort_proposals(std::vector<PricedProposal>& list, SortBy by) {
  const auto descending = [&](double ProposalQuality::*field) {
    sort_by(list, [field](const PricedProposal& a, const PricedProposal& b) {
      return a.proposal.quality.*field > b.proposal.quality.*field;
    });
  };
  switch (by) {
    case SortBy::None:
      return;
    case SortBy::Quality:
      return descending(&ProposalQuality::quality);
    case SortBy::Uptime:
      return descending(&ProposalQuality::uptime);
    case SortBy::Bandwidth:
      return descending(&ProposalQuality::bandwidth);
    case SortBy::Latency:
      return sort_by(list, [](const PricedProposal& a, const PricedProposal& b) {
        return a.proposal.quality.latency < b.proposal.quality.latency;
      });
    case SortBy::LowestPrice:
      return sort_by(list, cheaper);
  }
}

void apply_preset(std::vector<PricedProposal>& list, int preset_id) {
  if (preset_id == 1) media_streaming(list);
  if (preset_id == 2) browsing(list);
  if (preset_id == 3) download(list);
}

FilterPresets::FilterPresets()
    : list_{{1, "Media Streaming", "residential", 0},
            {2, "Browsing", "", 0},
            {3, "Download", "hosting", 0}} {}

FilterPresets::FilterPresets(std::vector<FilterPreset> user_presets) : FilterPresets() {
  for (FilterPreset& preset : user_presets) {
    if (preset.id >= kFirstUserPreset && list_.size() < kMaxUserPresets + 3) {
      list_.push_back(std::move(preset));
    }
  }
}

Result<int> FilterPresets::save(FilterPreset preset) {
  if (preset.id == 0) {
    if (list_.size() >= kMaxUserPresets + 3) return Error{Errc::Full, 0, "filter presets"};
    preset.id = std::max(kFirstUserPreset, list_.back().id + 1);
    list_.push_back(preset);
    return preset.id;
  }
  if (preset.id < kFirstUserPreset) return Error{Errc::Rejected, 0, "a preset of the system"};
  for (FilterPreset& known : list_) {
    if (known.id == preset.id) {
      known = preset;
      return preset.id;
    }
  }
  return Error{Errc::NotFound, 0, "filter preset"};
}

Status FilterPresets::remove(int id) {
  if (id < kFirstUserPreset) return Error{Errc::Rejected, 0, "a preset of the system"};
  const auto found = std::find_if(list_.begin(), list_.end(),
                                  [id](const FilterPreset& preset) { return preset.id == id; });
  if (found == list_.end()) return Error{Errc::NotFound, 0, "filter preset"};
  list_.erase(found);
  return {};
}

}  // namespace myst::core
