// Identities: list, create, unlock, select, import, export, and what a chain would add.
#include <algorithm>

#include "drivers/rest/bodies.hpp"
#include "drivers/rest/handlers.hpp"

namespace myst::rest {
namespace {

// The identity a path names, if the keystore has it; else it has been answered.
std::optional<Address> known_identity(Api& api, Exchange& exchange) {
  const auto id = Address::parse(exchange.parameter(0));
  if (id.ok()) {
    const std::vector<Address> all = api.node().identities();
    if (std::find(all.begin(), all.end(), *id) != all.end()) return *id;
  }
  exchange.fail_not_found("identity");
  return std::nullopt;
}

void send_ref(Exchange& exchange, const Address& id) {
  std::string body;
  json::Writer out(body);
  write_identity_ref(out, id);
  exchange.send_json(200, std::move(body));
}

// The passphrase member must be there, though it may be empty.
std::optional<PassphraseBody> read_passphrase(Exchange& exchange) {
  auto body = parse_passphrase(exchange.request().body);
  if (!body.ok()) {
    exchange.fail_parse();
    return std::nullopt;
  }
  if (!body->passphrase) {
    exchange.fail_validation({{"passphrase", "required", ""}});
    return std::nullopt;
  }
  return std::move(*body);
}

}  // namespace

void get_identities(Api& api, const ExchangePtr& exchange) {
  std::string body;
  json::Writer out(body);
  out.begin_object().key("identities").begin_array();
  for (const Address& id : api.node().identities()) write_identity_ref(out, id);
  out.end_array().end_object();
  exchange->send_json(200, std::move(body));
}

void post_identities(Api& api, const ExchangePtr& exchange) {
  auto body = read_passphrase(*exchange);
  if (!body) return;
  api.node().create_identity(
      std::move(*body->passphrase),
      answer<Address>(exchange, [](Exchange& e, const Address& id) { send_ref(e, id); }));
}

void put_current_identity(Api& api, const ExchangePtr& exchange) {
  auto body = read_passphrase(*exchange);
  if (!body) return;
  std::optional<Address> id;
  if (body->id && !body->id->empty()) {
    const auto wanted = Address::parse(*body->id);
    if (!wanted.ok()) {
      return exchange->fail({500, "err_to_id_use_or_create", "identity not found"});
    }
    id = *wanted;
  }
  api.node().use_identity(
      id, std::move(*body->passphrase),
      answer<Address>(exchange, [](Exchange& e, const Address& used) { send_ref(e, used); }));
}

void get_identity(Api& api, const ExchangePtr& exchange) {
  const auto id = known_identity(api, *exchange);
  if (!id) return;
  api.node().identity(*id,
                      answer<IdentityInfo>(exchange, [](Exchange& e, const IdentityInfo& info) {
                        std::string body;
                        json::Writer out(body);
                        write_identity(out, info, e.parameter(0));
                        e.send_json(200, std::move(body));
                      }));
}

void put_unlock(Api& api, const ExchangePtr& exchange) {
  const auto id = known_identity(api, *exchange);
  if (!id) return;
  auto body = read_passphrase(*exchange);
  if (!body) return;
  api.node().unlock_identity(*id, std::move(*body->passphrase), answer_empty(exchange, 202));
}

void get_registration(Api& api, const ExchangePtr& exchange) {
  const auto id = known_identity(api, *exchange);
  if (!id) return;
  api.node().registration(*id, answer<Registration>(exchange, [](Exchange& e, Registration state) {
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("status", to_string(state))
        .member("registered", state == Registration::Registered)
        .end_object();
    e.send_json(200, std::move(body));
  }));
}

void post_register(Api& api, const ExchangePtr& exchange) {
  const auto id = known_identity(api, *exchange);
  if (!id) return;
  auto request = parse_register(exchange->request().body);
  if (!request.ok()) return exchange->fail_parse();
  api.node().registration(
      *id, answer<Registration>(exchange, [&api, exchange, id = *id, request = std::move(*request)](
                                              Exchange& e, Registration state) {
        if (state == Registration::Registered) return e.send_empty(200);
        if (state == Registration::InProgress) {
          return e.fail({422, "err_id_registration_in_progress", "Registration is in progress"});
        }
        api.node().register_identity(
            id, request,
            answer<bool>(exchange, [](Exchange& ex, bool was) { ex.send_empty(was ? 200 : 202); }));
      }));
}

void put_balance_refresh(Api& api, const ExchangePtr& exchange) {
  const auto id = known_identity(api, *exchange);
  if (!id) return;
  api.node().refresh_balance(*id, answer<Wei>(exchange, [](Exchange& e, const Wei& balance) {
    std::string body;
    json::Writer out(body);
    out.begin_object().member("balance", balance).key("balance_tokens");
    write_tokens(out, balance);
    out.end_object();
    e.send_json(200, std::move(body));
  }));
}

void post_export(Api& api, const ExchangePtr& exchange) {
  if (!comes_from_loopback(exchange->request())) return exchange->send_empty(403);
  auto body = parse_export(exchange->request().body);
  if (!body.ok()) return exchange->fail_parse();
  if (body->new_passphrase.empty()) {
    return exchange->fail_validation({{"newpassphrase", "required", ""}});
  }
  const auto id = Address::parse(body->identity);
  if (!id.ok()) return exchange->fail({500, "internal", "identity not found"});
  api.node().export_identity(
      *id, std::move(body->new_passphrase),
      answer<std::string>(exchange, [](Exchange& e, std::string document) {
        e.send_text(std::move(document));  // the reference's content type is a guess of its server
      }));
}

void post_import(Api& api, const ExchangePtr& exchange) {
  auto request = parse_import(exchange->request().body);
  if (!request.ok()) return exchange->fail_parse();
  std::vector<FieldFault> faults;
  if (request->keystore_json.empty()) faults.push_back({"data", "required", ""});
  if (request->current_passphrase.empty()) faults.push_back({"current_passphrase", "required", ""});
  if (!faults.empty()) return exchange->fail_validation(faults);
  api.node().import_identity(
      std::move(*request),
      answer<Address>(exchange, [](Exchange& e, const Address& id) { send_ref(e, id); }));
}

void post_migrate_hermes(Api& api, const ExchangePtr& exchange) {
  api.node().migrate_hermes(Address::parse_lenient(exchange->parameter(0)),
                            answer_empty(exchange, 200));
}

void get_migration_status(Api& api, const ExchangePtr& exchange) {
  api.node().migration_needed(
      Address::parse_lenient(exchange->parameter(0)),
      answer<bool>(exchange, [](Exchange& e, bool needed) {
        e.send_json(200, needed ? R"({"status":"required"})" : R"({"status":"finished"})");
      }));
}

}  // namespace myst::rest
