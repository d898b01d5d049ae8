// Shell: connecting and looking around.
#include <algorithm>

#include "apps/myst/cli/shell.hpp"
#include "core/base/text.hpp"
#include "drivers/rest/bodies.hpp"
#include "platform/json/writer.hpp"

namespace myst::app {
namespace {

std::uint64_t number(json::Value value, const char* name) {
  const auto read = value[name].u64();
  return read.ok() ? *read : 0;
}

std::string proposal_line(json::Value item) {
  const json::Value place = item["location"];
  return item["provider_id"].string_or("") + " type: " + item["service_type"].string_or("") +
         " country: " + place["country"].string_or("?") +
         " ip: " + place["ip_type"].string_or("?") +
         " price: " + item["price"]["per_hour_tokens"]["human"].string_or("0") + "/h " +
         item["price"]["per_gib_tokens"]["human"].string_or("0") + "/GiB" +
         " quality: " + item["quality"]["quality"].to_text();
}

bool connect(ClientContext& context, const Words& words) {
  std::string dns = "auto";
  bool disable_kill_switch = false;
  for (std::size_t i = 3; i < words.size(); ++i) {
    if (words[i].compare(0, 4, "dns=") == 0) {
      dns = words[i].substr(4);
      if (!rest::parse_dns(dns).ok()) {
        context.out.error("dns is auto, provider, system or IP addresses");
        return false;
      }
    } else if (words[i] == "disable-kill-switch") {
      disable_kill_switch = true;
    } else {
      context.out.error("unknown option '" + words[i] + "'");
      return false;
    }
  }
  const std::string path = "/identities/" + encode(words[0]);
  const NodeAnswer migration = context.node.get(path + "/migrate-hermes/status");
  if (migration.ok() && migration.root()["status"].string_or("") == "required") {
    const NodeAnswer started = context.node.call("POST", path + "/migrate-hermes");
    if (!report(context, started)) return false;
    context.out.info("Hermes migration started, connect again when it is done");
    return true;
  }
  // A node that has it unlocked needs no passphrase; any other failure shows at the connect.
  (void)context.node.call("PUT", path + "/unlock", R"({"passphrase":""})");
  std::string body;
  json::Writer out(body);
  out.begin_object()
      .member("consumer_id", words[0])
      .member("provider_id", words[1])
      .member("service_type", words[2]);
  if (const std::string hermes = active_hermes(context.config); !hermes.empty()) {
    out.member("hermes_id", hermes);
  }
  out.key("connect_options")
      .begin_object()
      .member("dns", dns)
      .member("kill_switch", disable_kill_switch)
      .end_object()
      .end_object();
  context.out.status("CONNECTING", "from: " + words[0] + " to: " + words[1]);
  if (!report(context, context.node.call("PUT", "/connection", body))) return false;
  context.out.success("Connected.");
  return true;
}

bool disconnect(ClientContext& context, const Words&) {
  if (!report(context, context.node.call("DELETE", "/connection"))) return false;
  context.out.success("Disconnected.");
  return true;
}

void print_location(ClientContext& context, json::Value place) {
  context.out.info("Location: " + place_text(place));
}

bool status(ClientContext& context, const Words&) {
  const NodeAnswer answer = context.node.get("/connection");
  if (!report(context, answer)) return false;
  const json::Value connection = answer.root();
  const std::string state = connection["status"].string_or("Unknown");
  context.out.info("Status:" + state);
  context.out.info("SID:" + connection["session_id"].string_or(""));
  const NodeAnswer ip = context.node.get("/connection/ip");
  context.out.info("IP:" + (ip.ok() ? ip.root()["ip"].string_or("") : "unknown"));
  const NodeAnswer location = context.node.get("/connection/location");
  if (location.ok()) print_location(context, location.root());
  if (state != "Connected") return true;
  context.out.info("Proposal:" + chosen_text(connection["proposal"]));
  const NodeAnswer figures = context.node.get("/connection/statistics");
  if (!report(context, figures)) return false;
  const json::Value s = figures.root();
  context.out.info("Connection duration: " + core::format_duration(std::chrono::seconds(
                                                 s["duration"].i64_or(0) % (1ll << 31))));
  context.out.info("Data: " + bytes_text(number(s, "bytes_received")) + "/" +
                   bytes_text(number(s, "bytes_sent")));
  context.out.info("Throughput: " + speed_text(number(s, "throughput_received")) + "/" +
                   speed_text(number(s, "throughput_sent")));
  context.out.info("Spent: " + money_text(s["spent_tokens"]["wei"].string_or("0")));
  return true;
}

bool location(ClientContext& context, const Words&) {
  const NodeAnswer answer = context.node.get("/location");
  if (!report(context, answer)) return false;
  print_location(context, answer.root());
  return true;
}

bool nat(ClientContext& context, const Words&) {
  const NodeAnswer monitoring = context.node.get("/node/monitoring-status");
  if (!report(context, monitoring)) return false;
  context.out.info("Monitoring status: " + monitoring.root()["status"].string_or("unknown"));
  const NodeAnswer connection = context.node.get("/connection");
  if (connection.root()["status"].string_or("") != "NotConnected") return true;
  const NodeAnswer type = context.node.get("/nat/type");
  if (!report(context, type)) return false;
  const std::string code = type.root()["type"].string_or("");
  const std::pair<const char*, const char*> names[] = {{"none", "None"},
                                                       {"fullcone", "Full Cone"},
                                                       {"rcone", "Restricted Cone"},
                                                       {"prcone", "Port Restricted Cone"},
                                                       {"symmetric", "Symmetric"}};
  std::string name = code;
  for (const auto& [key, text] : names) {
    if (code == key) name = text;
  }
  context.out.info("NAT type: " + name);
  return true;
}

bool proposals(ClientContext& context, const Words& words) {
  const NodeAnswer answer = context.node.get("/proposals?nat_compatibility=auto");
  if (!report(context, answer)) return false;
  const std::string wanted = words.empty() ? "" : words[0];
  std::size_t shown = 0;
  for (const auto& [unused, item] : answer.root()["proposals"]) {
    if (item["provider_id"].string_or("").find(wanted) == std::string::npos &&
        item["location"]["country"].string_or("").find(wanted) == std::string::npos) {
      continue;
    }
    context.out.info("- provider id: " + proposal_line(item));
    ++shown;
  }
  context.out.info("Found " + std::to_string(shown) + " proposals");
  return true;
}

bool healthcheck(ClientContext& context, const Words&) {
  const NodeAnswer answer = context.node.get("/healthcheck");
  if (!report(context, answer)) return false;
  const json::Value health = answer.root();
  const json::Value info = health["build_info"];
  context.out.info("Uptime: " + health["uptime"].string_or(""));
  context.out.info("Process: " + health["process"].to_text());
  context.out.info("Version: " + health["version"].string_or(""));
  context.out.info("Build: branch " + info["branch"].string_or("") + ", id " +
                   info["build_number"].string_or("") + ", commit " + info["commit"].string_or(""));
  return true;
}

bool stop(ClientContext& context, const Words&) {
  if (!report(context, context.node.call("POST", "/stop"))) return false;
  context.out.success("Node stopped");
  return true;
}

constexpr ShellCommand kCommands[] = {
    {"connect", "",
     "<consumer> <provider> <type> [dns=auto|provider|system|IP,...] [disable-kill-switch]", 3, 5,
     connect},
    {"disconnect", "", "", 0, 0, disconnect},
    {"status", "", "", 0, 0, status},
    {"location", "", "", 0, 0, location},
    {"nat", "", "", 0, 0, nat},
    {"proposals", "", "[text]", 0, 1, proposals},
    {"healthcheck", "", "", 0, 0, healthcheck},
    {"stop", "", "", 0, 0, stop},
};

}  // namespace

Span<const ShellCommand> shell_connection_commands() { return kCommands; }

}  // namespace myst::app
