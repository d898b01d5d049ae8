#include "drivers/rest/api.hpp"

#include "drivers/rest/jwt.hpp"

namespace myst::rest {

Api::Api(platform::Loop& loop, NodeApi& node, Authenticator& authenticator, Settings settings)
    : loop_(&loop),
      node_(&node),
      authenticator_(&authenticator),
      settings_(std::move(settings)),
      hosts_(settings_.allowed_hosts),
      events_(loop, node) {}

void Api::stop() { events_.stop(); }

bool Api::has_valid_token(Exchange& exchange) {
  const Request& request = exchange.request();
  const auto token = find_token(request.authorization, request.cookie);
  if (!token.ok() && token.error().code == Errc::Malformed) {
    exchange.send_empty(400);
    return false;
  }
  if (token.ok() && authenticator_->verify(*token, node_->now().wall).ok()) return true;
  exchange.send_empty(401);
  return false;
}

void Api::handle(Request request, std::unique_ptr<Answerer> answerer) {
  const auto exchange = std::make_shared<Exchange>(std::move(request), std::move(answerer));
  const Request& asked = exchange->request();
  if (exchange->malformed()) return exchange->send_empty(400);
  if (!origin_is_ours(asked) || !hosts_.allows(asked.host)) return exchange->send_empty(403);

  std::vector<std::string> parameters;
  const std::string& path = exchange->path();
  const Route* route = find_route(asked.method, path, &parameters);
  if (route == nullptr) {
    if (path.size() > 1 && path.back() == '/' &&
        find_route(asked.method, std::string_view(path).substr(0, path.size() - 1), nullptr)) {
      auto [encoded, query] = split_target(asked.target);
      encoded.remove_suffix(1);
      Response response;
      response.status = asked.method == "GET" ? 301 : 307;
      std::string to(encoded);
      if (!query.empty()) to += "?" + std::string(query);
      response.headers.emplace_back("Location", std::move(to));
      return exchange->send(std::move(response));
    }
    Response response;
    response.status = 404;
    response.content_type = "text/plain";
    response.body = "404 page not found";
    return exchange->send(std::move(response));
  }
  if (settings_.secured && !route->open && !has_valid_token(*exchange)) return;
  exchange->set_parameters(std::move(parameters));
  route->handler(*this, exchange);
}

}  // namespace myst::rest
