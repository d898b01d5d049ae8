// Shell: identities.
#include "apps/myst/cli/shell.hpp"
#include "core/base/text.hpp"
#include "platform/json/writer.hpp"
#include "platform/system/files.hpp"

namespace myst::app {
namespace {

std::string path_of(const Words& words) { return "/identities/" + encode(words[0]); }

std::string passphrase_body(const std::string& passphrase) {
  std::string body;
  json::Writer(body).begin_object().member("passphrase", passphrase).end_object();
  return body;
}

bool list(ClientContext& context, const Words&) {
  const NodeAnswer answer = context.node.get("/identities");
  if (!report(context, answer)) return false;
  for (const auto& [unused, item] : answer.root()["identities"]) {
    context.out.status("+", item["id"].string_or(""));
  }
  return true;
}

bool get(ClientContext& context, const Words& words) {
  const NodeAnswer answer = context.node.get(path_of(words));
  if (!report(context, answer)) return false;
  const json::Value identity = answer.root();
  const auto money = [&](const char* name) {
    return money_text(identity[name]["wei"].string_or("0"));
  };
  context.out.info("Registration Status: " + identity["registration_status"].string_or(""));
  context.out.info("Channel address: " + identity["channel_address"].string_or(""));
  context.out.info("Balance: " + money("balance_tokens"));
  context.out.info("Earnings: " + money("earnings_tokens"));
  context.out.info("Earnings total: " + money("earnings_total_tokens"));
  return true;
}

bool balance(ClientContext& context, const Words& words) {
  const NodeAnswer answer = context.node.call("PUT", path_of(words) + "/balance/refresh");
  if (!report(context, answer)) return false;
  context.out.info("Balance: " + money_text(answer.root()["balance_tokens"]["wei"].string_or("0")));
  return true;
}

bool create(ClientContext& context, const Words& words) {
  const NodeAnswer answer =
      context.node.call("POST", "/identities", passphrase_body(words.empty() ? "" : words[0]));
  if (!report(context, answer)) return false;
  context.out.success("New identity created: " + answer.root()["id"].string_or(""));
  return true;
}

bool unlock(ClientContext& context, const Words& words) {
  context.out.info("unlocking " + words[0]);
  const std::string passphrase = words.size() > 1 ? words[1] : "";
  if (!report(context,
              context.node.call("PUT", path_of(words) + "/unlock", passphrase_body(passphrase)))) {
    return false;
  }
  context.out.success("Identity " + words[0] + " unlocked.");
  return true;
}

bool enlist(ClientContext& context, const Words& words) {
  std::string body;
  json::Writer out(body);
  out.begin_object();
  if (words.size() > 1) out.member("beneficiary", words[1]);
  if (words.size() > 2) out.member("referral_token", words[2]);
  out.end_object();
  if (!report(context, context.node.call("POST", path_of(words) + "/register", body))) return false;
  context.out.info("Registration started. Check the identities list for updates.");
  return true;
}

bool export_key(ClientContext& context, const Words& words) {
  std::string body;
  json::Writer(body)
      .begin_object()
      .member("identity", words[0])
      .member("newpassphrase", words[1])
      .end_object();
  const NodeAnswer answer = context.node.call("POST", "/identities/export", body);
  if (!report(context, answer)) return false;
  if (words.size() > 2) {
    if (!platform::write_file_atomically(words[2], answer.body, 0600).ok()) {
      context.out.error("cannot write " + words[2]);
      return false;
    }
    context.out.success("Identity exported to " + words[2]);
    return true;
  }
  std::string quoted;
  json::append_quoted(quoted, answer.body);
  context.out.success("Private key exported:");
  context.out.plain(quoted.substr(1, quoted.size() - 2) + "\n");
  return true;
}

bool import_key(ClientContext& context, const Words& words) {
  std::string document = words[1];
  if (document.find('{') == std::string::npos) {
    const auto content = platform::read_file(document, 64 * 1024);
    if (!content.ok()) {
      context.out.error("cannot read " + words[1]);
      return false;
    }
    document = *content;
  }
  std::string body;
  json::Writer(body)
      .begin_object()
      .member("data", to_base64(as_bytes(document)))
      .member("current_passphrase", words[0])
      .member("new_passphrase", "")
      .member("set_default", true)
      .end_object();
  const NodeAnswer answer = context.node.call("POST", "/identities-import", body);
  if (!report(context, answer)) return false;
  context.out.success("Identity imported: " + answer.root()["id"].string_or(""));
  return true;
}

bool migrate(ClientContext& context, const Words& words) {
  if (!report(context, context.node.call("POST", path_of(words) + "/migrate-hermes"))) return false;
  context.out.success("Migration done");
  return true;
}

bool migration_status(ClientContext& context, const Words& words) {
  const NodeAnswer answer = context.node.get(path_of(words) + "/migrate-hermes/status");
  if (!report(context, answer)) return false;
  context.out.info("Migration status: " + answer.root()["status"].string_or(""));
  return true;
}

bool referral(ClientContext& context, const Words& words) {
  const NodeAnswer answer = context.node.get(path_of(words) + "/referral");
  if (!report(context, answer)) return false;
  context.out.info("Token: " + answer.root()["token"].string_or(""));
  return true;
}

constexpr ShellCommand kCommands[] = {
    {"identities", "list", "", 0, 0, list},
    {"identities", "get", "<id>", 1, 1, get},
    {"identities", "balance", "<id>", 1, 1, balance},
    {"identities", "new", "[passphrase]", 0, 1, create},
    {"identities", "unlock", "<id> [passphrase]", 1, 2, unlock},
    {"identities", "register", "<id> [beneficiary] [token]", 1, 3, enlist},
    {"identities", "export", "<id> <new passphrase> [file]", 2, 3, export_key},
    {"identities", "import", "<passphrase> <JSON or file>", 2, 2, import_key},
    {"identities", "migrate-hermes", "<id>", 1, 1, migrate},
    {"identities", "migrate-hermes-status", "<id>", 1, 1, migration_status},
    {"identities", "referralcode", "<id>", 1, 1, referral},
};

}  // namespace

Span<const ShellCommand> shell_identity_commands() { return kCommands; }

}  // namespace myst::app
