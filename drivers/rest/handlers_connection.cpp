// Connections of the consumer, addresses and locations.
#include "core/base/text.hpp"
#include "drivers/rest/bodies.hpp"
#include "drivers/rest/handlers.hpp"

namespace myst::rest {
namespace {

// The slot in `id`, default 0; unreadable: answered.
std::optional<int> read_slot(Exchange& exchange) {
  const std::string text = exchange.query_or("id", "");
  if (text.empty()) return 0;
  const auto number = core::parse_integer(text);
  if (number && *number >= -65535 && *number <= 65535) return static_cast<int>(*number);
  exchange.fail_parse();
  return std::nullopt;
}

// The port of a proxy; what does not parse counts as 0.
int read_port(const Exchange& exchange) {
  const auto number = core::parse_integer(exchange.query_or("port", ""));
  return number && *number >= 0 && *number <= 65535 ? static_cast<int>(*number) : 0;
}

void send_connection(Exchange& exchange, int status, const ConnectionInfo& info) {
  std::string body;
  json::Writer out(body);
  write_connection(out, info);
  exchange.send_json(status, std::move(body));
}

void send_ip(Api& api, const ExchangePtr& exchange, int slot) {
  api.node().public_ip(slot, answer<std::string>(exchange, [](Exchange& e, const std::string& ip) {
                         std::string body;
                         json::Writer(body).begin_object().member("ip", ip).end_object();
                         e.send_json(200, std::move(body));
                       }));
}

Done<Location> answer_location(const ExchangePtr& exchange) {
  return answer<Location>(exchange, [](Exchange& e, const Location& location) {
    std::string body;
    json::Writer out(body);
    write_location(out, location);
    e.send_json(200, std::move(body));
  });
}

}  // namespace

void get_connection(Api& api, const ExchangePtr& exchange) {
  const auto slot = read_slot(*exchange);
  if (slot) send_connection(*exchange, 200, api.node().connection(*slot));
}

void put_connection(Api& api, const ExchangePtr& exchange) {
  auto body = parse_connect(exchange->request().body);
  if (!body.ok()) return exchange->fail_parse();
  if (body->consumer_id.empty())
    return exchange->fail_validation({{"consumer_id", "required", ""}});
  const auto consumer = Address::parse(body->consumer_id);
  if (!consumer.ok()) {
    return exchange->fail_validation(
        {{"consumer_id", "invalid_value", "'consumer_id' is not an identity"}});
  }
  const auto sort_by = core::parse_sort_by(body->sort_by);
  if (!sort_by.ok()) {
    return exchange->fail({500, "err_connect",
                           "Failed to connect: unknown order '" + body->sort_by.substr(0, 40) +
                               "': use quality, bandwidth, latency, uptime or price"});
  }
  body->request.consumer = *consumer;
  body->request.sort_by = *sort_by;
  api.node().connect(std::move(body->request),
                     answer<ConnectionInfo>(exchange, [](Exchange& e, const ConnectionInfo& info) {
                       send_connection(e, 201, info);
                     }));
}

void delete_connection(Api& api, const ExchangePtr& exchange) {
  const auto slot = read_slot(*exchange);
  if (slot) api.node().disconnect(*slot, answer_empty(exchange, 202));
}

void get_connection_statistics(Api& api, const ExchangePtr& exchange) {
  std::string body;
  json::Writer out(body);
  write_statistics(out, api.node().statistics(exchange->query_or("id", "")));
  exchange->send_json(200, std::move(body));
}

void get_connection_traffic(Api& api, const ExchangePtr& exchange) {
  const auto slot = read_slot(*exchange);
  if (!slot) return;
  const ConnectionStatistics statistics = api.node().slot_statistics(*slot);
  std::string body;
  json::Writer(body)
      .begin_object()
      .member("bytes_sent", statistics.bytes_sent)
      .member("bytes_received", statistics.bytes_received)
      .end_object();
  exchange->send_json(200, std::move(body));
}

void get_connection_ip(Api& api, const ExchangePtr& exchange) { send_ip(api, exchange, 0); }
void get_proxy_ip(Api& api, const ExchangePtr& exchange) {
  send_ip(api, exchange, read_port(*exchange));
}
void get_connection_location(Api& api, const ExchangePtr& exchange) {
  api.node().location(0, answer_location(exchange));
}
void get_proxy_location(Api& api, const ExchangePtr& exchange) {
  api.node().location(read_port(*exchange), answer_location(exchange));
}
void get_location(Api& api, const ExchangePtr& exchange) {
  // Unknown is an answer here, with empty members: the caller is usually a page that must load.
  api.node().origin_location([exchange](Outcome<Location> outcome) {
    const Location* known = std::get_if<Location>(&outcome);
    answer_location(exchange)(known != nullptr ? *known : Location{});
  });
}

void get_nat_type(Api& api, const ExchangePtr& exchange) {
  if (api.node().connection(0).state != ConnectionState::NotConnected) {
    return exchange->fail({500, "err_nat_probe", "The NAT type cannot be probed while connected"});
  }
  api.node().nat_type(answer<std::string>(exchange, [](Exchange& e, const std::string& type) {
    std::string body;
    json::Writer(body).begin_object().member("type", type).end_object();
    e.send_json(200, std::move(body));
  }));
}

}  // namespace myst::rest
