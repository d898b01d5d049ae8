// Beneficiary, fees, settlements (node: tequilapi/endpoints/transactor.go, identities.go).
#include <algorithm>
#include <cstdio>

#include "core/base/text.hpp"
#include "core/base/url.hpp"
#include "drivers/rest/bodies.hpp"
#include "drivers/rest/handlers.hpp"
#include "drivers/rest/paging.hpp"

namespace myst::rest {
namespace {

void tokens(json::Writer& out, const char* name, const Wei& wei) {
  out.key(name);
  write_tokens(out, wei);
}

// "0.2000" is 20 %.
std::string percent(std::uint32_t per_10000) {
  char text[16];
  std::snprintf(text, sizeof text, "%u.%04u", per_10000 / 10000, per_10000 % 10000);
  return text;
}

void write_fees(json::Writer& out, const char* name, const Fees& fees) {
  out.key(name).begin_object();
  tokens(out, "registration", fees.registration);
  tokens(out, "settlement", fees.settlement);
  tokens(out, "decrease_stake", fees.decrease_stake);
  out.member("valid_until", rfc3339(fees.valid_until)).end_object();
}

// The chain the fees are asked for; nullopt: the current one.
std::optional<std::int64_t> asked_chain(const Exchange& exchange) {
  const std::string text = exchange.query_or("chain_id", "");
  if (text.empty()) return std::nullopt;
  return core::parse_integer(text);
}

using SettleCall = void (NodeApi::*)(const Address&, std::vector<Address>, bool, Done<Nothing>);

void settle(Api& api, const ExchangePtr& exchange, SettleCall call, bool wait, const char* code,
            int status) {
  auto body = parse_settle(exchange->request().body);
  // Not 400: clients of the reference know no other status here.
  if (!body.ok()) return exchange->fail({500, code, "Could not parse request"});
  const Address provider = Address::parse_lenient(body->provider_id);
  (api.node().*call)(provider, std::move(body->hermeses), wait, answer_empty(exchange, status));
}

std::optional<SettlementFilter> read_filter(Exchange& exchange) {
  SettlementFilter filter;
  std::vector<FieldFault> faults;
  const auto date = [&](const char* name) -> std::optional<std::int64_t> {
    const std::string text = exchange.query_or(name, "");
    if (text.empty()) return std::nullopt;
    const auto day = parse_date(text);
    if (day.ok()) return *day;
    faults.push_back(
        {name, "invalid_value", "'" + std::string(name) + "' is not a date such as 2024-01-31"});
    return std::nullopt;
  };
  const auto start_of = [](std::int64_t day) { return WallTime(std::chrono::hours(24 * day)); };
  if (const auto from = date("date_from")) filter.from = start_of(*from);
  if (const auto to = date("date_to")) filter.to = start_of(*to + 1) - std::chrono::seconds{1};
  for (const auto& [name, into] :
       {std::pair{"provider_id", &filter.provider}, {"hermes_id", &filter.hermes}}) {
    const std::string text = exchange.query_or(name, "");
    if (!text.empty()) *into = Address::parse_lenient(text);
  }
  bool settlement = false, withdrawal = false;
  const auto all = parse_query(exchange.query_text());
  for (const auto& [name, type] : all.ok() ? *all : QueryParameters{}) {
    if (name != "types") continue;
    settlement = settlement || type == "settlement";
    withdrawal = withdrawal || type == "withdrawal";
  }
  filter.nothing = settlement && withdrawal;
  if (settlement != withdrawal) filter.withdrawal = withdrawal;
  if (faults.empty()) return filter;
  exchange.fail_validation(faults, faults.size() == 1 ? faults[0].message : std::string());
  return std::nullopt;
}

void send_settlements(Exchange& exchange, const Page& page, const SettlementPage& found) {
  std::string body;
  body.reserve(128 + found.items.size() * 512);
  json::Writer out(body);
  out.begin_object().key("items").begin_array();
  for (const Settlement& one : found.items) {
    out.begin_object()
        .member("tx_hash", one.transaction)
        .member("provider_id", one.provider.to_string())
        .member("hermes_id", one.hermes.to_checksum())
        .member("channel_address", one.channel.to_checksum())
        .member("beneficiary", one.beneficiary.to_checksum())
        .member("amount", one.amount)
        .member("settled_at", rfc3339(one.settled_at))
        .member("fees", one.fees)
        .member("is_withdrawal", one.withdrawal)
        .member("block_explorer_url", one.explorer_url)
        .member("error", one.error)
        .end_object();
  }
  out.end_array();
  write_page(out, page);
  out.member("withdrawal_total", found.withdrawn.to_string()).end_object();
  exchange.send_json(200, std::move(body));
}

}  // namespace

void get_payout_wallet(Api& api, const ExchangePtr& exchange) {
  const auto id = Address::parse(exchange->parameter(0));
  const auto send = [](Exchange& e, const std::string& wallet) {
    std::string body;
    json::Writer(body).begin_object().member("address", wallet).end_object();
    e.send_json(200, std::move(body));
  };
  if (!id.ok()) return send(*exchange, "");
  api.node().payout_wallet(*id, answer<std::string>(exchange, send));
}

void post_payout_wallet(Api& api, const ExchangePtr& exchange) {
  const auto text = parse_wallet(exchange->request().body);
  if (!text.ok()) return exchange->fail_parse();
  const auto wallet = Address::parse(*text);
  const auto id = Address::parse(exchange->parameter(0));
  if (!wallet.ok() || !id.ok()) {
    return exchange->fail({400, "err_id_save_beneficiary_invalid_address",
                           "A wallet address is 0x and 40 hexadecimal digits"});
  }
  api.node().set_payout_wallet(
      *id, *wallet, answer<Nothing>(exchange, [text = *text](Exchange& e, Nothing) {
        std::string body;
        json::Writer(body).begin_object().member("address", text).end_object();
        e.send_json(200, std::move(body));
      }));
}

void get_beneficiary(Api& api, const ExchangePtr& exchange) {
  // Any identity, known here or not: text that is no address reads as the reference reads it.
  const Address id = Address::parse_lenient(exchange->parameter(0));
  api.node().beneficiary(
      id, answer<Beneficiary>(exchange, [](Exchange& e, const Beneficiary& beneficiary) {
        std::string body;
        json::Writer(body)
            .begin_object()
            .member("beneficiary", beneficiary.wallet.to_checksum())
            .member("is_channel_address", beneficiary.own_channel)
            .end_object();
        e.send_json(200, std::move(body));
      }));
}

void post_beneficiary(Api& api, const ExchangePtr& exchange) {
  const auto body = parse_beneficiary_change(exchange->request().body);
  if (!body.ok()) return exchange->fail_parse();
  const Address id = Address::parse_lenient(exchange->parameter(0));
  api.node().change_beneficiary(id, body->hermeses, Address::parse_lenient(body->beneficiary));
  exchange->send_empty(202);
}

void get_beneficiary_status(Api& api, const ExchangePtr& exchange) {
  const BeneficiaryChange change =
      api.node().beneficiary_change(Address::parse_lenient(exchange->parameter(0)));
  using State = BeneficiaryChange::State;
  const bool none = change.state == State::None;
  std::string body;
  json::Writer(body)
      .begin_object()
      .member("state", none                             ? "not_found"
                       : change.state == State::Pending ? "pending"
                                                        : "completed")
      .member("error", change.error)
      .member("change_to", none ? std::string() : change.change_to.to_checksum())
      .end_object();
  exchange->send_json(200, std::move(body));
}

namespace {

void send_eligible(Exchange& e, bool eligible) {
  e.send_json(200, eligible ? R"({"eligible":true})" : R"({"eligible":false})");
}

}  // namespace

void get_eligibility(Api& api, const ExchangePtr& exchange) {
  api.node().eligible(Address::parse_lenient(exchange->parameter(0)),
                      answer<bool>(exchange, send_eligible));
}
void get_provider_eligibility(Api& api, const ExchangePtr& exchange) {
  api.node().eligible(std::nullopt, answer<bool>(exchange, send_eligible));
}

void get_token_reward(Api& api, const ExchangePtr& exchange) {
  api.node().token_reward(exchange->parameter(0),
                          answer<Wei>(exchange, [](Exchange& e, const Wei& reward) {
                            std::string body;
                            json::Writer(body).begin_object().member("amount", reward).end_object();
                            e.send_json(200, std::move(body));
                          }));
}

void get_fees(Api& api, const ExchangePtr& exchange) {
  api.node().fees(asked_chain(*exchange),
                  answer<FeeReport>(exchange, [](Exchange& e, const FeeReport& report) {
                    std::string body;
                    json::Writer out(body);
                    out.begin_object();
                    write_fees(out, "current", report.current);
                    write_fees(out, "last", report.last);
                    out.member("server_time", rfc3339(report.server_time))
                        .member("hermes_percent", percent(report.hermes_per_10000))
                        .end_object();
                    e.send_json(200, std::move(body));
                  }));
}

void get_old_fees(Api& api, const ExchangePtr& exchange) {
  api.node().fees(asked_chain(*exchange),
                  answer<FeeReport>(exchange, [](Exchange& e, const FeeReport& report) {
                    const Fees& fees = report.current;
                    std::string body;
                    json::Writer out(body);
                    out.begin_object().member("registration", fees.registration);
                    tokens(out, "registration_tokens", fees.registration);
                    out.member("settlement", fees.settlement);
                    tokens(out, "settlement_tokens", fees.settlement);
                    out.member("hermes", report.hermes_per_10000)
                        .member("hermes_percent", percent(report.hermes_per_10000))
                        .member("decreaseStake", fees.decrease_stake);
                    tokens(out, "decrease_stake_tokens", fees.decrease_stake);
                    out.end_object();
                    e.send_json(200, std::move(body));
                  }));
}

void post_settle_sync(Api& api, const ExchangePtr& exchange) {
  settle(api, exchange, &NodeApi::settle, true, "err_hermes_settle", 200);
}
void post_settle_async(Api& api, const ExchangePtr& exchange) {
  settle(api, exchange, &NodeApi::settle, false, "err_hermes_settle_async", 202);
}
void post_stake_increase_sync(Api& api, const ExchangePtr& exchange) {
  settle(api, exchange, &NodeApi::settle_into_stake, true, "err_transactor_settle_into_stake", 200);
}
// 200 here, as the reference answers.
void post_stake_increase_async(Api& api, const ExchangePtr& exchange) {
  settle(api, exchange, &NodeApi::settle_into_stake, false, "err_transactor_settle_into_stake",
         200);
}

// node: tequilapi/contract/transactor.go, WithdrawRequest.Validate.
void post_withdraw(Api& api, const ExchangePtr& exchange) {
  const auto body = parse_withdraw(exchange->request().body);
  if (!body.ok()) return exchange->fail_parse();
  WithdrawRequest request;
  std::vector<FieldFault> faults;
  const auto address = [&](const char* name, const std::string& text, Address& out) {
    const auto parsed = Address::parse(text);
    if (text.empty()) {
      faults.push_back({name, "required", ""});
    } else if (!parsed.ok() || parsed->is_zero()) {
      faults.push_back({name, "invalid_value", "'" + std::string(name) + "' is no address"});
    } else {
      out = *parsed;
    }
  };
  address("hermes_id", body->hermes_id, request.hermes);
  address("provider_id", body->provider_id, request.provider);
  address("beneficiary", body->beneficiary, request.beneficiary);
  const auto chain = [&](const char* name, std::int64_t id, std::uint64_t& out) {
    constexpr std::int64_t kKnown[] = {0, 1, 5, 137, 80001, 80002};
    const auto& config = api.node().config();
    if (std::find(std::begin(kKnown), std::end(kKnown), id) == std::end(kKnown) &&
        id != config.integer("chains.1.chainID") && id != config.integer("chains.2.chainID")) {
      faults.push_back({name, "invalid_value", "'" + std::string(name) + "' is no known chain"});
    }
    out = static_cast<std::uint64_t>(id);
  };
  chain("from_chain_id", body->from, request.from);
  chain("to_chain_id", body->to, request.to);
  if (!body->amount.empty()) {
    const auto amount = U256::parse(body->amount);
    const Wei most = Wei::saturating_mul(Wei(1000000000000000000u), Wei(99));
    if (!amount.ok() || amount->is_zero() || *amount > most) {
      faults.push_back({"amount", "invalid_value", "'amount' is wei as text, at most 99 MYST"});
    } else {
      request.amount = *amount;
    }
  }
  if (!faults.empty()) return exchange->fail_validation(faults);
  api.node().withdraw(request, answer_empty(exchange, 200));
}

void post_stake_decrease(Api& api, const ExchangePtr& exchange) {
  const auto body = parse_decrease_stake(exchange->request().body);
  if (!body.ok()) return exchange->fail_parse();
  api.node().decrease_stake(Address::parse_lenient(body->id), body->amount,
                            answer_empty(exchange, 202));
}

void get_settle_history(Api& api, const ExchangePtr& exchange) {
  const auto asked = read_page(*exchange);
  if (!asked) return;
  auto filter = read_filter(*exchange);
  if (!filter) return;
  answer_paged<SettlementPage>(
      exchange, *asked,
      [&api, filter = std::move(*filter)](std::uint32_t size, std::uint64_t offset,
                                          Done<SettlementPage> done) {
        api.node().settlements(filter, size, offset, std::move(done));
      },
      send_settlements);
}

}  // namespace myst::rest
