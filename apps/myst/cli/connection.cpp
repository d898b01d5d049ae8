// `myst connection`: find a provider, connect, look, disconnect.
#include "apps/myst/cli/client_commands.hpp"
#include "apps/myst/commands.hpp"
#include "core/base/text.hpp"
#include "platform/json/writer.hpp"

namespace myst::app {
namespace {

using core::ConfigType;
using core::FlagSpec;

constexpr FlagSpec kProposals[] = {
    {"country", ConfigType::Text, "", "country, two letters"},
    {"location-type", ConfigType::Text, "", "IP type, such as residential or hosting"},
};
constexpr FlagSpec kUp[] = {
    {"agreed-terms-and-conditions", ConfigType::Bool, "false", "agree with the terms"},
    {"country", ConfigType::Text, "", "country, two letters"},
    {"location-type", ConfigType::Text, "", "IP type, such as residential or hosting"},
    {"sort", ConfigType::Text, "quality", "quality, bandwidth, latency, uptime or price"},
    {"include-failed", ConfigType::Bool, "false", "also providers that failed monitoring"},
    {"proxy", ConfigType::Integer, "0", "proxy port of the connection"},
    {"service-type", ConfigType::Text, "wireguard", "service type"},
};
constexpr FlagSpec kProxy[] = {
    {"proxy", ConfigType::Integer, "0", "proxy port of the connection"},
};

std::string slot_query(std::int64_t slot) { return "?id=" + std::to_string(slot); }

// The state of a slot; empty: an error was printed.
std::string state_of(ClientContext& context, std::int64_t slot) {
  const NodeAnswer answer = context.node.get("/connection" + slot_query(slot));
  if (!answer.ok()) context.out.error(answer.reason());
  return answer.ok() ? answer.root()["status"].string_or("Unknown") : "";
}

bool good_country(ClientContext& context, const std::string& country) {
  if (country.empty() || country.size() == 2) return true;
  context.out.warning("Country code must be in ISO 3166-1 alpha-2 format. Example: 'UK', 'US'");
  return false;
}

int connection_proposals(ClientContext& context, const core::ParsedFlags& flags, const Words&) {
  const core::FlagSet set{0, kProposals, false};
  const std::string country = flags.get(set, "country").as_text();
  if (!good_country(context, country)) return kOk;
  const NodeAnswer answer =
      context.node.get("/proposals?location_country=" + encode(country) +
                       "&ip_type=" + encode(flags.get(set, "location-type").as_text()));
  if (!answer.ok()) {
    context.out.error(answer.reason());
    return kOk;
  }
  const json::Value proposals = answer.root()["proposals"];
  if (proposals.size() == 0) {
    context.out.info("no proposals match");
    return kOk;
  }
  // The lines of the reference's command, which scripts take apart.
  context.out.info("Found proposals:");
  std::string lines;
  for (const auto& [unused, item] : proposals) {
    const json::Value price = item["price"];
    lines += "| Identity: " + item["provider_id"].string_or("") +
             "\t| Type: " + item["location"]["ip_type"].string_or("") +
             "\t| Country: " + item["location"]["country"].string_or("") +
             "\t | Price: " + price["per_hour_tokens"]["human"].string_or("") + "/hour\t" +
             price["per_gib_tokens"]["human"].string_or("") + "/GiB |\n";
  }
  context.out.plain(printable(lines));
  return kOk;
}

int connection_up(ClientContext& context, const core::ParsedFlags& flags, const Words& arguments) {
  const core::FlagSet set{0, kUp, false};
  const auto text = [&](const char* name) { return flags.get(set, name).as_text(); };
  const std::int64_t slot = flags.get(set, "proxy").as_integer();
  if (!good_country(context, text("country"))) return kOk;
  if (!terms_agreed(context, false, true,
                    flags.get(set, "agreed-terms-and-conditions").as_bool())) {
    return kOk;
  }
  const std::string state = state_of(context, slot);
  if (state.empty()) return kOk;
  if (state == "Connecting" || state == "Disconnecting" || state == "Reconnecting") {
    context.out.warning("the connection is " + state + ", wait until it is done");
    return kOk;
  }
  const std::string id = current_identity(context);
  if (id.empty()) return kOk;
  const NodeAnswer registration = context.node.get("/identities/" + encode(id) + "/registration");
  if (!registration.ok() || registration.root()["status"].string_or("") != "Registered") {
    context.out.error("the identity " + id +
                      " is not registered: use `myst account register` first");
    return kOk;
  }
  std::string body;
  json::Writer out(body);
  out.begin_object().member("consumer_id", id).member("service_type", text("service-type"));
  out.key("filter").begin_object().key("providers").begin_array();
  std::string providers;
  for (const std::string& argument : arguments) {
    for (const std::string_view provider : split(argument, ',')) {
      out.value(trim(provider));
      providers += (providers.empty() ? "" : " ") + std::string(trim(provider));
    }
  }
  out.end_array()
      .member("country_code", text("country"))
      .member("ip_type", text("location-type"))
      .member("sort_by", text("sort"))
      .member("include_monitoring_failed", flags.get(set, "include-failed").as_bool())
      .end_object();
  if (const std::string hermes = active_hermes(context.config); !hermes.empty()) {
    out.member("hermes_id", hermes);
  }
  out.key("connect_options")
      .begin_object()
      .member("dns", "auto")
      .member("proxy_port", slot)
      .end_object()
      .end_object();
  context.out.status("CONNECTING", "Creating connection from: " + id + " to: [" + providers + "]");
  const NodeAnswer answer = context.node.call("PUT", "/connection", body);
  if (!answer.ok()) {
    context.out.error("failed to create a new connection: " + answer.reason());
    return kOk;
  }
  context.out.success("Connected");
  return kOk;
}

int connection_down(ClientContext& context, const core::ParsedFlags& flags, const Words&) {
  const std::int64_t slot = flags.get({0, kProxy, false}, "proxy").as_integer();
  const std::string state = state_of(context, slot);
  if (state.empty()) return kOk;
  if (state == "NotConnected") {
    context.out.success("disconnected");
    return kOk;
  }
  const NodeAnswer answer = context.node.call("DELETE", "/connection" + slot_query(slot));
  if (!answer.ok()) {
    context.out.error("failed to disconnect: " + answer.reason());
  } else {
    context.out.success("disconnected");
  }
  return kOk;
}

int connection_info(ClientContext& context, const core::ParsedFlags& flags, const Words&) {
  const std::int64_t slot = flags.get({0, kProxy, false}, "proxy").as_integer();
  const NodeAnswer answer = context.node.get("/connection" + slot_query(slot));
  if (!answer.ok()) {
    context.out.error(answer.reason());
    return kOk;
  }
  const json::Value connection = answer.root();
  const std::string port = "?port=" + std::to_string(slot);
  const NodeAnswer ip = context.node.get("/connection/proxy/ip" + port);
  const NodeAnswer location = context.node.get("/connection/proxy/location" + port);
  const json::Value place = location.root();
  const std::string state = connection["status"].string_or("Unknown");
  std::string identity = connection["consumer_id"].string_or("");
  if (identity.empty()) identity = current_identity(context);
  context.out.info("IP:" + (ip.ok() ? ip.root()["ip"].string_or("") : "unknown"));
  context.out.info("Status:" + state);
  context.out.info("Location:" + place_text(place));
  context.out.info("Using Identity:" + identity);
  if (state == "Connected") {
    const std::string session = connection["session_id"].string_or("");
    const NodeAnswer figures = context.node.get("/connection/statistics?id=" + encode(session));
    const json::Value s = figures.root();
    const auto number = [&](const char* name) {
      const auto value = s[name].u64();
      return value.ok() ? *value : 0;
    };
    const auto duration = std::chrono::seconds(s["duration"].i64_or(0) % (1ll << 31));
    context.out.info("Session ID:" + session);
    context.out.info("Proposal:" + chosen_text(connection["proposal"]));
    context.out.info("Duration:" + core::format_duration(duration));
    context.out.info("Transferred:" + bytes_text(number("bytes_received")) + "/" +
                     bytes_text(number("bytes_sent")));
    context.out.info("Throughput:" + speed_text(number("throughput_received")) + "/" +
                     speed_text(number("throughput_sent")));
    context.out.info("Spent:" + money_text(s["spent_tokens"]["wei"].string_or("0")));
  }
  return kOk;
}

constexpr SubCommand kConnection[] = {
    {"proposals", "", "list what can be connected to", kProposals, connection_proposals},
    {"up", "[provider,provider...]", "connect", kUp, connection_up},
    {"down", "", "disconnect", kProxy, connection_down},
    {"info", "", "show the connection", kProxy, connection_info},
};

}  // namespace

Span<const SubCommand> connection_commands() { return kConnection; }

}  // namespace myst::app
