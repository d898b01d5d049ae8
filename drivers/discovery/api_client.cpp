#include "drivers/discovery/api_client.hpp"

#include <algorithm>
#include <memory>

#include "core/base/text.hpp"
#include "drivers/discovery/network_codec.hpp"
#include "drivers/discovery/policy_codec.hpp"
#include "drivers/discovery/price_codec.hpp"
#include "drivers/discovery/proposal_codec.hpp"
#include "platform/json/json.hpp"

namespace myst::discovery {
namespace {

using platform::HttpClient;
using platform::HttpResponse;

constexpr std::size_t kMaxList = 32u << 20;  // some 40,000 proposals
constexpr std::size_t kMaxCountries = 1000;
constexpr std::size_t kFallbacksAsked = 3;

HttpClient::Call call_of(std::string url) {
  HttpClient::Call call;
  call.url = std::move(url);
  // The reference sends the content type with GET too.
  call.headers.add("Content-Type", "application/json");
  call.headers.add("Accept", "application/json");
  return call;
}

std::string with_query(std::string url, const std::string& query) {
  return query.empty() ? url : url + "?" + query;
}

// Asks, checks the status, lets `read` make a T of the body.
template <typename T, typename Read>
void ask(HttpClient& http, HttpClient::Call call, Read read, ApiClient::Callback<T> done) {
  http.send(std::move(call), [read = std::move(read),
                              done = std::move(done)](const Result<HttpResponse>& answer) {
    if (!answer.ok()) return done(answer.error());
    if (answer->status < 200 || answer->status > 299) {
      return done(Error{Errc::Rejected, answer->status, "the service answered with an error"});
    }
    done(read(answer->body));
  });
}

Result<std::map<std::string, std::size_t>> read_countries(const std::string& body) {
  std::map<std::string, std::size_t> out;
  MYST_TRY_ASSIGN(const auto document, json::Document::parse(body));
  if (!document.root().is_nothing() && !document.root().is_object()) {
    return Error{Errc::Malformed, 0, "country counts"};
  }
  for (const auto& [country, value] : document.root()) {
    if (out.size() >= kMaxCountries) break;
    MYST_TRY_ASSIGN(const std::uint64_t count, value.u64());
    out[std::string(country)] = static_cast<std::size_t>(count);
  }
  return out;
}

// Several services at once: the first valid answer counts, then the last error.
struct IpRace {
  std::size_t running = 0;
  bool told = false;
  ApiClient::Callback<IpAddress> done;
};

void race(HttpClient& http, std::vector<std::string> services, Rng& rng,
          ApiClient::Callback<IpAddress> done) {
  for (std::size_t i = services.size(); i > 1; --i)
    std::swap(services[i - 1], services[static_cast<std::size_t>(rng.below(i))]);
  services.resize(std::min(services.size(), kFallbacksAsked));
  auto state = std::make_shared<IpRace>();
  state->running = services.size();
  state->done = std::move(done);
  for (std::string& url : services) {
    http.get(std::move(url), [state](const Result<HttpResponse>& answer) {
      --state->running;
      if (state->told) return;
      Result<IpAddress> ip =
          answer.ok() ? read_ip(answer->body) : Result<IpAddress>(answer.error());
      if (!ip.ok() && state->running > 0) return;
      state->told = true;
      state->done(std::move(ip));
    });
  }
}

}  // namespace

const std::vector<std::string>& public_ip_services() {
  static const std::vector<std::string> kServices{
      "https://api.ipify.org",      "https://ip2location.io/ip",
      "https://ipinfo.io/ip",       "https://ifconfig.me",
      "https://www.trackip.net/ip", "https://checkip.amazonaws.com/",
      "https://icanhazip.com",      "https://ipecho.net/plain",
      "https://ident.me/",          "http://whatismyip.akamai.com/"};
  return kServices;
}

std::string user_agent(std::string_view version) {
  return "Mysterium node(" + std::string(version) + "; https://mysterium.network)";
}

void ApiClient::proposals(const core::ProposalFilter& filter, const core::SupportedKinds& kinds,
                          Callback<std::vector<core::Proposal>> done) {
  HttpClient::Call call =
      call_of(with_query(options_.discovery + "/proposals", core::to_query(filter)));
  call.max_response_bytes = kMaxList;
  ask<std::vector<core::Proposal>>(
      http_, std::move(call),
      [filter, kinds](const std::string& body) -> Result<std::vector<core::Proposal>> {
        if (trim(body).empty()) return std::vector<core::Proposal>{};
        MYST_TRY_ASSIGN(std::vector<core::Proposal> list, read_proposal_list(body));
        list.erase(std::remove_if(list.begin(), list.end(),
                                  [&](const core::Proposal& proposal) {
                                    return !core::is_valid(proposal) ||
                                           !core::is_supported(proposal, kinds) ||
                                           !core::matches_locally(filter, proposal);
                                  }),
                   list.end());
        return list;
      },
      std::move(done));
}

void ApiClient::proposal(const std::string& provider_id, const std::string& service_type,
                         const core::SupportedKinds& kinds, Callback<core::Proposal> done) {
  core::ProposalFilter filter;
  filter.provider_ids = {provider_id};
  filter.service_type = service_type;
  filter.access_policy = "all";
  filter.include_monitoring_failed = true;
  proposals(filter, kinds, [done = std::move(done)](Result<std::vector<core::Proposal>> list) {
    if (!list.ok()) return done(list.error());
    if (list->size() != 1) return done(Error{Errc::NotFound, 0, "proposal does not exist"});
    done(std::move(list->front()));
  });
}

void ApiClient::countries(const core::ProposalFilter& filter,
                          Callback<std::map<std::string, std::size_t>> done) {
  ask<std::map<std::string, std::size_t>>(
      http_, call_of(with_query(options_.discovery + "/countries", core::to_query(filter))),
      read_countries, std::move(done));
}

void ApiClient::prices(Callback<core::PriceDocument> done) {
  // The status is not looked at, as by the reference: what parses counts.
  http_.send(call_of(options_.discovery + "/prices"),
             [done = std::move(done)](const Result<HttpResponse>& answer) {
               if (!answer.ok()) return done(answer.error());
               done(read_prices(answer->body));
             });
}

void ApiClient::location(Callback<LocationAnswer> done) {
  ask<LocationAnswer>(
      http_, call_of(options_.location),
      [](const std::string& body) { return read_location(body); }, std::move(done));
}

void ApiClient::public_ip(Rng& rng, Callback<IpAddress> done) {
  const std::string& url = options_.ip_detector.empty() ? options_.location : options_.ip_detector;
  ask<IpAddress>(
      http_, call_of(url), [](const std::string& body) { return read_ip(body); },
      [http = &http_, fallbacks = options_.ip_fallbacks, random = &rng,
       done = std::move(done)](const Result<IpAddress>& ip) {
        if (ip.ok() || fallbacks.empty()) return done(ip);
        race(*http, fallbacks, *random, done);
      });
}

void ApiClient::identity_allowed(const std::string& identity, Callback<bool> done) {
  // The base is used as it is: ".../access-policies/?identity-value=0x...".
  http_.send(call_of(options_.access_policies + "?identity-value=" + core::form_encode(identity)),
             [done = std::move(done)](const Result<HttpResponse>& answer) {
               if (!answer.ok()) return done(answer.error());
               done(answer->status >= 200 && answer->status <= 299);
             });
}

void ApiClient::access_policy(const std::string& source, const std::string& etag,
                              Callback<FetchedPolicy> done) {
  HttpClient::Call call = call_of(source);
  call.headers.add("If-None-Match", etag);
  http_.send(std::move(call), [etag, done = std::move(done)](const Result<HttpResponse>& answer) {
    if (!answer.ok()) return done(answer.error());
    FetchedPolicy out;
    if (answer->status == 304) {
      out.etag = etag;
      return done(std::move(out));
    }
    if (answer->status < 200 || answer->status > 299) {
      return done(Error{Errc::Rejected, answer->status, "access policy is not to be had"});
    }
    auto document = read_access_policy(answer->body);
    if (!document.ok()) return done(document.error());
    out.document = std::move(*document);
    out.etag = std::string(answer->headers.get("ETag"));
    done(std::move(out));
  });
}

void ApiClient::access_policies_text(Callback<std::string> done) {
  ask<std::string>(
      http_, call_of(options_.access_policies), [](const std::string& body) { return body; },
      std::move(done));
}

void fetch_network_document(HttpClient& http, std::string_view hub,
                            std::function<void(Result<core::NetworkDocument>)> done) {
  auto url = network_document_url(hub);
  // A bad URL is told from the loop too: an empty one fails there.
  const std::optional<Error> bad = url.ok() ? std::nullopt : std::optional<Error>(url.error());
  ask<core::NetworkDocument>(
      http, call_of(url.ok() ? *url : ""),
      [](const std::string& body) { return read_network_document(body); },
      [bad, done = std::move(done)](Result<core::NetworkDocument> document) {
        if (bad) return done(*bad);
        done(std::move(document));
      });
}

}  // namespace myst::discovery
