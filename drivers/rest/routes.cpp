#include "core/base/text.hpp"
#include "drivers/rest/handlers.hpp"

namespace myst::rest {
namespace {

// What is served; openapi.json describes the same, and a test holds the two together.
constexpr Route kRoutes[] = {
    {"GET", "/healthcheck", get_healthcheck, true},
    {"POST", "/stop", post_stop},
    {"GET", "/events/state", get_events},
    {"POST", "/auth/authenticate", post_authenticate, true},
    {"POST", "/auth/login", post_login, true},
    {"DELETE", "/auth/logout", delete_logout},
    {"PUT", "/auth/password", put_password},
    {"GET", "/config", get_config},
    {"GET", "/config/default", get_config_default},
    {"GET", "/config/user", get_config_user},
    {"POST", "/config/user", post_config_user},
    {"GET", "/config/ui/features", get_ui_features, true},
    {"GET", "/terms", get_terms},
    {"POST", "/terms", post_terms},
    {"GET", "/identities", get_identities},
    {"POST", "/identities", post_identities},
    {"PUT", "/identities/current", put_current_identity},
    {"POST", "/identities/export", post_export},
    {"POST", "/identities-import", post_import},
    {"GET", "/identities/provider/eligibility", get_provider_eligibility},
    {"GET", "/identities/{id}", get_identity},
    {"GET", "/identities/{id}/status", get_identity},
    {"PUT", "/identities/{id}/unlock", put_unlock},
    {"GET", "/identities/{id}/registration", get_registration},
    {"POST", "/identities/{id}/register", post_register},
    {"PUT", "/identities/{id}/balance/refresh", put_balance_refresh},
    {"GET", "/identities/{id}/beneficiary", get_beneficiary},
    {"POST", "/identities/{id}/beneficiary", post_beneficiary},
    {"GET", "/identities/{id}/beneficiary-status", get_beneficiary_status},
    {"GET", "/identities/{id}/beneficiary-async", get_payout_wallet},
    {"POST", "/identities/{id}/beneficiary-async", post_payout_wallet},
    {"GET", "/identities/{id}/eligibility", get_eligibility},
    {"POST", "/identities/{id}/migrate-hermes", post_migrate_hermes},
    {"GET", "/identities/{id}/migrate-hermes/status", get_migration_status},
    {"GET", "/connection", get_connection},
    {"PUT", "/connection", put_connection},
    {"DELETE", "/connection", delete_connection},
    {"GET", "/connection/statistics", get_connection_statistics},
    {"GET", "/connection/traffic", get_connection_traffic},
    {"GET", "/connection/ip", get_connection_ip},
    {"GET", "/connection/location", get_connection_location},
    {"GET", "/connection/proxy/ip", get_proxy_ip},
    {"GET", "/connection/proxy/location", get_proxy_location},
    {"GET", "/location", get_location},
    {"GET", "/proposals", get_proposals},
    {"GET", "/proposals/countries", get_countries},
    {"GET", "/proposals/filter-presets", get_presets},
    {"GET", "/prices/current", get_current_price},
    {"GET", "/v2/prices/current", get_current_prices},
    {"GET", "/services", get_services},
    {"POST", "/services", post_services},
    {"GET", "/services/{id}", get_service},
    {"DELETE", "/services/{id}", delete_service},
    {"GET", "/sessions", get_sessions},
    {"GET", "/sessions/stats-aggregated", get_sessions_aggregated},
    {"GET", "/sessions/stats-daily", get_sessions_daily},
    {"GET", "/sessions-connectivity-status", get_connectivity},
    {"GET", "/nat/type", get_nat_type},
    {"GET", "/node/monitoring-status", get_monitoring_status},
    {"GET", "/node/provider/sessions", get_provider_sessions},
    {"GET", "/node/provider/quality", get_provider_quality},
    {"GET", "/v2/transactor/fees", get_fees},
    {"GET", "/transactor/fees", get_old_fees},
    {"POST", "/transactor/settle/sync", post_settle_sync},
    {"POST", "/transactor/settle/async", post_settle_async},
    {"GET", "/transactor/settle/history", get_settle_history},
    {"GET", "/transactor/token/{token}/reward", get_token_reward},
    {"GET", "/affiliator/token/{token}/reward", get_token_reward},
    {"POST", "/transactor/settle/withdraw", post_withdraw},
    {"POST", "/transactor/stake/increase/sync", post_stake_increase_sync},
    {"POST", "/transactor/stake/increase/async", post_stake_increase_async},
    {"POST", "/transactor/stake/decrease", post_stake_decrease},
    {"GET", "/transactor/chain-summary", get_chain_summary},
};

bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& values) {
  values.clear();
  const std::vector<std::string_view> wanted = split(pattern, '/'), given = split(path, '/');
  if (wanted.size() != given.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i].empty() && wanted[i].front() == '{') {
      if (given[i].empty()) return false;
      values.emplace_back(given[i]);
    } else if (wanted[i] != given[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

Span<const Route> routes() { return kRoutes; }

const Route* find_route(std::string_view method, std::string_view path,
                        std::vector<std::string>* parameters) {
  if (path.size() > 1024) return nullptr;
  std::vector<std::string> values;
  for (const Route& route : kRoutes) {
    if (route.method != method || !matches(route.path, path, values)) continue;
    if (parameters != nullptr) *parameters = std::move(values);
    return &route;
  }
  return nullptr;
}

}  // namespace myst::rest
