#include "apps/myst/cli/client_commands.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "apps/myst/commands.hpp"
#include "core/base/text.hpp"
#include "drivers/rest/authenticator.hpp"
#include "platform/json/writer.hpp"

namespace myst::app {
namespace {

const SubCommand* find(Span<const SubCommand> table, std::string_view name) {
  for (const SubCommand& command : table) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

std::string flags_help(const SubCommand& command) {
  return core::describe_flags({0, command.flags, false}, core::NetworkKind::Mainnet);
}

// "a.b.c: value" of every leaf, in alphabetical order.
void flatten(json::Value value, const std::string& path, std::map<std::string, std::string>& out) {
  if (value.is_object()) {
    for (const auto& [name, item] : value) {
      flatten(item, path.empty() ? std::string(name) : path + "." + std::string(name), out);
    }
  } else if (value.is_array()) {
    std::string joined;
    for (const auto& [unused, item] : value) {
      joined +=
          (joined.empty() ? "" : " ") + (item.is_string() ? item.string_or("") : item.to_text());
    }
    out[path] = "[" + joined + "]";
  } else {
    out[path] = value.is_string() ? value.string_or("") : value.to_text();
  }
}

int config_show(ClientContext& context, const core::ParsedFlags&, const Words&) {
  const NodeAnswer answer = context.node.get("/config");
  if (!answer.ok()) {
    context.out.error(answer.reason());
    return kOk;
  }
  std::map<std::string, std::string> lines;
  flatten(answer.root()["data"], "", lines);
  std::string text;
  for (const auto& [key, value] : lines) text += printable(key) + ": " + printable(value) + "\n";
  context.out.plain(text);
  return kOk;
}

int config_set(ClientContext& context, const core::ParsedFlags&, const Words& arguments) {
  if (arguments.size() != 2) {
    context.out.error("give a key and a value: myst config set <key> <value>");
    return kFailed;
  }
  std::string body;
  json::Writer out(body);
  out.begin_object().key("data").begin_object();
  out.member(arguments[0], arguments[1]).end_object().end_object();
  const NodeAnswer answer = context.node.call("POST", "/config/user", body);
  if (!answer.ok()) {
    context.out.error(answer.reason());
    return kFailed;
  }
  return kOk;
}

constexpr SubCommand kConfig[] = {
    {"show", "", "print the node's configuration", {}, config_show},
    {"set", "<key> <value>", "set a key in the user's configuration", {}, config_set},
};

}  // namespace

Span<const SubCommand> config_commands() { return kConfig; }

std::string sub_command_help(std::string_view command, Span<const SubCommand> table) {
  std::string out = "NAME:\n   myst " + std::string(command) + "\n\nUSAGE:\n   myst " +
                    std::string(command) +
                    " [--tequilapi.address value] [--tequilapi.port value] <command> [options] "
                    "[arguments]\n\nCOMMANDS:\n";
  for (const SubCommand& item : table) {
    std::string left = "   " + std::string(item.name) + " " + std::string(item.arguments);
    out += left;
    out.append(left.size() < 34 ? 34 - left.size() : 2, ' ');
    out += std::string(item.help) + "\n";
  }
  return out;
}

std::optional<int> explain_sub_command(std::string_view command, Span<const SubCommand> table,
                                       Output& out, const Words& words, std::size_t first) {
  if (first >= words.size() || words[first] == "help" || words[first] == "h") {
    out.plain(sub_command_help(command, table));
    return kOk;
  }
  const SubCommand* found = find(table, words[first]);
  if (found == nullptr) {
    out.complain("No help topic for '" + printable(words[first]) + "'\n");
    return kUnknownCommand;
  }
  const core::ParsedFlags flags = core::parse_flags({0, found->flags, false}, words, first + 1);
  if (!flags.ok()) {
    out.plain("Incorrect Usage: " + printable(flags.error) + "\n\n" +
              sub_command_help(command, table) + "\nOPTIONS of " + std::string(found->name) +
              ":\n" + flags_help(*found));
    return kFailed;
  }
  if (flags.help) {
    out.plain("NAME:\n   myst " + std::string(command) + " " + std::string(found->name) + " - " +
              std::string(found->help) + "\n\nOPTIONS:\n" + flags_help(*found));
    return kOk;
  }
  return std::nullopt;
}

int run_sub_command(std::string_view command, Span<const SubCommand> table, ClientContext& context,
                    const Words& words, std::size_t first) {
  if (const auto code = explain_sub_command(command, table, context.out, words, first))
    return *code;
  const SubCommand* found = find(table, words[first]);
  const core::ParsedFlags flags = core::parse_flags({0, found->flags, false}, words, first + 1);
  return found->run(context, flags,
                    Words(words.begin() + static_cast<std::ptrdiff_t>(flags.rest), words.end()));
}

int run_reset(ClientContext& context, bool over_api) {
  if (!over_api) return kOk;
  const std::string folder = config_value(context.config, "data-dir").string_or("");
  const std::string password =
      config_value(context.config, "tequilapi.auth.password").string_or(rest::kInitialPassword);
  if (folder.empty()) {
    context.out.error("the node does not say where its data directory is");
    return kFailed;
  }
  const std::string file = folder + "/nodeui-pass";
  if (const Status stored = rest::store_password(file, password); !stored.ok()) {
    context.out.error("cannot write " + file +
                      ": run this as the user of the node, on its machine");
    return kFailed;
  }
  // Run as root for a node of another user: the file must be readable for that one.
  struct stat owner {};
  if (geteuid() == 0 && stat(folder.c_str(), &owner) == 0 &&
      chown(file.c_str(), owner.st_uid, owner.st_gid) != 0) {
    context.out.warning(file + " cannot be given to the node's user");
  }
  context.out.plain("Tequilapi \"" +
                    config_value(context.config, "tequilapi.auth.username").string_or("myst") +
                    "\" user password changed successfully\n");
  return kOk;
}

std::string current_identity(ClientContext& context) {
  const NodeAnswer answer = context.node.call("PUT", "/identities/current", R"({"passphrase":""})");
  if (!answer.ok()) {
    context.out.error("cannot unlock an identity: " + answer.reason());
    return "";
  }
  return answer.root()["id"].string_or("");
}

std::string place_text(json::Value place) {
  return place["city"].string_or("") + ", " + place["country"].string_or("") + " (" +
         place["ip_type"].string_or("") + " - " + place["isp"].string_or("") + ")";
}

std::string chosen_text(json::Value proposal) {
  return "Provider: " + proposal["provider_id"].string_or("") +
         ", ServiceType: " + proposal["service_type"].string_or("") +
         ", Country: " + proposal["location"]["country"].string_or("");
}

json::Value config_value(json::Value config, std::string_view key) {
  for (const std::string_view part : split(key, '.')) config = config.get(part, json::Case::Ignore);
  return config;
}

std::string active_hermes(json::Value config) {
  const double active = config_value(config, "chain-id").number_or(0);
  for (const char* chain : {"chains.1", "chains.2"}) {
    const json::Value found = config_value(config, chain);
    if (active != 0 && found.get("chainid", json::Case::Ignore).number_or(-1) == active) {
      return found.get("hermes", json::Case::Ignore).string_or("");
    }
  }
  return "";
}

std::string terms_text() {
  return "Terms and conditions, version " + std::string(core::kTermsVersion) +
         "\n\nUsing the network as a provider means that traffic of other people leaves from your "
         "connection; as a\nconsumer your traffic leaves from theirs. The full text is at\n"
         "https://mysterium.network/terms-conditions/\n\nTo agree, give the flag "
         "--agreed-terms-and-conditions.\n";
}

bool terms_agreed(ClientContext& context, bool provider, bool consumer, bool agree) {
  const NodeAnswer answer = context.node.get("/terms");
  if (!answer.ok()) {
    context.out.error(answer.reason());
    return false;
  }
  const json::Value terms = answer.root();
  if ((!provider || terms["agreed_provider"].boolean_or(false)) &&
      (!consumer || terms["agreed_consumer"].boolean_or(false))) {
    return true;
  }
  if (!agree) {
    context.out.plain(terms_text());
    return false;
  }
  std::string body;
  json::Writer out(body);
  out.begin_object();
  if (provider) out.member("agreed_provider", true);
  if (consumer) out.member("agreed_consumer", true);
  out.member("agreed_version", terms["current_version"].string_or(core::kTermsVersion))
      .end_object();
  const NodeAnswer saved = context.node.call("POST", "/terms", body);
  if (!saved.ok()) context.out.error(saved.reason());
  return saved.ok();
}

}  // namespace myst::app
