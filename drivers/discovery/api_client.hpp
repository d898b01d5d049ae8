// The services of a network as a node asks them: discovery API, location, public IP, access
// policies, and the network document to begin with. Everything is asked anew: what is cached, and
// when a failure is tried again, is the caller's business.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/market/access_policy.hpp"
#include "core/market/filter.hpp"
#include "core/market/network_document.hpp"
#include "core/market/price.hpp"
#include "core/market/proposal.hpp"
#include "drivers/discovery/location_codec.hpp"
#include "platform/http/client.hpp"

namespace myst::discovery {

// Who answers with the bare address of its caller, on the public network (node:
// core/ip/fallbacks.go).
const std::vector<std::string>& public_ip_services();
// "Mysterium node(<version>; https://mysterium.network)": HttpClient::Options::user_agent.
std::string user_agent(std::string_view version);

class ApiClient {
 public:
  struct Options {
    std::string discovery;  // base URLs and URLs as in the node's settings
    std::string location;
    std::string ip_detector;  // empty: as location
    std::string access_policies;
    std::vector<std::string> ip_fallbacks;  // asked when ip_detector fails; empty: none
  };
  template <typename T>
  using Callback = std::function<void(Result<T>)>;

  // Errors are those of HttpClient, Malformed for an answer that does not parse, and Rejected for a
  // status outside 200 to 299 (detail: the status). `http` outlives this and its user calls back
  // exactly once, never from inside the call.
  ApiClient(platform::HttpClient& http, Options options)
      : http_(http), options_(std::move(options)) {}

  // Valid ones of supported kinds that match the filter, in the server's order.
  void proposals(const core::ProposalFilter& filter, const core::SupportedKinds& kinds,
                 Callback<std::vector<core::Proposal>> done);
  // NotFound unless the server knows exactly one such proposal.
  void proposal(const std::string& provider_id, const std::string& service_type,
                const core::SupportedKinds& kinds, Callback<core::Proposal> done);
  void countries(const core::ProposalFilter& filter,
                 Callback<std::map<std::string, std::size_t>> done);
  void prices(Callback<core::PriceDocument> done);
  void location(Callback<LocationAnswer> done);
  // From ip_detector, else the first valid answer of three fallbacks drawn at random.
  void public_ip(Rng& rng, Callback<IpAddress> done);
  // Whether some policy of the oracle names the identity. An error means no.
  void identity_allowed(const std::string& identity, Callback<bool> done);
  struct FetchedPolicy {
    std::optional<core::AccessPolicyDocument> document;  // nullopt: not modified since `etag`
    std::string etag;
  };
  void access_policy(const std::string& source, const std::string& etag,
                     Callback<FetchedPolicy> done);
  void access_policies_text(Callback<std::string> done);  // passed through to the REST API

  void set_options(Options options) { options_ = std::move(options); }
  const Options& options() const { return options_; }

 private:
  platform::HttpClient& http_;
  Options options_;
};

// What --network names. Malformed: no URL, or no network document there.
void fetch_network_document(platform::HttpClient& http, std::string_view hub,
                            std::function<void(Result<core::NetworkDocument>)> done);

}  // namespace myst::discovery
