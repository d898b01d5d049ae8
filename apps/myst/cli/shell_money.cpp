// Shell: what needs a chain, a transactor or a payment service.
#include <optional>

#include "apps/myst/cli/shell.hpp"
#include "core/base/text.hpp"
#include "platform/json/writer.hpp"
#include "platform/system/files.hpp"

namespace myst::app {
namespace {

constexpr Duration kSettleTimeout = std::chrono::minutes{5};
constexpr Duration kWithdrawTimeout = std::chrono::minutes{2};

void write_hermeses(json::Writer& out, const std::string& list) {
  out.key("hermes_ids").begin_array();
  for (const std::string_view id : split(list, ',')) out.value(trim(id));
  out.end_array();
}

// "12.5" MYST in wei, exactly; none for what is no such number.
std::optional<Wei> wei_of(std::string_view text) {
  constexpr std::size_t kDigits = 18;
  const std::size_t point = text.find('.');
  const auto fraction = point == text.npos ? std::string_view() : text.substr(point + 1);
  if (text.empty() || text == "." || fraction.size() > kDigits) return std::nullopt;
  std::string digits(text.substr(0, point));
  digits.append(fraction).append(kDigits - fraction.size(), '0');
  const auto wei = Wei::parse(digits);
  return wei.ok() ? std::optional<Wei>(*wei) : std::nullopt;
}

bool show_fees(ClientContext& context) {
  const NodeAnswer answer = context.node.get("/v2/transactor/fees");
  if (!report(context, answer)) return false;
  context.out.info("Settlement fee: " +
                   money_text(answer.root()["current"]["settlement"]["wei"].string_or("0")));
  context.out.info("Hermes fee: " + answer.root()["hermes_percent"].string_or("0") +
                   " of the amount");
  return true;
}

bool settle(ClientContext& context, const Words& words) {
  if (words.empty()) return show_fees(context);
  std::string body;
  json::Writer out(body);
  out.begin_object().member("provider_id", words[0]);
  if (words.size() > 1) {
    write_hermeses(out, words[1]);
  } else if (const std::string hermes = active_hermes(context.config); !hermes.empty()) {
    write_hermeses(out, hermes);
  }
  out.end_object();
  context.out.info("Waiting for settlement to complete");
  if (!report(context,
              context.node.call("POST", "/transactor/settle/sync", body, kSettleTimeout))) {
    return false;
  }
  context.out.success("Settlement succeeded");
  return true;
}

bool set_beneficiary(ClientContext& context, const Words& words) {
  std::string body;
  json::Writer out(body);
  out.begin_object().member("beneficiary", words[1]);
  if (words.size() > 2) out.member("hermes_id", words[2]);
  out.end_object();
  const std::string path = "/identities/" + encode(words[0]);
  if (!report(context, context.node.call("POST", path + "/beneficiary", body))) return false;
  context.out.info("Beneficiary change started, see beneficiary-status");
  return true;
}

bool beneficiary_status(ClientContext& context, const Words& words) {
  const std::string path = "/identities/" + encode(words[0]);
  const NodeAnswer now = context.node.get(path + "/beneficiary");
  if (!report(context, now)) return false;
  context.out.info("Current beneficiary: " + now.root()["beneficiary"].string_or(""));
  const NodeAnswer change = context.node.get(path + "/beneficiary-status");
  if (!report(context, change)) return false;
  context.out.info("Last change: " + change.root()["state"].string_or("") + " " +
                   change.root()["change_to"].string_or("") + " " +
                   change.root()["error"].string_or(""));
  return true;
}

bool withdraw(ClientContext& context, const Words& words) {
  std::string body;
  json::Writer out(body);
  const auto target = core::parse_integer(words[2]);
  if (!target) {
    context.out.error("a chain is a number");
    return false;
  }
  out.begin_object()
      .member("provider_id", words[0])
      .member("hermes_id", active_hermes(context.config))
      .member("beneficiary", words[1])
      .member("from_chain_id", static_cast<std::int64_t>(
                                   config_value(context.config, "chains.2.chainid").number_or(0)))
      .member("to_chain_id", *target);
  if (words.size() > 3) {
    const auto amount = wei_of(words[3]);
    if (!amount || amount->is_zero() || *amount > *wei_of("99")) {
      context.out.error("an amount is a number of MYST up to 99");
      return false;
    }
    out.member("amount", amount->to_string());
  }
  out.end_object();
  if (!report(context,
              context.node.call("POST", "/transactor/settle/withdraw", body, kWithdrawTimeout))) {
    return false;
  }
  context.out.success("Withdrawal succeeded");
  return true;
}

bool last_withdrawal(ClientContext& context, const Words& words) {
  const NodeAnswer answer = context.node.get(
      "/transactor/settle/history?page_size=1&types=withdrawal&provider_id=" + encode(words[0]));
  if (!report(context, answer)) return false;
  json::Value last;
  for (const auto& [unused, item] : answer.root()["items"]) last = item;
  if (!last.exists()) {
    context.out.info("No withdrawals found");
    return true;
  }
  for (const char* name : {"tx_hash", "settled_at", "beneficiary", "block_explorer_url", "error"}) {
    context.out.info(std::string(name) + ": " + last[name].string_or(""));
  }
  context.out.info("amount: " + money_text(last["amount"].to_text()));
  context.out.info("fees: " + money_text(last["fees"].to_text()));
  return true;
}

bool increase_stake(ClientContext& context, const Words& words) {
  std::string body;
  json::Writer out(body);
  out.begin_object().member("provider_id", words[0]);
  write_hermeses(out, active_hermes(context.config));
  out.end_object();
  if (!report(context,
              context.node.call("POST", "/transactor/stake/increase/sync", body, kSettleTimeout))) {
    return false;
  }
  context.out.success("Stake increased");
  return true;
}

bool decrease_stake(ClientContext& context, const Words& words) {
  const auto amount = Wei::parse(words[1]);
  if (!amount.ok()) {
    context.out.error("an amount is a whole number of wei");
    return false;
  }
  std::string body;
  json::Writer(body).begin_object().member("id", words[0]).member("amount", *amount).end_object();
  if (!report(context, context.node.call("POST", "/transactor/stake/decrease", body))) return false;
  context.out.success("Stake decrease accepted");
  return true;
}

bool gateways(ClientContext& context, const Words&) {
  const NodeAnswer answer = context.node.get("/v2/payment-order-gateways");
  if (!report(context, answer)) return false;
  for (const auto& [unused, item] : answer.root()) {
    context.out.status(item["name"].string_or(""),
                       "minimum: " + item["order_options"]["minimum"].to_text() +
                           " currencies: " + item["currencies"].to_text());
  }
  return true;
}

void print_order(ClientContext& context, json::Value order) {
  context.out.status(order["status"].string_or(""),
                     "ID: " + order["id"].string_or("") +
                         " Pay: " + order["pay_amount"].string_or("") + " " +
                         order["pay_currency"].string_or("") +
                         " Receive: " + order["receive_myst"].string_or("") + " MYST");
}

std::string orders_path(const std::string& id) {
  return "/v2/identities/" + encode(id) + "/payment-order";
}

bool create_order(ClientContext& context, const Words& words) {
  std::string body;
  json::Writer out(body);
  out.begin_object()
      .member("myst_amount", words[1])
      .member("pay_currency", words[2])
      .member("country", words[4]);
  out.key("gateway_caller_data").begin_object();
  const std::string data = words.size() > 5 ? words[5] : "";
  for (const std::string_view pair : split(data, ',')) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      context.out.error("data is written k=v,k=v");
      return false;
    }
    out.member(pair.substr(0, equals), pair.substr(equals + 1));
  }
  out.end_object().end_object();
  const NodeAnswer answer = context.node.call(
      "POST", "/v2/identities/" + encode(words[0]) + "/" + encode(words[3]) + "/payment-order",
      body);
  if (!report(context, answer)) return false;
  print_order(context, answer.root());
  return true;
}

bool get_order(ClientContext& context, const Words& words) {
  const NodeAnswer answer = context.node.get(orders_path(words[0]) + "/" + encode(words[1]));
  if (!report(context, answer)) return false;
  print_order(context, answer.root());
  return true;
}

bool get_orders(ClientContext& context, const Words& words) {
  const NodeAnswer answer = context.node.get(orders_path(words[0]));
  if (!report(context, answer)) return false;
  for (const auto& [unused, item] : answer.root()) print_order(context, item);
  return true;
}

bool invoice(ClientContext& context, const Words& words) {
  const NodeAnswer answer =
      context.node.get(orders_path(words[0]) + "/" + encode(words[1]) + "/invoice");
  if (!report(context, answer)) return false;
  const std::string file = "invoice-" + encode(words[1]) + ".pdf";
  if (!platform::write_file_atomically(file, answer.body).ok()) {
    context.out.error("cannot write " + file);
    return false;
  }
  context.out.success("Invoice written to " + file);
  return true;
}

bool mmn(ClientContext& context, const Words& words) {
  if (words.empty()) {
    context.out.info(
        "Give the API key of your mystnodes.com account: mmn <key>. You find it at "
        "https://my.mystnodes.com/me");
    return true;
  }
  std::string body;
  json::Writer(body).begin_object().member("api_key", words[0]).end_object();
  if (!report(context, context.node.call("POST", "/mmn/api-key", body))) return false;
  context.out.success("API key set, the node is claimed");
  return true;
}

constexpr ShellCommand kCommands[] = {
    {"identities", "settle", "<id> [hermes,...]", 0, 2, settle},
    {"identities", "beneficiary-set", "<id> <address> [hermes]", 2, 3, set_beneficiary},
    {"identities", "beneficiary-status", "<id>", 1, 1, beneficiary_status},
    {"identities", "withdraw", "<id> <address> <chain> [MYST]", 3, 4, withdraw},
    {"identities", "last-withdrawal", "<id>", 1, 1, last_withdrawal},
    {"stake", "increase", "<id>", 1, 1, increase_stake},
    {"stake", "decrease", "<id> <wei>", 2, 2, decrease_stake},
    {"orders", "gateways", "", 0, 0, gateways},
    {"orders", "create", "<id> <amount> <currency> <gateway> <country> [k=v,...]", 5, 6,
     create_order},
    {"orders", "get", "<id> <order>", 2, 2, get_order},
    {"orders", "get-all", "<id>", 1, 1, get_orders},
    {"orders", "invoice", "<id> <order>", 2, 2, invoice},
    {"mmn", "", "[key]", 0, 1, mmn},
};

}  // namespace

Span<const ShellCommand> shell_money_commands() { return kCommands; }

}  // namespace myst::app
