// All live proposals of a network, in memory: kept by register and ping, forgotten 190 s after the
// last of them, listed under every filter of the discovery API. Lists are JSON text: an entry keeps
// the text it will be served as, so that a list is a scan and a copy.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/time.hpp"
#include "core/market/filter.hpp"
#include "core/market/proposal.hpp"

namespace myst::core {

struct IndexedProposal {
  Proposal proposal;      // contacts and quality are not looked at here
  std::string json_head;  // the object's text up to and including "quality":
};

// What a quality oracle knows of one "<provider>.<service>".
struct QualityRecord {
  ProposalQuality quality;
  bool restricted = false;  // behind a NAT that symmetric consumers cannot pass
  std::string json;         // the quality object as it is served
};

class ProposalIndex {
 public:
  struct Config {
    Duration lifetime = std::chrono::seconds{190};
    int compatibility_min = 0;
    // Per country, of what passes the filter: the first `soft` are listed, every tenth up to
    // `hard`.
    std::size_t soft_limit = 1000;
    std::size_t hard_limit = 1000;
    std::size_t max_proposals = 50000;  // full: new ones are refused, known ones still refreshed
    std::size_t max_per_provider = 16;  // services of one identity
  };
  explicit ProposalIndex(const Config& config) : config_(config) {}

  // Register and ping are the same. Rejected: below compatibility_min. Full.
  Status put(Now now, IndexedProposal proposal);
  bool remove(std::string_view provider_id, std::string_view service_type);  // false: unknown
  // Restores an entry of an earlier run; `age` since its last ping.
  Status restore(Now now, IndexedProposal proposal, Duration age);
  using Key = std::pair<std::string, std::string>;  // provider, service
  std::vector<Key> expire(Instant now);             // those that were forgotten
  std::optional<Instant> next_timeout() const;

  // Empty: no oracle, and nothing is filtered by quality, NAT, monitoring or preset. Otherwise a
  // proposal that is missing here counts as failed and restricted.
  void set_quality(std::map<std::string, QualityRecord> quality) { quality_ = std::move(quality); }

  // The array, or "null" for none. The order starts anywhere, so that under the limits each
  // provider has its turn. `limited`: with the limits per country (public lists).
  std::string list(const ProposalFilter& filter, bool limited, Rng& rng) const;
  // Country -> count, sorted by country; quality counts only with a preset.
  std::map<std::string, std::size_t> countries(const ProposalFilter& filter) const;

  struct Metadata {
    const Proposal* proposal;
    WallTime updated_at;
    bool monitoring_failed;
  };
  std::vector<Metadata> metadata() const;  // valid until the next change
  const IndexedProposal* find(std::string_view provider_id, std::string_view service_type) const;
  std::size_t size() const { return entries_.size(); }
  std::size_t providers() const { return by_provider_.size(); }

  struct Counters {
    std::uint64_t added = 0, refreshed = 0, removed = 0, expired = 0, refused = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  struct Entry {
    IndexedProposal indexed;
    WallTime updated_at;
    Instant expires_at;
  };
  Status store(IndexedProposal proposal, WallTime updated_at, Instant expires_at);
  void erase(std::size_t at);
  // Of the tests that need quality data; nullptr record: unknown to the oracle.
  bool passes_quality(const ProposalFilter& filter, const Proposal& proposal,
                      const QualityRecord* record) const;
  const QualityRecord* quality_of(const Proposal& proposal) const;
  std::optional<std::size_t> position(std::string_view provider_id,
                                      std::string_view service_type) const;

  Config config_;
  std::vector<Entry> entries_;
  // provider -> service -> place in entries_
  std::map<std::string, std::map<std::string, std::size_t, std::less<>>, std::less<>> by_provider_;
  std::map<std::string, QualityRecord> quality_;
  Counters counters_;
};

}  // namespace myst::core
