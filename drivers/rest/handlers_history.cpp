// Session history, figures about the provider, and what is left of the chain's operations without
// one.
#include <algorithm>

#include "core/base/text.hpp"
#include "drivers/rest/bodies.hpp"
#include "drivers/rest/handlers.hpp"
#include "drivers/rest/paging.hpp"

namespace myst::rest {
namespace {

constexpr std::int64_t kMaxDays = 3660;  // of a daily statistic

constexpr std::int64_t kDaySeconds = 86400;
WallTime start_of(std::int64_t day) { return WallTime(std::chrono::seconds(day * kDaySeconds)); }

// The filter of the query; nullopt: answered.
std::optional<SessionFilter> read_filter(Exchange& exchange) {
  SessionFilter filter;
  std::vector<FieldFault> faults;
  const auto date = [&](const char* name) -> std::optional<std::int64_t> {
    const std::string text = exchange.query_or(name, "");
    if (text.empty()) return std::nullopt;
    const auto day = parse_date(text);
    if (!day.ok()) {
      faults.push_back(
          {name, "invalid_value", "'" + std::string(name) + "' is not a date such as 2024-01-31"});
      return std::nullopt;
    }
    return *day;
  };
  const auto from = date("date_from"), to = date("date_to");
  if (from) filter.from = start_of(*from);
  if (to) filter.to = start_of(*to + 1) - std::chrono::seconds{1};
  const std::string direction = exchange.query_or("direction", "");
  if (direction == "Provided" || direction == "Consumed") {
    filter.direction = direction == "Provided" ? Direction::Provided : Direction::Consumed;
  } else if (!direction.empty()) {
    faults.push_back(
        {"direction", "invalid_value", "'direction' is neither Provided nor Consumed"});
  }
  const std::string status = exchange.query_or("status", "");
  if (status == "New" || status == "Completed") {
    filter.completed = status == "Completed";
  } else if (!status.empty()) {
    faults.push_back({"status", "invalid_value", "'status' is neither New nor Completed"});
  }
  filter.consumer_id = exchange.query_or("consumer_id", "");
  filter.hermes_id = exchange.query_or("hermes_id", "");
  filter.provider_id = exchange.query_or("provider_id", "");
  filter.service_type = exchange.query_or("service_type", "");
  if (faults.empty()) return filter;
  exchange.fail_validation(faults, faults.size() == 1 ? faults[0].message : std::string());
  return std::nullopt;
}

void send_page(Exchange& exchange, const Page& page, const SessionPage& found) {
  std::string body;
  body.reserve(128 + found.items.size() * 512);
  json::Writer out(body);
  out.begin_object().key("items").begin_array();
  for (const SessionRecord& session : found.items) write_session(out, session);
  out.end_array();
  write_page(out, page);
  out.end_object();
  exchange.send_json(200, std::move(body));
}

// "1d", "7d" or "30d" as the start of the range; nullopt: answered with the endpoint's own code.
std::optional<WallTime> read_range(Api& api, Exchange& exchange, const char* code) {
  const std::string text = exchange.query_or("range", "");
  const int days = text == "1d" ? 1 : text == "7d" ? 7 : text == "30d" ? 30 : 0;
  if (days != 0) return api.node().now().wall - std::chrono::hours{24 * days};
  exchange.fail({400, code, "'range' is 1d, 7d or 30d"});
  return std::nullopt;
}

}  // namespace

void get_sessions(Api& api, const ExchangePtr& exchange) {
  const auto asked = read_page(*exchange);
  if (!asked) return;
  auto filter = read_filter(*exchange);
  if (!filter) return;
  answer_paged<SessionPage>(
      exchange, *asked,
      [&api, filter = std::move(*filter)](std::uint32_t size, std::uint64_t offset,
                                          Done<SessionPage> done) {
        api.node().sessions(filter, size, offset, std::move(done));
      },
      send_page);
}

void get_sessions_aggregated(Api& api, const ExchangePtr& exchange) {
  auto filter = read_filter(*exchange);
  if (!filter) return;
  api.node().session_stats(
      std::move(*filter),
      answer<SessionStats>(exchange, [](Exchange& e, const SessionStats& stats) {
        std::string body;
        json::Writer out(body);
        out.begin_object().key("stats");
        write_stats(out, stats);
        out.end_object();
        e.send_json(200, std::move(body));
      }));
}

void get_sessions_daily(Api& api, const ExchangePtr& exchange) {
  auto filter = read_filter(*exchange);
  if (!filter) return;
  const std::int64_t today = unix_seconds(api.node().now().wall) / kDaySeconds;
  const std::int64_t to = filter->to ? unix_seconds(*filter->to) / kDaySeconds : today;
  const std::int64_t from = filter->from ? unix_seconds(*filter->from) / kDaySeconds : to - 30;
  if (to - from >= kMaxDays) {
    return exchange->fail_validation(
        {{"date_from", "invalid_value", "the range is longer than ten years"}});
  }
  filter->from = start_of(from);
  filter->to = start_of(to + 1) - std::chrono::seconds{1};
  const SessionFilter totals = *filter;
  api.node().session_stats_daily(
      std::move(*filter),
      answer<std::vector<DayStats>>(
          exchange, [&api, exchange, totals, from, to](Exchange&, std::vector<DayStats> days) {
            // Distinct consumers of a range are not the sum of those of its days.
            api.node().session_stats(
                totals, answer<SessionStats>(exchange, [days = std::move(days), from, to](
                                                           Exchange& e, const SessionStats& sum) {
                  std::map<std::int64_t, const SessionStats*> by_day;
                  for (const DayStats& day : days) by_day[day.day] = &day.stats;
                  std::string body;
                  json::Writer out(body);
                  out.begin_object().key("items").begin_object();
                  for (std::int64_t day = from; day <= to; ++day) {
                    out.key(date_text(day));
                    const auto found = by_day.find(day);
                    write_stats(out, found != by_day.end() ? *found->second : SessionStats{});
                  }
                  out.end_object().key("stats");
                  write_stats(out, sum);
                  out.end_object();
                  e.send_json(200, std::move(body));
                }));
          }));
}

void get_connectivity(Api& api, const ExchangePtr& exchange) {
  std::string body;
  json::Writer out(body);
  out.begin_object().key("entries").begin_array();
  for (const ConnectivityReport& report : api.node().connectivity_reports()) {
    out.begin_object()
        .member("peer_address", report.peer_address)
        .member("session_id", report.session_id)
        .member("code", report.code)
        .member("message", report.message)
        .member("created_at_utc", rfc3339(report.created))
        .end_object();
  }
  out.end_array().end_object();
  exchange->send_json(200, std::move(body));
}

void get_provider_sessions(Api& api, const ExchangePtr& exchange) {
  const auto from = read_range(api, *exchange, "err_provider_sessions");
  if (!from) return;
  // The node's own history: it is there without a quality service, and says the same.
  SessionFilter filter;
  filter.from = *from;
  filter.direction = Direction::Provided;
  api.node().sessions(
      filter, kMaxPageSize, 0,
      answer<SessionPage>(exchange, [](Exchange& e, const SessionPage& page) {
        std::string body;
        json::Writer out(body);
        out.begin_object().key("sessions").begin_array();
        for (const SessionRecord& session : page.items) {
          out.begin_object()
              .member("id", session.id)
              .member("consumer_country", session.consumer_country)
              .member("service_type", session.service_type)
              .member("duration_seconds", session.duration_s)
              .member("started_at", rfc3339(session.started));
          out.key("earnings");
          write_tokens(out, session.tokens.value_or(Wei()));
          out.member("transferred_bytes", session.bytes_received + session.bytes_sent).end_object();
        }
        out.end_array().end_object();
        e.send_json(200, std::move(body));
      }));
}

void get_provider_quality(Api&, const ExchangePtr& exchange) {
  exchange->fail({500, "err_provider_quality", "No quality service is asked by this node"});
}

void get_monitoring_status(Api& api, const ExchangePtr& exchange) {
  std::string body;
  json::Writer(body).begin_object().member("status", api.node().monitoring_status()).end_object();
  exchange->send_json(200, std::move(body));
}

void get_chain_summary(Api& api, const ExchangePtr& exchange) {
  std::string body;
  json::Writer out(body);
  out.begin_object().key("chains").begin_object();
  if (api.node().has_chain()) {
    out.member("1", "Ethereum Mainnet").member("137", "Polygon Mainnet");
  }
  out.end_object().member("current_chain", api.node().config().integer("chain-id")).end_object();
  exchange->send_json(200, std::move(body));
}

}  // namespace myst::rest
