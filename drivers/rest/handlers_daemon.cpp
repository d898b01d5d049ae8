// Liveness, account, configuration, terms.
#include <unistd.h>

#include "drivers/rest/bodies.hpp"
#include "drivers/rest/handlers.hpp"

namespace myst::rest {
namespace {

constexpr char kUnauthorised[] = "Unauthorized";

void send_tree(Exchange& exchange, const core::ConfigValue& tree) {
  std::string body;
  json::Writer out(body);
  out.begin_object().key("data");
  write_config(out, tree);
  out.end_object();
  exchange.send_json(200, std::move(body));
}

std::string http_date(std::int64_t seconds) {
  constexpr const char* kDays[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::string text =
      rfc3339(WallTime(std::chrono::seconds(seconds)));  // YYYY-MM-DDThh:mm:ssZ
  const int month = (text[5] - '0') * 10 + (text[6] - '0');
  return std::string(kDays[seconds / 86400 % 7]) + ", " + text.substr(8, 2) + " " +
         kMonths[month - 1] + " " + text.substr(0, 4) + " " + text.substr(11, 8) + " GMT";
}

void check_credentials(Api& api, const ExchangePtr& exchange, bool with_cookie) {
  auto credentials = parse_credentials(exchange->request().body);
  if (!credentials.ok()) return exchange->fail_parse();
  api.authenticator().check(
      std::move(credentials->username), std::move(credentials->password),
      [&api, exchange, with_cookie](bool good) {
        if (!good) return exchange->fail({401, "shall_not_pass", kUnauthorised});
        const Authenticator::Token token = api.authenticator().issue(api.node().now().wall);
        Response response;
        response.content_type = "application/json; charset=utf-8";
        json::Writer(response.body)
            .begin_object()
            .member("token", token.text)
            .member("expires_at", rfc3339(WallTime(std::chrono::seconds(token.expires_at))))
            .end_object();
        if (with_cookie) {
          response.headers.emplace_back(
              "Set-Cookie", "token=" + token.text +
                                "; Path=/; Expires=" + http_date(token.expires_at) + "; HttpOnly");
        }
        exchange->send(std::move(response));
      });
}

}  // namespace

void get_healthcheck(Api& api, const ExchangePtr& exchange) {
  const BuildInfo& build = api.node().build();
  std::string body;
  json::Writer out(body);
  out.begin_object()
      .member("uptime", core::format_duration(api.node().uptime()))
      .member("process", static_cast<std::int64_t>(getpid()))
      .member("version", build.version);
  out.key("build_info")
      .begin_object()
      .member("commit", build.commit)
      .member("branch", build.branch)
      .member("build_number", build.build_number)
      .end_object()
      .end_object();
  exchange->send_json(200, std::move(body));
}

void post_stop(Api& api, const ExchangePtr& exchange) {
  // The answer first: the client must learn that it worked.
  Response response;
  response.status = 202;
  response.sent = [&api] { api.node().stop(); };
  exchange->send(std::move(response));
}

void get_events(Api& api, const ExchangePtr& exchange) { api.events().add(exchange); }

void post_authenticate(Api& api, const ExchangePtr& exchange) {
  check_credentials(api, exchange, false);
}

void post_login(Api& api, const ExchangePtr& exchange) { check_credentials(api, exchange, true); }

void delete_logout(Api&, const ExchangePtr& exchange) {
  Response response;
  response.headers.emplace_back("Set-Cookie",
                                "token=; Path=/; Expires=" + http_date(0) + "; HttpOnly");
  exchange->send(std::move(response));
}

void put_password(Api& api, const ExchangePtr& exchange) {
  auto change = parse_password_change(exchange->request().body);
  if (!change.ok()) return exchange->fail_parse();
  api.authenticator().change(std::move(change->username), std::move(change->password),
                             std::move(change->new_password), [exchange](bool good) {
                               if (good) return exchange->send_empty(200);
                               exchange->fail({401, "shall_not_pass", kUnauthorised});
                             });
}

void get_config(Api& api, const ExchangePtr& exchange) {
  send_tree(*exchange, api.node().config().dump());
}
void get_config_default(Api& api, const ExchangePtr& exchange) {
  send_tree(*exchange, api.node().config().defaults());
}
void get_config_user(Api& api, const ExchangePtr& exchange) {
  send_tree(*exchange, api.node().config().user());
}

void post_config_user(Api& api, const ExchangePtr& exchange) {
  auto changes = parse_config_changes(exchange->request().body);
  if (!changes.ok()) return exchange->fail_parse();
  api.node().change_config(std::move(*changes),
                           answer<Nothing>(exchange, [&api](Exchange& e, Nothing) {
                             send_tree(e, api.node().config().user());
                           }));
}

void get_ui_features(Api& api, const ExchangePtr& exchange) {
  exchange->send_text(api.node().config().text("ui.features"));
}

void get_terms(Api& api, const ExchangePtr& exchange) {
  const core::NodeConfig& config = api.node().config();
  const std::string version = config.text("terms.version");
  const bool current = version == core::kTermsVersion;
  std::string body;
  json::Writer(body)
      .begin_object()
      .member("agreed_provider", current && config.flag("terms.provider-agreed"))
      .member("agreed_consumer", current && config.flag("terms.consumer-agreed"))
      .member("agreed_version", version)
      .member("current_version", core::kTermsVersion)
      .end_object();
  exchange->send_json(200, std::move(body));
}

void post_terms(Api& api, const ExchangePtr& exchange) {
  const auto terms = parse_terms(exchange->request().body);
  if (!terms.ok()) return exchange->fail_parse();
  std::vector<ConfigChange> changes;
  if (terms->provider) changes.push_back({"terms.provider-agreed", *terms->provider});
  if (terms->consumer) changes.push_back({"terms.consumer-agreed", *terms->consumer});
  changes.push_back({"terms.version", terms->version});
  api.node().change_config(std::move(changes), answer_empty(exchange, 200));
}

}  // namespace myst::rest
