#include "apps/hub/http_api.hpp"

#include "core/base/text.hpp"
#include "core/base/time_text.hpp"
#include "core/market/filter.hpp"
#include "core/market/price.hpp"
#include "drivers/discovery/location_codec.hpp"
#include "drivers/discovery/network_codec.hpp"
#include "drivers/discovery/price_codec.hpp"
#include "platform/json/writer.hpp"

namespace myst::hub {
namespace {

using platform::HttpRequest;
using platform::HttpResponse;

HttpResponse json_answer(std::string body, int status = 200) {
  HttpResponse out;
  out.status = status;
  out.headers.add("Content-Type", "application/json; charset=utf-8");
  out.body = std::move(body);
  return out;
}

HttpResponse text_answer(int status, std::string body) {
  HttpResponse out;
  out.status = status;
  out.headers.add("Content-Type", "text/plain; charset=utf-8");
  out.body = std::move(body);
  return out;
}

HttpResponse not_found() { return text_answer(404, "404 page not found"); }

// The host of a Host header or URL authority, without port; empty: not one we would repeat.
std::string host_of(std::string_view authority) {
  const auto address = core::BrokerAddress::parse(authority);
  return address.ok() && address->user.empty() && !address->tls ? address->host : "";
}

std::string with_port(const std::string& host, unsigned port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace

HttpResponse HttpApi::fixed(const HttpApi&, const Call& call) {
  return json_answer(std::string(call.body));
}

HttpApi::HttpApi(const Options& options, const core::ProposalIndex& index,
                 const core::LocationTable& locations, const Policies& policies,
                 const core::PriceBoard& prices, Rng& rng, std::function<HubStatus()> status)
    : options_(options),
      index_(index),
      locations_(locations),
      policies_(policies),
      prices_(prices),
      rng_(rng),
      status_(std::move(status)) {}

HttpResponse HttpApi::answer(Now now, const HttpRequest& request) const {
  std::string_view path = request.path;
  std::string_view piece;
  const Route* found = find_route(kRoutes, request.method, path, piece);
  if (found != nullptr) return found->run(*this, Call{now, piece, request, found->body});
  const bool get = request.method == "GET" || request.method == "HEAD";
  if (get && path.size() > 1 && path.back() == '/') {
    path.remove_suffix(1);
    HttpResponse moved = text_answer(301, "");
    moved.headers.add("Location",
                      std::string(path) + (request.query.empty() ? "" : "?" + request.query));
    return moved;
  }
  return not_found();
}

const HttpApi::Route HttpApi::kRoutes[] = {
    {"GET", "/api/v4/proposals",
     [](const HttpApi& self, const Call& c) { return self.proposals(c); }},
    {"GET", "/api/v3/proposals",
     [](const HttpApi& self, const Call& c) { return self.proposals(c); }},
    {"GET", "/api/v4/countries",
     [](const HttpApi& self, const Call& c) { return self.countries(c); }},
    {"GET", "/api/v3/countries",
     [](const HttpApi& self, const Call& c) { return self.countries(c); }},
    {"GET", "/api/v4/proposals-metadata",
     [](const HttpApi& self, const Call& c) { return self.metadata(c); }},
    {"GET", "/api/v3/proposals-metadata",
     [](const HttpApi& self, const Call& c) { return self.metadata(c); }},
    {"GET", "/api/v4/prices",
     [](const HttpApi& self, const Call& c) {
       return json_answer(discovery::write_prices(self.prices_.document(c.now.wall)));
     }},
    {"GET", "/api/v4/ping", fixed, R"({"message":"pong"})"},
    {"GET", "/api/v3/ping", fixed, R"({"message":"pong"})"},
    {"GET", "/api/v4/status", fixed, R"({"cache_ok":true})"},
    {"GET", "/api/v3/status", fixed, R"({"cache_ok":true})"},
    {"GET", "/access-policies",
     [](const HttpApi& self, const Call& c) { return self.policies(c); }},
    {"GET", "/access-policies/",
     [](const HttpApi& self, const Call& c) { return self.policies(c); }},
    {"GET", "/access-policies/{}",
     [](const HttpApi& self, const Call& c) { return self.policies(c); }},
    {"GET", "/location", [](const HttpApi& self, const Call& c) { return self.location(c); }},
    {"GET", "/ip", [](const HttpApi& self, const Call& c) { return self.ip(c); }},
    {"GET", "/network", [](const HttpApi& self, const Call& c) { return self.network(c.request); }},
    {"GET", "/status", [](const HttpApi& self, const Call& c) { return self.status(c.now); }},
    {"GET", "/",
     [](const HttpApi& self, const Call&) {
       return text_answer(
           200, "myst-hub of the network \"" + self.options_.name +
                    "\". Nodes join with: myst --network <this URL>. See /network and /status.\n");
     }},
    // Nobody measures quality here. These answers are what a node reads as "nothing known".
    {"POST", "/quality/api/v3/batch", fixed, "{}"},
    {"POST", "/quality/api/v3/providers/monitoring-status", fixed, "{}"},
    {"GET", "/quality/api/v3/providers/quality", fixed, "[]"},
    {"GET", "/quality/api/v3/providers/sessions", fixed, R"({"connects":[]})"},
    {"GET", "/quality/api/v3/provider/statuses", fixed, "{}"},
    {"GET", "/quality/api/v3/provider/sessions", fixed, "[]"},
    {"GET", "/quality/api/v3/provider/transferred-data", fixed, R"({"transferred_data_bytes":0})"},
    {"GET", "/quality/api/v3/provider/sessions-count", fixed, R"({"count":0})"},
    {"GET", "/quality/api/v3/provider/consumers-count", fixed, R"({"count":0})"},
    {"GET", "/quality/api/v3/provider/series-earnings", fixed, R"({"data":[]})"},
    {"GET", "/quality/api/v3/provider/series-sessions", fixed, R"({"data":[]})"},
    {"GET", "/quality/api/v3/provider/series-data", fixed, R"({"data":[]})"},
    {"GET", "/quality/api/v3/provider/service-earnings", fixed,
     R"({"public":"0","data_transfer":"0","scraping":"0","dvpn":"0","monitoring":"0",)"
     R"("total_public":"0","total_data_transfer":"0","total_scraping":"0","total_dvpn":"0",)"
     R"("total_monitoring":"0","total":"0"})"},
    {"GET", "/quality/api/v3/provider/activity-stats", fixed,
     R"({"online_percent":0,"active_percent":0})"},
    {"GET", "/quality/api/v3/provider/quality", fixed, R"({"quality":0})"},
};

std::vector<RouteName> HttpApi::routes() {
  std::vector<RouteName> out;
  add_names(out, "", kRoutes);
  return out;
}

HttpResponse HttpApi::proposals(const Call& call) const {
  return json_answer(index_.list(core::parse_proposal_query(call.request.query), true, rng_));
}

HttpResponse HttpApi::countries(const Call& call) const {
  std::string body;
  json::Writer writer(body);
  writer.begin_object();
  for (const auto& [country, count] :
       index_.countries(core::parse_proposal_query(call.request.query))) {
    writer.member(country, count);
  }
  writer.end_object();
  return json_answer(std::move(body));
}

HttpResponse HttpApi::metadata(const Call&) const {
  std::string body;
  json::Writer writer(body);
  const auto all = index_.metadata();
  if (all.empty()) return json_answer("null");
  writer.begin_array();
  for (const auto& item : all) {
    const core::Proposal& proposal = *item.proposal;
    writer.begin_object()
        .member("provider_id", proposal.provider_id)
        .member("service_type", proposal.service_type);
    for (const auto& [name, text] : {std::pair("country", &proposal.location.country),
                                     std::pair("isp", &proposal.location.isp),
                                     std::pair("ip_type", &proposal.location.ip_type)}) {
      if (!text->empty()) writer.member(name, *text);
    }
    for (const auto& policy : proposal.policies()) {
      if (policy.id != "mysterium") continue;
      writer.member("whitelist", true);
      break;
    }
    if (item.monitoring_failed) writer.member("monitoring_failed", true);
    writer.member("updated_at", to_rfc3339(item.updated_at)).end_object();
  }
  writer.end_array();
  return json_answer(std::move(body));
}

HttpResponse HttpApi::location(const Call& call) const {
  discovery::LocationAnswer answer;
  answer.ip = caller(call.request);
  const core::Place place = locations_.find(answer.ip);
  answer.location.country = place.country;
  answer.location.ip_type = place.ip_type;
  return json_answer(discovery::write_location(answer));
}

HttpResponse HttpApi::ip(const Call& call) const {
  std::string body;
  json::Writer(body).begin_object().member("ip", caller(call.request).to_string()).end_object();
  return json_answer(body);
}

HttpResponse HttpApi::policies(const Call& call) const {
  const std::string_view id = call.piece;
  const HttpRequest& request = call.request;
  const Policies::Served* served = id.empty() ? &policies_.all() : policies_.find(id);
  if (id.empty()) {
    for (const std::string_view pair : split(request.query, '&')) {
      if (pair.substr(0, 15) != "identity-value=") continue;
      const std::string identity = core::form_decode(pair.substr(15));
      return policies_.allows(identity) ? json_answer("{}") : json_answer("{}", 404);
    }
  }
  if (served == nullptr) return json_answer(R"({"message":"no such access policy"})", 404);
  if (request.headers.get("If-None-Match") == served->etag) {
    HttpResponse same;
    same.status = 304;
    same.headers.add("ETag", served->etag);
    return same;
  }
  HttpResponse out = json_answer(served->json);
  out.headers.add("ETag", served->etag);
  return out;
}

HttpResponse HttpApi::network(const HttpRequest& request) const {
  std::string base = options_.public_url;
  if (base.empty()) {
    // The name the caller knows us by is a name other nodes of his network can use too. The port
    // may have been mapped on the way, so it is taken as it was asked for.
    const std::string_view authority = request.headers.get("Host");
    const std::string host = host_of(authority);
    if (host.empty()) {
      return json_answer(
          R"({"message":"the request has no usable Host header; start myst-hub with --public-url"})",
          400);
    }
    base = "http://" + std::string(authority);
  }
  std::string host = options_.public_address;
  if (host.empty()) {
    std::string_view authority = std::string_view(base).substr(base.find("://") + 3);
    host = host_of(authority.substr(0, authority.find('/')));
  }
  core::NetworkDocument document;
  document.name = options_.name;
  const unsigned broker_port =
      options_.broker_listen.port != 0 ? options_.broker_listen.port : options_.upstream_port;
  document.brokers = {"nats://" + with_port(host, broker_port)};
  document.discovery = base + "/api/v4";
  document.location = base + "/location";
  document.ip_detector = base + "/location";
  if (options_.stun_port != 0) document.stun_servers = {with_port(host, options_.stun_port)};
  if (options_.port_check_port != 0) {
    document.port_check_servers = {with_port(host, options_.port_check_port)};
  }
  document.access_policies = base + "/access-policies/";
  document.quality = base + "/quality/api/v3";
  if (contracts_) document.contracts = contracts_(base);
  return json_answer(discovery::write_network_document(document));
}

HttpResponse HttpApi::status(Now now) const {
  const HubStatus status = status_();
  const auto& proposals = index_.counters();
  std::string body;
  json::Writer writer(body);
  writer.begin_object()
      .member("network", options_.name)
      .member("time", to_rfc3339(now.wall))
      .member("uptime_seconds", status.uptime_seconds);
  writer.key("broker").begin_object().member("connected", status.broker_connected);
  if (!status.broker_problem.empty()) writer.member("problem", status.broker_problem);
  writer.member("clients", status.broker_clients)
      .member("turned_away", status.broker_turned_away)
      .member("published", status.gate.published)
      .member("subscribed", status.gate.subscribed)
      .member("signatures_verified", status.gate.verified)
      .member("refused_unsigned", status.gate.refused_unsigned)
      .member("refused_forged", status.gate.refused_forged)
      .member("refused_stale", status.gate.refused_stale)
      .member("refused_malformed", status.gate.refused_malformed)
      .end_object();
  writer.key("proposals")
      .begin_object()
      .member("live", index_.size())
      .member("providers", index_.providers())
      .member("added", proposals.added)
      .member("refreshed", proposals.refreshed)
      .member("removed", proposals.removed)
      .member("expired", proposals.expired)
      .member("refused", proposals.refused + status.proposals_refused)
      .end_object();
  writer.member("access_policies", policies_.size());
  if (!status.data_problem.empty()) writer.member("data_problem", status.data_problem);
  if (status.hermes) {
    writer.key("hermes").begin_object();
    if (!status.hermes_problem.empty()) writer.member("problem", status.hermes_problem);
    writer.member("waiting", status.hermes_waiting)
        .member("requests", status.hermes->requests)
        .member("promises", status.hermes->promises)
        .member("reveals", status.hermes->reveals)
        .member("refused", status.hermes->refused)
        .member("turned_away", status.hermes->turned_away)
        .member("transactions", status.hermes->batches)
        .member("failed_transactions", status.hermes->failed_batches)
        .member("chain_queries", status.hermes->chain_queries)
        .member("chain_failures", status.hermes->chain_failures)
        .end_object();
  }
  if (status.transactor) {
    writer.key("transactor")
        .begin_object()
        .member("account", status.transactor_account)
        .member("transactions_waiting", status.transactions_waiting)
        .member("transactions_pending", status.transactions_pending)
        .member("open", status.transactor_open)
        .member("accepted", status.transactor->accepted)
        .member("repeated", status.transactor->repeated)
        .member("refused", status.transactor->refused)
        .member("done", status.transactor->done)
        .member("failed", status.transactor->failed)
        .end_object();
  }
  writer.end_object();
  return json_answer(std::move(body));
}

IpAddress HttpApi::caller(const HttpRequest& request) const {
  const IpAddress peer = request.peer.ip;
  if (options_.trusted_proxy.empty() || peer.to_string() != options_.trusted_proxy) return peer;
  // The last entry is the one the proxy itself wrote.
  const std::string_view forwarded = request.headers.get("X-Forwarded-For");
  const std::size_t comma = forwarded.rfind(',');
  const auto ip = IpAddress::parse(
      trim(comma == std::string_view::npos ? forwarded : forwarded.substr(comma + 1)));
  return ip.ok() ? *ip : peer;
}

}  // namespace myst::hub
