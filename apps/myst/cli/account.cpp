// `myst account`: the current identity and its money.
#include "apps/myst/cli/client_commands.hpp"
#include "apps/myst/commands.hpp"
#include "core/base/text.hpp"
#include "platform/json/writer.hpp"

namespace myst::app {
namespace {

using core::ConfigType;
using core::FlagSpec;

constexpr FlagSpec kRegister[] = {{"token", ConfigType::Text, "", "registration token"}};
constexpr FlagSpec kTopUp[] = {
    {"amount", ConfigType::Number, "0", "amount in MYST"},
    {"currency", ConfigType::Text, "", "currency to pay with"},
    {"gateway", ConfigType::Text, "", "payment gateway"},
    {"data", ConfigType::Text, "", "data for the gateway, k=v,k=v"},
    {"country", ConfigType::Text, "", "country, two letters"},
    {"state", ConfigType::Text, "", "state, two letters"},
};
constexpr FlagSpec kInfo[] = {{"last-topup", ConfigType::Bool, "false", "show the last order too"}};

std::string registration_of(ClientContext& context, const std::string& id) {
  const NodeAnswer answer = context.node.get("/identities/" + encode(id) + "/registration");
  if (!answer.ok()) context.out.error(answer.reason());
  return answer.ok() ? answer.root()["status"].string_or("Unknown") : "";
}

int account_register(ClientContext& context, const core::ParsedFlags& flags, const Words&) {
  const std::string id = current_identity(context);
  if (id.empty()) return kOk;
  const std::string status = registration_of(context, id);
  if (status.empty()) return kOk;
  if (status != "Unregistered") {
    context.out.info("already have an identity: " + id + ", " + status);
    return kOk;
  }
  std::string body;
  json::Writer out(body);
  out.begin_object();
  const core::ConfigValue* token = flags.find("token");
  if (token != nullptr && !token->as_text().empty()) out.member("referral_token", token->as_text());
  out.end_object();
  const NodeAnswer answer =
      context.node.call("POST", "/identities/" + encode(id) + "/register", body);
  if (!answer.ok()) {
    context.out.error(answer.reason());
  } else {
    context.out.success("registration started, it takes some minutes; see `myst account info`");
  }
  return kOk;
}

// A value of --data: true, false, a number, else text.
void write_datum(json::Writer& out, const std::string& text) {
  if (text == "true" || text == "false") {
    out.value(text == "true");
  } else if (const auto number = core::parse_config_text(ConfigType::Number, text); number.ok()) {
    out.raw(core::number_text(number->as_number()));
  } else {
    out.value(text);
  }
}

int account_topup(ClientContext& context, const core::ParsedFlags& flags, const Words&) {
  const core::FlagSet set{0, kTopUp, false};
  const auto text = [&](const char* name) { return flags.get(set, name).as_text(); };
  const double amount = flags.get(set, "amount").as_number();
  const auto refuse = [&](const std::string& why) {
    context.out.error(why);
    return kOk;
  };
  const std::string id = current_identity(context);
  if (id.empty()) return kOk;
  if (const std::string status = registration_of(context, id); status != "Registered") {
    return status.empty() ? kOk : refuse("the identity is not registered: " + status);
  }
  if (amount <= 0) return refuse("give a positive --amount of MYST");
  if (text("country").size() != 2) return refuse("give the --country as two letters");
  const NodeAnswer gateways = context.node.get("/v2/payment-order-gateways");
  if (!gateways.ok()) return refuse("the node offers no top-up: " + gateways.reason());
  json::Value gateway;
  for (const auto& [unused, item] : gateways.root()) {
    if (item["name"].string_or("") == text("gateway")) gateway = item;
  }
  if (!gateway.exists()) return refuse("there is no payment gateway '" + text("gateway") + "'");
  if (amount < gateway["order_options"]["minimum"].number_or(0)) {
    return refuse("the amount is below the gateway's minimum");
  }
  bool supported = false;
  for (const auto& [unused, currency] : gateway["currencies"]) {
    supported = supported || equal_ignoring_case(currency.string_or(""), text("currency"));
  }
  if (!supported)
    return refuse("the gateway does not take the currency '" + text("currency") + "'");
  std::string body;
  json::Writer out(body);
  out.begin_object()
      .member("myst_amount", core::number_text(amount))
      .member("pay_currency", text("currency"))
      .member("country", text("country"))
      .member("state", text("state"));
  out.key("gateway_caller_data").begin_object();
  const std::string data = text("data");
  for (const std::string_view pair : split(data, ',')) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return refuse("--data is written k=v,k=v");
    out.key(trim(pair.substr(0, equals)));
    write_datum(out, std::string(pair.substr(equals + 1)));
  }
  out.end_object().end_object();
  const NodeAnswer order = context.node.call(
      "POST", "/v2/identities/" + encode(id) + "/" + encode(text("gateway")) + "/payment-order",
      body);
  if (!order.ok()) return refuse(order.reason());
  const json::Value made = order.root();
  context.out.info("Order ID: " + made["id"].string_or(""));
  context.out.info("Order state: " + made["status"].string_or(""));
  context.out.info("Pay: " + made["pay_amount"].string_or("") + " " +
                   made["pay_currency"].string_or(""));
  context.out.info("Receive MYST: " + made["receive_myst"].string_or(""));
  context.out.info("Data: " + made["public_gateway_data"].to_text());
  return kOk;
}

int account_info(ClientContext& context, const core::ParsedFlags& flags, const Words&) {
  const std::string id = current_identity(context);
  if (id.empty()) return kOk;
  const NodeAnswer answer = context.node.get("/identities/" + encode(id));
  if (!answer.ok()) {
    context.out.error(answer.reason());
    return kOk;
  }
  const json::Value identity = answer.root();
  context.out.status("SECTION", "General account information:");
  context.out.info("Using identity:" + id);
  context.out.info("Registration Status:" + identity["registration_status"].string_or("Unknown"));
  context.out.info("Channel address:" + identity["channel_address"].string_or(""));
  context.out.info("Balance: " + money_text(identity["balance_tokens"]["wei"].string_or("0")));
  // Of who has ever earned: what that came to, and where it is.
  const auto lifetime = U256::parse(identity["earnings_total_tokens"]["wei"].string_or("0"));
  const auto unsettled = U256::parse(identity["earnings_tokens"]["wei"].string_or("0"));
  if (lifetime.ok() && unsettled.ok() && !lifetime->is_zero()) {
    context.out.info("Earned: " + money_text(lifetime->to_string()));
    context.out.info(
        "  paid out: " + money_text(U256::saturating_sub(*lifetime, *unsettled).to_string()) +
        ", see `myst account settlements`");
    const std::string text = identity["earnings_in_settlement_tokens"]["wei"].string_or("0");
    const auto under_way = U256::parse(text);
    const U256 settling = under_way.ok() ? *under_way : U256();
    context.out.info("  in settlement: " + money_text(settling.to_string()));
    context.out.info("  promised by Hermes: " +
                     money_text(U256::saturating_sub(*unsettled, settling).to_string()));
  }
  const core::ConfigValue* last = flags.find("last-topup");
  if (last == nullptr || !last->as_bool()) return kOk;
  const NodeAnswer orders = context.node.get("/v2/identities/" + encode(id) + "/payment-order");
  if (!orders.ok() || orders.root().size() == 0) {
    context.out.info("There is no order");
    return kOk;
  }
  json::Value newest;
  for (const auto& [unused, item] : orders.root()) newest = item;
  context.out.info("Last order: " + newest["id"].string_or("") + ", " +
                   newest["status"].string_or("") + ", " + newest["receive_myst"].string_or("") +
                   " MYST");
  return kOk;
}

int account_settlements(ClientContext& context, const core::ParsedFlags&, const Words&) {
  const std::string id = current_identity(context);
  if (id.empty()) return kOk;
  const NodeAnswer answer =
      context.node.get("/transactor/settle/history?page_size=20&provider_id=" + encode(id));
  if (!answer.ok()) {
    context.out.error(answer.reason());
    return kOk;
  }
  if (answer.root()["items"].size() == 0) context.out.info("Nothing was paid out yet");
  for (const auto& [unused, item] : answer.root()["items"]) {
    const std::string error = item["error"].string_or("");
    const char* kind = item["is_withdrawal"].boolean_or(false) ? " withdrawn" : "";
    context.out.info(item["settled_at"].string_or("") + " " +
                     (error.empty() ? money_text(item["amount"].to_text()) + kind + " to " +
                                          item["beneficiary"].string_or("") + ", fees " +
                                          money_text(item["fees"].to_text()) + ", " +
                                          item["tx_hash"].string_or("")
                                    : "failed: " + error));
  }
  return kOk;
}

int account_set_identity(ClientContext& context, const core::ParsedFlags&, const Words& arguments) {
  if (arguments.size() != 1) {
    context.out.error("give one identity: myst account set-identity <address>");
    return kOk;
  }
  std::string body;
  json::Writer(body)
      .begin_object()
      .member("id", arguments[0])
      .member("passphrase", "")
      .end_object();
  const NodeAnswer answer = context.node.call("PUT", "/identities/current", body);
  if (!answer.ok()) {
    context.out.error(answer.reason());
  } else {
    context.out.success("identity " + answer.root()["id"].string_or("") + " set as default");
  }
  return kOk;
}

constexpr SubCommand kAccount[] = {
    {"register", "", "register the current identity", kRegister, account_register},
    {"topup", "", "buy MYST for the current identity", kTopUp, account_topup},
    {"info", "", "show the current identity", kInfo, account_info},
    {"settlements", "", "what was paid out, newest first", {}, account_settlements},
    {"set-identity", "<address>", "choose the current identity", {}, account_set_identity},
};

}  // namespace

Span<const SubCommand> account_commands() { return kAccount; }

}  // namespace myst::app
