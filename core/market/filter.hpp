// Which proposals someone wants. One set of conditions, used three ways: sent to a discovery server
// as a query, read from a query by the hub, and applied again by the consumer to what it was given.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/market/proposal.hpp"

namespace myst::core {

struct ProposalFilter {
  std::vector<std::string> provider_ids;  // any of these; an empty text in it matches nothing
  std::string service_type;
  std::string location_country;
  std::string ip_type;
  // Server: empty = only proposals without policies. Client: empty = no test. "all" = no test.
  std::string access_policy;
  std::string access_policy_source;
  int compatibility_min = 0;  // 0: no bound
  int compatibility_max = 0;  // 0: no bound, not "at most 0"
  double bandwidth_min = 0;   // Mbit/s
  double quality_min = 0;
  std::string nat_compatibility;  // the consumer's NAT type; only "symmetric" has an effect
  bool include_monitoring_failed = false;
  int preset_id = 0;
};

// The consumer's own test (node: core/discovery/proposal/filter.go): provider, service, country, IP
// type and access policy. Everything else is the server's business.
bool matches_locally(const ProposalFilter& filter, const Proposal& proposal);

// The server's tests that need no quality data (discovery: proposal/inmemory.go).
bool matches_statically(const ProposalFilter& filter, const Proposal& proposal);

// Form-encoded, sorted by name, only what is set; without "?".
std::string to_query(const ProposalFilter& filter);
// Never fails: what does not parse counts as 0 or false, numbers beyond 16 bits are clamped,
// unknown names are ignored. At most 100 provider ids are read; further ones are dropped.
ProposalFilter parse_proposal_query(std::string_view query);

// application/x-www-form-urlencoded of one name or value.
std::string form_encode(std::string_view text);
std::string form_decode(std::string_view text);  // a broken %xx stays as it is

}  // namespace myst::core
