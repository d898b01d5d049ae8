// A service proposal, format "service-proposal/v3": what a provider announces through the broker
// and a consumer reads from discovery. Values only; the JSON text is drivers/discovery's business.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace myst::core {

constexpr std::string_view kProposalFormat = "service-proposal/v3";
constexpr std::string_view kNatsContact = "nats/p2p/v1";  // the one contact type in use
// Level of the P2P protocol a node speaks (0 text framing, 1 protobuf framing, 2 current).
constexpr int kCompatibility = 2;

struct ProposalLocation {
  std::string continent;  // "EU"
  std::string country;    // ISO 3166 alpha-2, upper case
  std::string region;
  std::string city;
  std::uint32_t asn = 0;
  std::string isp;
  std::string ip_type;  // residential, cellular, hosting, business, dialup, college, datacenter
  bool operator==(const ProposalLocation& o) const {
    return continent == o.continent && country == o.country && region == o.region &&
           city == o.city && asn == o.asn && isp == o.isp && ip_type == o.ip_type;
  }
};

struct ProposalContact {
  std::string type;
  // False when the definition of a known type did not decode: such a contact is kept, but nobody
  // can use it.
  bool usable = true;
  std::vector<std::string> broker_addresses;  // of a nats/p2p/v1 contact
  std::string other_definition;               // JSON text, of a contact of another type
};

struct ProposalQuality {
  double quality = 0;      // 0 to 3
  double latency = 0;      // ms
  double bandwidth = 0;    // Mbit/s
  double uptime = 0;       // hours a day
  double packet_loss = 0;  // per cent
  bool monitoring_failed = false;
};

struct AccessPolicyRef {
  std::string id;
  std::string source;  // URL of the policy document
};

struct Proposal {
  std::int64_t id = 0;  // unused serial, echoed into session requests
  std::string format{kProposalFormat};
  int compatibility = kCompatibility;
  std::string provider_id;  // 0x and 40 lower-case hex digits; compared as text
  std::string service_type;
  ProposalLocation location;
  std::vector<ProposalContact> contacts;
  // Never set and empty both mean "public"; a running provider writes [].
  std::optional<std::vector<AccessPolicyRef>> access_policies;
  ProposalQuality quality;

  // Two proposals of the same key are the same proposal, the later one wins.
  std::string key() const { return provider_id + "." + service_type; }
  const std::vector<AccessPolicyRef>& policies() const;
};

// What this program can use: a proposal of another service or contact type is skipped.
struct SupportedKinds {
  std::vector<std::string> service_types;
  std::vector<std::string> contact_types{std::string(kNatsContact)};
};
bool is_supported(const Proposal& proposal, const SupportedKinds& kinds);
// Format, provider, service type and at least one contact (node: market/service_proposal.go).
bool is_valid(const Proposal& proposal);

// The broker addresses of the first nats/p2p/v1 contact; empty when there is none.
std::vector<std::string> broker_addresses(const Proposal& proposal);

}  // namespace myst::core
