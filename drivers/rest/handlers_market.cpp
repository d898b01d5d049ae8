// Proposals, prices, and the services of the provider.
#include <algorithm>

#include "core/base/text.hpp"
#include "drivers/rest/bodies.hpp"
#include "drivers/rest/handlers.hpp"

namespace myst::rest {
namespace {

using PricedList = std::vector<core::PricedProposal>;

constexpr std::string_view kServiceTypes[] = {"openvpn",  "wireguard",     "noop",
                                              "scraping", "quic_scraping", "data_transfer",
                                              "dvpn",     "monitoring"};
// What include_all names when it is not running.
constexpr std::string_view kListedTypes[] = {"wireguard",     "scraping", "quic_scraping",
                                             "data_transfer", "dvpn",     "monitoring"};

// Proposals by the request's query; "auto" probes the NAT first and goes without when that fails.
void find_proposals(Api& api, const ExchangePtr& exchange, const char* error_code,
                    std::function<void(Exchange&, PricedList)> with_list) {
  core::ProposalFilter filter = core::parse_proposal_query(exchange->query_text());
  // Empty means the default floor; only a written 0 removes it.
  if (exchange->query_or("compatibility_min", "").empty()) filter.compatibility_min = 2;
  const auto ask = [&api, exchange, error_code,
                    with_list = std::move(with_list)](core::ProposalFilter wanted) {
    api.node().proposals(std::move(wanted),
                         [exchange, error_code, with_list](Outcome<PricedList> outcome) {
                           if (auto* failure = std::get_if<Failure>(&outcome)) {
                             failure->code = error_code;
                             exchange->fail(*failure);
                           } else {
                             with_list(*exchange, std::move(*std::get_if<PricedList>(&outcome)));
                           }
                         });
  };
  if (filter.nat_compatibility != "auto") return ask(std::move(filter));
  api.node().nat_type([ask, filter](Outcome<std::string> outcome) mutable {
    const std::string* type = std::get_if<std::string>(&outcome);
    filter.nat_compatibility = type != nullptr ? *type : "";
    ask(std::move(filter));
  });
}

// Types without a price of their own use data_transfer's.
std::optional<core::Price> price_of(const core::PriceSet& set, std::size_t index) {
  if (set[index]) return set[index];
  return set[static_cast<std::size_t>(core::PricedService::DataTransfer)];
}

void send_service(Exchange& exchange, int status, const ServiceInfo& info) {
  std::string body;
  json::Writer out(body);
  write_service(out, info);
  exchange.send_json(status, std::move(body));
}

}  // namespace

void get_proposals(Api& api, const ExchangePtr& exchange) {
  const int wanted = core::parse_proposal_query(exchange->query_text()).preset_id;
  const auto presets = api.node().presets();
  if (wanted != 0 && std::none_of(presets.begin(), presets.end(),
                                  [&](const auto& preset) { return preset.id == wanted; })) {
    return exchange->fail({500, "err_proposals_query", "No such filter preset"});
  }
  find_proposals(api, exchange, "err_proposals_query", [](Exchange& e, const PricedList& list) {
    std::string body;
    body.reserve(32 + list.size() * 700);
    json::Writer out(body);
    out.begin_object().key("proposals").begin_array();
    for (const core::PricedProposal& proposal : list) write_proposal(out, proposal);
    out.end_array().end_object();
    e.send_json(200, std::move(body));
  });
}

void get_countries(Api& api, const ExchangePtr& exchange) {
  find_proposals(api, exchange, "err_proposals_countries_query",
                 [](Exchange& e, const PricedList& list) {
                   std::map<std::string, std::uint64_t> counts;
                   for (const auto& item : list) ++counts[item.proposal.location.country];
                   std::string body;
                   json::Writer out(body);
                   out.begin_object();
                   for (const auto& [country, count] : counts) out.member(country, count);
                   out.end_object();
                   e.send_json(200, std::move(body));
                 });
}

void get_presets(Api& api, const ExchangePtr& exchange) {
  std::string body;
  json::Writer out(body);
  out.begin_object().key("items").begin_array();
  for (const core::FilterPreset& preset : api.node().presets()) {
    out.begin_object().member("id", preset.id).member("name", preset.name).end_object();
  }
  out.end_array().end_object();
  exchange->send_json(200, std::move(body));
}

void get_current_price(Api& api, const ExchangePtr& exchange) {
  std::string type = exchange->query_or("service_type", "");
  if (type.empty()) type = "wireguard";
  const auto* begin = core::kPricedServiceNames.begin();
  const auto* found = std::find(begin, core::kPricedServiceNames.end(), type);
  if (found == core::kPricedServiceNames.end()) {
    return exchange->fail({400, "err_proposals_service_type", "Invalid service type"});
  }
  api.node().current_prices(
      answer<core::PriceSet>(exchange, [type, index = static_cast<std::size_t>(found - begin)](
                                           Exchange& e, const core::PriceSet& set) {
        const auto price = price_of(set, index);
        if (!price)
          return e.fail({500, "err_proposals_prices", "There is no price for this service"});
        std::string body;
        json::Writer out(body);
        write_price(out, type, *price);
        e.send_json(200, std::move(body));
      }));
}

void get_current_prices(Api& api, const ExchangePtr& exchange) {
  api.node().current_prices(
      answer<core::PriceSet>(exchange, [](Exchange& e, const core::PriceSet& set) {
        std::string body;
        json::Writer out(body);
        out.begin_array();
        for (std::size_t i = 0; i < core::kPricedServices; ++i) {
          const auto price = price_of(set, i);
          if (price) write_price(out, core::kPricedServiceNames[i], *price);
        }
        out.end_array();
        e.send_json(200, std::move(body));
      }));
}

void get_services(Api& api, const ExchangePtr& exchange) {
  const std::string all = exchange->query_or("include_all", "");
  const auto include_all = core::parse_bool(all);
  if (!all.empty() && !include_all) {
    return exchange->fail_validation(
        {{"include_all", "err_service_list", "'include_all' is not a boolean"}});
  }
  std::vector<ServiceInfo> services = api.node().services();
  if (include_all.value_or(false)) {
    for (const std::string_view type : kListedTypes) {
      const bool runs = std::any_of(services.begin(), services.end(),
                                    [&](const ServiceInfo& info) { return info.type == type; });
      if (runs) continue;
      ServiceInfo idle;
      idle.type = std::string(type);
      services.push_back(std::move(idle));
    }
  }
  std::string body;
  json::Writer out(body);
  out.begin_array();
  for (const ServiceInfo& info : services) write_service(out, info);
  out.end_array();
  exchange->send_json(200, std::move(body));
}

void post_services(Api& api, const ExchangePtr& exchange) {
  auto body = parse_service(exchange->request().body);
  if (!body.ok()) return exchange->fail_parse();
  std::vector<FieldFault> faults;
  const auto provider = Address::parse(body->provider_id);
  if (body->provider_id.empty()) {
    faults.push_back({"provider_id", "required", ""});
  } else if (!provider.ok()) {
    faults.push_back({"provider_id", "invalid_value", "'provider_id' is not an identity"});
  }
  if (body->type.empty()) {
    faults.push_back({"type", "required", ""});
  } else if (std::find(std::begin(kServiceTypes), std::end(kServiceTypes), body->type) ==
             std::end(kServiceTypes)) {
    faults.push_back({"type", "invalid_value", "Invalid service type"});
  }
  if (body->options_fault && body->type != "noop") {
    faults.push_back({"options", "invalid_value", "Invalid options"});
  }
  if (!faults.empty()) return exchange->fail_validation(faults);
  ServiceStart start;
  start.provider = *provider;
  start.type = std::move(body->type);
  start.policies = std::move(body->policies);
  if (start.type != "noop") start.options = std::move(body->options);
  start.keep_user_config = exchange->query_flag("ignore_user_config");
  api.node().start_service(std::move(start),
                           answer<ServiceInfo>(exchange, [](Exchange& e, const ServiceInfo& info) {
                             send_service(e, 201, info);
                           }));
}

void get_service(Api& api, const ExchangePtr& exchange) {
  for (const ServiceInfo& info : api.node().services()) {
    if (info.id == exchange->parameter(0)) return send_service(*exchange, 200, info);
  }
  exchange->fail_not_found("service");
}

void delete_service(Api& api, const ExchangePtr& exchange) {
  api.node().stop_service(exchange->parameter(0), exchange->query_flag("ignore_user_config"),
                          answer_empty(exchange, 202));
}

}  // namespace myst::rest
