#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "apps/myst/cli/client_commands.hpp"
#include "apps/myst/cli/shell.hpp"
#include "apps/myst/cli/texts.hpp"
#include "apps/myst/commands.hpp"
#include "core/base/text.hpp"

namespace myst::app {
namespace {

using core::ConfigType;
using core::FlagSet;
using core::FlagSpec;
using core::ParsedFlags;

constexpr FlagSpec kClientFlags[] = {
    {"tequilapi.address", ConfigType::Text, "127.0.0.1", "address of the node's REST API"},
    {"tequilapi.port", ConfigType::Integer, "4050", "port of the node's REST API"},
};
constexpr FlagSpec kCliFlags[] = {
    {"tequilapi.address", ConfigType::Text, "127.0.0.1", "address of the node's REST API"},
    {"tequilapi.port", ConfigType::Integer, "4050", "port of the node's REST API"},
    {"agreed-terms-and-conditions", ConfigType::Bool, "false", "agree with the terms"},
};
constexpr FlagSpec kResetFlags[] = {
    {"tequilapi", ConfigType::Bool, "true", "reset the password of the REST API"},
};
constexpr FlagSpec kLicenseFlags[] = {
    {"warranty", ConfigType::Bool, "false", "show the warranty"},
    {"conditions", ConfigType::Bool, "false", "show the conditions"},
};

struct Command {
  std::string_view name;
  FlagSet flags;
};
const Command kCommands[] = {
    {"daemon", {0, {}, false}},
    {"service", {core::ConfigKey::kService, {}, false}},
    {"cli", {0, kCliFlags, false}},
    {"account", {0, kClientFlags, false}},
    {"connection", {0, kClientFlags, false}},
    {"config", {0, kClientFlags, false}},
    {"reset", {0, kResetFlags, false}},
    {"version", {0, {}, false}},
    {"license", {0, kLicenseFlags, false}},
};

const Command* find_command(std::string_view name) {
  for (const Command& command : kCommands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

std::string command_help(const Command& command) {
  if (command.name == "account") return sub_command_help("account", account_commands());
  if (command.name == "connection") return sub_command_help("connection", connection_commands());
  if (command.name == "config") return sub_command_help("config", config_commands());
  return "NAME:\n   myst " + std::string(command.name) + "\n\nUSAGE:\n   myst [global options] " +
         std::string(command.name) + " [options] [arguments...]\n\nOPTIONS:\n" +
         core::describe_flags(command.flags, core::NetworkKind::Mainnet);
}

// The help on standard output as scripts know it, and the sentence once more where it is seen last.
int incorrect_usage(Output& out, const std::string& error, const std::string& help) {
  const std::string sentence = printable(error);
  out.plain("Incorrect Usage: " + sentence + "\n\n" + help);
  (void)std::fprintf(stderr, "myst: %s\n", sentence.c_str());
  return kFailed;
}

int fail(const std::string& sentence) {
  (void)std::fprintf(stderr, "myst: %s\n", printable(sentence).c_str());
  return kFailed;
}

int start_node(const Programs& programs, Output& out, const ParsedFlags& global,
               const ParsedFlags& own, bool provider) {
  core::NodeConfig config(find_places());
  std::vector<core::FlagValue> flags = global.values;
  // A flag of both places is written after the command by those who mean the service.
  flags.erase(std::remove_if(flags.begin(), flags.end(),
                             [&](const auto& flag) { return own.find(flag.name) != nullptr; }),
              flags.end());
  flags.insert(flags.end(), own.values.begin(), own.values.end());
  std::vector<std::string> warnings;
  if (const Status chosen = config.set_command_line(std::move(flags)); !chosen.ok()) {
    warnings.push_back(std::string(chosen.error().what) + "; mainnet is used");
  }
  config::UserFile file(config.text("config-dir"));
  std::string why;
  if (auto tree = file.load(&why); !tree.ok()) {
    warnings.push_back(why + "; the node runs without the user's configuration");
  } else if (const Status taken = config.set_user(std::move(*tree)); !taken.ok()) {
    warnings.push_back(file.path() + ": " + taken.error().what);
  }
  if (const std::string fault = config.first_fault(); !fault.empty()) return fail(fault);
  const bool agreed_now = config.flag("agreed-terms-and-conditions");
  if (provider && !agreed_now &&
      !(config.flag("terms.provider-agreed") &&
        config.text("terms.version") == core::kTermsVersion)) {
    out.plain(version_text());
    out.plain(terms_text());
    (void)std::fprintf(stderr,
                       "myst: the terms and conditions are not agreed with: start the service with "
                       "--agreed-terms-and-conditions\n");
    return kTermsNotAgreed;
  }
  if (!programs.run_node) return fail("this build of the program has no node in it");
  NodeLaunch launch{std::move(config), std::move(file), provider, provider && agreed_now,
                    std::move(warnings)};
  return programs.run_node(std::move(launch));
}

// Where the node is: flags after the command win over global ones.
std::unique_ptr<NodeClient> client_for(const ParsedFlags& global, const ParsedFlags& own) {
  const auto pick = [&](const char* name) {
    if (const core::ConfigValue* value = own.find(name)) return *value;
    if (const core::ConfigValue* value = global.find(name)) return *value;
    return core::ParsedFlags().get({0, kClientFlags, false}, name);
  };
  return make_node_client(pick("tequilapi.address").as_text(), pick("tequilapi.port").as_integer());
}

// The node answers and, where needed, has told its configuration.
bool reach(ClientContext& context, bool with_config, std::optional<json::Document>& config) {
  const NodeAnswer health = context.node.get("/healthcheck");
  if (!health.ok()) {
    context.out.error("cannot reach a node at " + context.node.address() + " (" + health.reason() +
                      "): is it running? Its address and port are --tequilapi.address and "
                      "--tequilapi.port");
    return false;
  }
  if (!with_config) return true;
  NodeAnswer answer = context.node.get("/config");
  if (!answer.ok() || !answer.document) {
    context.out.error("the node does not tell its configuration: " + answer.reason());
    return false;
  }
  config = std::move(answer.document);
  context.config = config->root()["data"];
  return true;
}

int run_client(const Command& command, const ParsedFlags& global, const ParsedFlags& own,
               const Words& words, Output& out) {
  const auto table = command.name == "account"      ? account_commands()
                     : command.name == "connection" ? connection_commands()
                     : command.name == "config"     ? config_commands()
                                                    : Span<const SubCommand>();
  const bool shell = command.name == "cli";
  if (!table.empty()) {
    if (const auto code = explain_sub_command(command.name, table, out, words, own.rest))
      return *code;
  }
  const std::unique_ptr<NodeClient> node = client_for(global, own);
  ClientContext context{out, *node, {}};
  std::optional<json::Document> config;
  if (!reach(context, command.name != "config", config)) return kFailed;
  if (command.name == "reset") {
    return run_reset(context, own.get(command.flags, "tequilapi").as_bool());
  }
  if (!shell) return run_sub_command(command.name, table, context, words, own.rest);
  if (!terms_agreed(context, true, true,
                    own.get(command.flags, "agreed-terms-and-conditions").as_bool())) {
    return kOk;
  }
  const Words rest(words.begin() + static_cast<std::ptrdiff_t>(own.rest), words.end());
  if (!rest.empty()) return Shell(context).run(rest) ? kOk : kFailed;
  const std::string folder = config_value(context.config, "data-dir").string_or("");
  return run_prompt(context, folder.empty() ? "" : folder + "/.cli_history");
}

}  // namespace

core::NodeConfig::Places find_places() {
  core::NodeConfig::Places places;
  if (const char* home = std::getenv("HOME"); home != nullptr && home[0] != '\0') {
    places.home = home;
  } else if (const passwd* user = getpwuid(getuid()); user != nullptr && user->pw_dir != nullptr) {
    places.home = user->pw_dir;
  } else {
    places.home = "/";
  }
  std::array<char, 4096> path{};
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  const std::string program(path.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  places.program_dir = program.substr(0, program.rfind('/'));
  return places;
}

std::vector<std::string> services_to_start(const core::NodeConfig& config) {
  std::vector<std::string> services = config.list("active-services");
  const auto has = [&](std::string_view name) {
    return std::find(services.begin(), services.end(), name) != services.end();
  };
  if (config.text("node.version").empty() && has("wireguard") && !has("dvpn")) {
    services.emplace_back("dvpn");
  }
  if (!has("monitoring")) services.emplace_back("monitoring");
  return services;
}

int run_command_line(const std::vector<std::string>& words, const Programs& programs) {
  Output out;
  const FlagSet global_set{core::ConfigKey::kGlobal, {}, true};
  const ParsedFlags global = core::parse_flags(global_set, words);
  if (!global.ok()) return incorrect_usage(out, global.error, program_help());
  if (global.version) {
    out.plain(version_text());
    return kOk;
  }
  std::string name = global.rest < words.size() ? words[global.rest] : "help";
  if (global.help) name = "help";
  if (name == "wireguard" && programs.wireguard) {
    return programs.wireguard(
        Words(words.begin() + static_cast<std::ptrdiff_t>(global.rest) + 1, words.end()));
  }
  if (name == "help" || name == "h") {
    if (global.help || global.rest + 1 >= words.size()) {
      out.plain(program_help());
      return kOk;
    }
    name = words[global.rest + 1];
    const Command* topic = find_command(name);
    if (topic != nullptr) {
      out.plain(command_help(*topic));
      return kOk;
    }
  }
  const Command* command = find_command(name);
  if (command == nullptr) {
    out.complain("No help topic for '" + printable(name.substr(0, 80)) + "'\n");
    return kUnknownCommand;
  }
  const ParsedFlags own = core::parse_flags(command->flags, words, global.rest + 1);
  if (!own.ok()) return incorrect_usage(out, own.error, command_help(*command));
  if (own.help) {
    out.plain(command_help(*command));
    return kOk;
  }
  if (name == "version") {
    out.plain(version_text());
    return kOk;
  }
  if (name == "license") {
    const bool warranty = own.get(command->flags, "warranty").as_bool();
    const bool conditions = own.get(command->flags, "conditions").as_bool();
    out.plain(warranty ? warranty_text() : conditions ? conditions_text() : license_text());
    return kOk;
  }
  if (name == "daemon" || name == "service") {
    // Words after `service` are ignored: old setups name services there.
    return start_node(programs, out, global, own, name == "service");
  }
  return run_client(*command, global, own, words, out);
}

}  // namespace myst::app
