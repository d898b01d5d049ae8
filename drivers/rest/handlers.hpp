// One function an operation; the table in routes.cpp names them. Private to drivers/rest.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "drivers/rest/api.hpp"
#include "drivers/rest/contract.hpp"

namespace myst::rest {

// handlers_daemon.cpp
void get_healthcheck(Api& api, const ExchangePtr& exchange);
void post_stop(Api& api, const ExchangePtr& exchange);
void get_events(Api& api, const ExchangePtr& exchange);
void post_authenticate(Api& api, const ExchangePtr& exchange);
void post_login(Api& api, const ExchangePtr& exchange);
void delete_logout(Api& api, const ExchangePtr& exchange);
void put_password(Api& api, const ExchangePtr& exchange);
void get_config(Api& api, const ExchangePtr& exchange);
void get_config_default(Api& api, const ExchangePtr& exchange);
void get_config_user(Api& api, const ExchangePtr& exchange);
void post_config_user(Api& api, const ExchangePtr& exchange);
void get_ui_features(Api& api, const ExchangePtr& exchange);
void get_terms(Api& api, const ExchangePtr& exchange);
void post_terms(Api& api, const ExchangePtr& exchange);

// handlers_identity.cpp
void get_identities(Api& api, const ExchangePtr& exchange);
void post_identities(Api& api, const ExchangePtr& exchange);
void put_current_identity(Api& api, const ExchangePtr& exchange);
void get_identity(Api& api, const ExchangePtr& exchange);
void put_unlock(Api& api, const ExchangePtr& exchange);
void get_registration(Api& api, const ExchangePtr& exchange);
void post_register(Api& api, const ExchangePtr& exchange);
void put_balance_refresh(Api& api, const ExchangePtr& exchange);
void post_export(Api& api, const ExchangePtr& exchange);
void post_import(Api& api, const ExchangePtr& exchange);
void post_migrate_hermes(Api& api, const ExchangePtr& exchange);
void get_migration_status(Api& api, const ExchangePtr& exchange);

// handlers_money.cpp
void get_payout_wallet(Api& api, const ExchangePtr& exchange);
void post_payout_wallet(Api& api, const ExchangePtr& exchange);
void get_beneficiary(Api& api, const ExchangePtr& exchange);
void post_beneficiary(Api& api, const ExchangePtr& exchange);
void get_beneficiary_status(Api& api, const ExchangePtr& exchange);
void get_token_reward(Api& api, const ExchangePtr& exchange);
void get_eligibility(Api& api, const ExchangePtr& exchange);
void get_provider_eligibility(Api& api, const ExchangePtr& exchange);
void get_fees(Api& api, const ExchangePtr& exchange);
void get_old_fees(Api& api, const ExchangePtr& exchange);
void post_settle_sync(Api& api, const ExchangePtr& exchange);
void post_settle_async(Api& api, const ExchangePtr& exchange);
void post_stake_increase_sync(Api& api, const ExchangePtr& exchange);
void post_stake_increase_async(Api& api, const ExchangePtr& exchange);
void post_withdraw(Api& api, const ExchangePtr& exchange);
void post_stake_decrease(Api& api, const ExchangePtr& exchange);
void get_settle_history(Api& api, const ExchangePtr& exchange);

// handlers_connection.cpp
void get_connection(Api& api, const ExchangePtr& exchange);
void put_connection(Api& api, const ExchangePtr& exchange);
void delete_connection(Api& api, const ExchangePtr& exchange);
void get_connection_statistics(Api& api, const ExchangePtr& exchange);
void get_connection_traffic(Api& api, const ExchangePtr& exchange);
void get_connection_ip(Api& api, const ExchangePtr& exchange);
void get_connection_location(Api& api, const ExchangePtr& exchange);
void get_proxy_ip(Api& api, const ExchangePtr& exchange);
void get_proxy_location(Api& api, const ExchangePtr& exchange);
void get_location(Api& api, const ExchangePtr& exchange);
void get_nat_type(Api& api, const ExchangePtr& exchange);

// handlers_market.cpp
void get_proposals(Api& api, const ExchangePtr& exchange);
void get_countries(Api& api, const ExchangePtr& exchange);
void get_presets(Api& api, const ExchangePtr& exchange);
void get_current_price(Api& api, const ExchangePtr& exchange);
void get_current_prices(Api& api, const ExchangePtr& exchange);
void get_services(Api& api, const ExchangePtr& exchange);
void post_services(Api& api, const ExchangePtr& exchange);
void get_service(Api& api, const ExchangePtr& exchange);
void delete_service(Api& api, const ExchangePtr& exchange);

// handlers_history.cpp
void get_sessions(Api& api, const ExchangePtr& exchange);
void get_sessions_aggregated(Api& api, const ExchangePtr& exchange);
void get_sessions_daily(Api& api, const ExchangePtr& exchange);
void get_connectivity(Api& api, const ExchangePtr& exchange);
void get_provider_sessions(Api& api, const ExchangePtr& exchange);
void get_provider_quality(Api& api, const ExchangePtr& exchange);
void get_monitoring_status(Api& api, const ExchangePtr& exchange);
void get_chain_summary(Api& api, const ExchangePtr& exchange);

// An outcome to an answer: failures are sent, a value is given on.
template <typename T>
Done<T> answer(const ExchangePtr& exchange, std::function<void(Exchange&, T)> with_value) {
  return [exchange, with_value = std::move(with_value)](Outcome<T> outcome) {
    if (const auto* failure = std::get_if<Failure>(&outcome)) {
      exchange->fail(*failure);
    } else {
      with_value(*exchange, std::move(*std::get_if<T>(&outcome)));
    }
  };
}
// An operation whose success has no body.
inline Done<Nothing> answer_empty(const ExchangePtr& exchange, int status) {
  return answer<Nothing>(exchange, [status](Exchange& e, Nothing) { e.send_empty(status); });
}

}  // namespace myst::rest
