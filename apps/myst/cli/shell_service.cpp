// Shell: services of the provider.
#include "apps/myst/cli/shell.hpp"
#include "core/base/text.hpp"
#include "platform/json/writer.hpp"

namespace myst::app {
namespace {

void print_service(ClientContext& context, json::Value info) {
  context.out.status(info["status"].string_or("Unknown"),
                     "ID: " + info["id"].string_or("") +
                         " ProviderID: " + info["provider_id"].string_or("") +
                         " Type: " + info["type"].string_or(""));
}

// `service start <identity> <type> [flags of `service`]`
bool start(ClientContext& context, const Words& words) {
  const core::ParsedFlags flags =
      core::parse_flags({core::ConfigKey::kService, {}, false}, words, 2);
  if (!flags.ok() || flags.rest < words.size()) {
    context.out.error(flags.ok() ? "unexpected word '" + words[flags.rest] + "'" : flags.error);
    return false;
  }
  const std::string& type = words[1];
  const auto text = [&](std::string_view name) {
    const core::ConfigValue* given = flags.find(name);
    return given != nullptr ? given->as_text() : std::string();
  };
  std::string body;
  json::Writer out(body);
  out.begin_object().member("provider_id", words[0]).member("type", type);
  std::string policies = text(type + ".access-policies");
  if (policies.empty()) policies = text("access-policy.list");
  if (!policies.empty()) {
    out.key("access_policies").begin_object().key("ids").begin_array();
    for (const std::string_view id : split(policies, ',')) out.value(trim(id));
    out.end_array().end_object();
  }
  if (type == "openvpn") {
    out.key("options").begin_object();
    for (const auto& [flag, member] : {std::pair{"openvpn.proto", "protocol"},
                                       {"openvpn.subnet", "subnet"},
                                       {"openvpn.netmask", "netmask"}}) {
      if (!text(flag).empty()) out.member(member, text(flag));
    }
    if (const auto* port = flags.find("openvpn.port")) out.member("port", port->as_integer());
    out.end_object();
  } else if (!text("wireguard.allowed.subnet").empty()) {
    out.key("options")
        .begin_object()
        .member("subnet", text("wireguard.allowed.subnet"))
        .end_object();
  }
  out.end_object();
  const NodeAnswer answer = context.node.call("POST", "/services", body);
  if (!report(context, answer)) return false;
  print_service(context, answer.root());
  return true;
}

bool stop(ClientContext& context, const Words& words) {
  if (!report(context, context.node.call("DELETE", "/services/" + encode(words[0])))) return false;
  context.out.status("Stopping", "ID: " + words[0]);
  return true;
}

bool list(ClientContext& context, const Words&) {
  const NodeAnswer answer = context.node.get("/services");
  if (!report(context, answer)) return false;
  for (const auto& [unused, item] : answer.root()) print_service(context, item);
  return true;
}

bool status(ClientContext& context, const Words& words) {
  const NodeAnswer answer = context.node.get("/services/" + encode(words[0]));
  if (!report(context, answer)) return false;
  print_service(context, answer.root());
  return true;
}

bool sessions(ClientContext& context, const Words&) {
  const NodeAnswer answer = context.node.get("/sessions");
  if (!report(context, answer)) return false;
  const json::Value items = answer.root()["items"];
  context.out.status("Current sessions", std::to_string(items.size()));
  for (const auto& [unused, item] : items) {
    const auto received = item["bytes_received"].u64(), sent = item["bytes_sent"].u64();
    context.out.status("ID: " + item["id"].string_or(""),
                       "ConsumerID: " + item["consumer_id"].string_or("") +
                           " Data: " + bytes_text(received.ok() ? *received : 0) + "/" +
                           bytes_text(sent.ok() ? *sent : 0) +
                           " Tokens: " + money_text(item["tokens"].to_text()));
  }
  return true;
}

constexpr ShellCommand kCommands[] = {
    {"service", "start", "<identity> <type> [flags]", 2, 64, start},
    {"service", "stop", "<id>", 1, 1, stop},
    {"service", "list", "", 0, 0, list},
    {"service", "status", "<id>", 1, 1, status},
    {"service", "sessions", "", 0, 0, sessions},
};

}  // namespace

Span<const ShellCommand> shell_service_commands() { return kCommands; }

}  // namespace myst::app
