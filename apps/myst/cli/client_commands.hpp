// The commands that are clients of a running node: account, connection, config, reset. Each gets
// its words (sub-command first) and prints; the exit code is almost always 0, as scripts know it.
#pragma once

#include <string>
#include <vector>

#include "apps/myst/cli/node_client.hpp"
#include "apps/myst/cli/output.hpp"
#include "core/config/flags.hpp"

namespace myst::app {

struct ClientContext {
  Output& out;
  NodeClient& node;
  json::Value config;  // the node's configuration tree; missing for `config`
};

using Words = std::vector<std::string>;

// A sub-command with the flags it takes after its name.
struct SubCommand {
  std::string_view name;
  std::string_view arguments;  // for the help
  std::string_view help;
  Span<const core::FlagSpec> flags;
  int (*run)(ClientContext& context, const core::ParsedFlags& flags, const Words& arguments);
};

Span<const SubCommand> account_commands();
Span<const SubCommand> connection_commands();
Span<const SubCommand> config_commands();
int run_reset(ClientContext& context, bool over_api);

// Runs words[first] of a command; unknown ones and bad flags are explained (exit codes 3 and 1).
int run_sub_command(std::string_view command, Span<const SubCommand> table, ClientContext& context,
                    const Words& words, std::size_t first);
std::string sub_command_help(std::string_view command, Span<const SubCommand> table);

// Whether there is something to run, before the node is asked for anything: nullopt yes, else the
// exit code of what was printed.
std::optional<int> explain_sub_command(std::string_view command, Span<const SubCommand> table,
                                       Output& out, const Words& words, std::size_t first);

// The identity a node works with, made when there is none. Empty: an error was printed.
std::string current_identity(ClientContext& context);
// The hermes of the active chain, empty in a network without one.
std::string active_hermes(json::Value config);
// Terms of the roles are agreed, or are now because `agree`. False: the text was printed.
bool terms_agreed(ClientContext& context, bool provider, bool consumer, bool agree);
std::string terms_text();

// Where somebody is, "City, LT (residential - ISP)", and what he chose, both as the reference says
// it.
std::string place_text(json::Value place);
std::string chosen_text(json::Value proposal);
// One value inside a configuration tree by dotted key.
json::Value config_value(json::Value config, std::string_view key);

}  // namespace myst::app
