#include "core/hub/proposal_index.hpp"

#include <algorithm>

namespace myst::core {
namespace {

constexpr std::string_view kNoQuality =
    R"({"quality":0,"latency":0,"bandwidth":0,"uptime":0,"packetLoss":0})";
constexpr std::string_view kSymmetric = "symmetric";

}  // namespace

std::optional<std::size_t> ProposalIndex::position(std::string_view provider_id,
                                                   std::string_view service_type) const {
  const auto provider = by_provider_.find(provider_id);
  if (provider == by_provider_.end()) return std::nullopt;
  const auto service = provider->second.find(service_type);
  if (service == provider->second.end()) return std::nullopt;
  return service->second;
}

Status ProposalIndex::put(Now now, IndexedProposal proposal) {
  return store(std::move(proposal), now.wall, now.instant + config_.lifetime);
}

Status ProposalIndex::restore(Now now, IndexedProposal proposal, Duration age) {
  if (age < Duration{0} || age >= config_.lifetime)
    return Error{Errc::Timeout, 0, "proposal expired"};
  return store(std::move(proposal), now.wall - std::chrono::duration_cast<WallTime::duration>(age),
               now.instant + config_.lifetime - age);
}

Status ProposalIndex::store(IndexedProposal indexed, WallTime updated_at, Instant expires_at) {
  const Proposal& proposal = indexed.proposal;
  const auto refuse = [&](Error error) {
    ++counters_.refused;
    return error;
  };
  if (proposal.provider_id.empty() || proposal.service_type.empty()) {
    return refuse({Errc::Malformed, 0, "proposal without provider or service"});
  }
  if (proposal.compatibility < config_.compatibility_min) {
    return refuse({Errc::Rejected, proposal.compatibility, "proposal of an old node"});
  }
  if (const auto at = position(proposal.provider_id, proposal.service_type)) {
    entries_[*at] = {std::move(indexed), updated_at, expires_at};
    ++counters_.refreshed;
    return {};
  }
  if (entries_.size() >= config_.max_proposals) return refuse({Errc::Full, 0, "proposals"});
  const auto known = by_provider_.find(proposal.provider_id);
  if (known != by_provider_.end() && known->second.size() >= config_.max_per_provider) {
    return refuse({Errc::Full, 0, "services of one provider"});
  }
  by_provider_[proposal.provider_id][proposal.service_type] = entries_.size();
  entries_.push_back({std::move(indexed), updated_at, expires_at});
  ++counters_.added;
  return {};
}

void ProposalIndex::erase(std::size_t at) {
  const Proposal& gone = entries_[at].indexed.proposal;
  const auto provider = by_provider_.find(gone.provider_id);
  provider->second.erase(gone.service_type);
  if (provider->second.empty()) by_provider_.erase(provider);
  if (at + 1 != entries_.size()) {
    entries_[at] = std::move(entries_.back());
    const Proposal& moved = entries_[at].indexed.proposal;
    by_provider_[moved.provider_id][moved.service_type] = at;
  }
  entries_.pop_back();
}

bool ProposalIndex::remove(std::string_view provider_id, std::string_view service_type) {
  const auto at = position(provider_id, service_type);
  if (!at) return false;
  erase(*at);
  ++counters_.removed;
  return true;
}

std::vector<ProposalIndex::Key> ProposalIndex::expire(Instant now) {
  std::vector<Key> gone;
  for (std::size_t at = 0; at < entries_.size();) {
    if (entries_[at].expires_at > now) {
      ++at;
      continue;
    }
    const Proposal& proposal = entries_[at].indexed.proposal;
    gone.emplace_back(proposal.provider_id, proposal.service_type);
    erase(at);
  }
  counters_.expired += gone.size();
  return gone;
}

std::optional<Instant> ProposalIndex::next_timeout() const {
  std::optional<Instant> at;
  for (const Entry& entry : entries_) at = earliest(at, entry.expires_at);
  return at;
}

const QualityRecord* ProposalIndex::quality_of(const Proposal& proposal) const {
  // The oracle knows quic_scraping as scraping.
  const std::string& service = proposal.service_type;
  const auto found =
      quality_.find(proposal.provider_id + "." +
                    (service == "quic_scraping" ? std::string("scraping") : service));
  return found == quality_.end() ? nullptr : &found->second;
}

bool ProposalIndex::passes_quality(const ProposalFilter& filter, const Proposal& proposal,
                                   const QualityRecord* record) const {
  if (quality_.empty()) return true;
  static const QualityRecord kUnknown = [] {
    QualityRecord unknown;
    unknown.quality.monitoring_failed = true;
    unknown.restricted = true;
    return unknown;
  }();
  const QualityRecord& known = record == nullptr ? kUnknown : *record;
  const ProposalQuality& quality = known.quality;
  if (filter.nat_compatibility == kSymmetric && known.restricted) return false;
  if (quality.monitoring_failed && !filter.include_monitoring_failed) return false;
  if (quality.quality < filter.quality_min) return false;
  if (filter.bandwidth_min > 0 && quality.bandwidth < filter.bandwidth_min) return false;
  const std::string& ip_type = proposal.location.ip_type;
  if (filter.preset_id == 1) {
    return ip_type == "residential" && quality.quality >= 1 && quality.bandwidth >= 5;
  }
  if (filter.preset_id == 2) return quality.quality >= 1;
  if (filter.preset_id == 3) return ip_type == "hosting";
  return true;
}

std::string ProposalIndex::list(const ProposalFilter& filter, bool limited, Rng& rng) const {
  struct Item {
    const std::string* head;
    std::string_view quality;
  };
  std::vector<Item> items;
  std::size_t size = 2;
  std::map<std::string_view, std::size_t> listed;  // by country, of what passed the static tests
  const auto add = [&](const Entry& entry) {
    const Proposal& proposal = entry.indexed.proposal;
    if (!matches_statically(filter, proposal)) return;
    if (limited) {
      const std::size_t number = ++listed[proposal.location.country];
      if (number > config_.hard_limit) return;
      if (number > config_.soft_limit && number % 10 != 0) return;
    }
    const QualityRecord* record = quality_of(proposal);
    if (!passes_quality(filter, proposal, record)) return;
    items.push_back({&entry.indexed.json_head,
                     record == nullptr ? kNoQuality : std::string_view(record->json)});
    size += items.back().head->size() + items.back().quality.size() + 2;
  };
  if (!filter.provider_ids.empty()) {
    // Few providers: no scan. The same id twice is listed once.
    std::vector<std::string> ids = filter.provider_ids;
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    for (const std::string& id : ids) {
      const auto provider = by_provider_.find(id);
      if (provider == by_provider_.end()) continue;
      for (const auto& [service, at] : provider->second) add(entries_[at]);
    }
  } else if (!entries_.empty()) {
    const std::size_t first = static_cast<std::size_t>(rng.below(entries_.size()));
    for (std::size_t i = 0; i < entries_.size(); ++i) add(entries_[(first + i) % entries_.size()]);
  }
  if (items.empty()) return "null";
  std::string out;
  out.reserve(size);  // megabytes: growing would copy them again and again
  for (const Item& item : items) {
    out += out.empty() ? '[' : ',';
    out += *item.head;
    out += item.quality;
    out += '}';
  }
  out += ']';
  return out;
}

std::map<std::string, std::size_t> ProposalIndex::countries(const ProposalFilter& filter) const {
  std::map<std::string, std::size_t> out;
  for (const Entry& entry : entries_) {
    const Proposal& proposal = entry.indexed.proposal;
    if (!matches_statically(filter, proposal)) continue;
    if (filter.preset_id != 0 && !passes_quality(filter, proposal, quality_of(proposal))) continue;
    ++out[proposal.location.country];
  }
  return out;
}

std::vector<ProposalIndex::Metadata> ProposalIndex::metadata() const {
  std::vector<Metadata> out;
  out.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    const QualityRecord* record = quality_of(entry.indexed.proposal);
    const bool failed =
        !quality_.empty() && (record == nullptr || record->quality.monitoring_failed);
    out.push_back({&entry.indexed.proposal, entry.updated_at, failed});
  }
  return out;
}

const IndexedProposal* ProposalIndex::find(std::string_view provider_id,
                                           std::string_view service_type) const {
  const auto at = position(provider_id, service_type);
  return at ? &entries_[*at].indexed : nullptr;
}

}  // namespace myst::core
