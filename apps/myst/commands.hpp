// The command line of `myst`: words in, exit code out. What a command needs beyond the words comes
// through Programs, so that this part knows neither the node's composition nor the tunnels.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/config/node_config.hpp"
#include "drivers/config/user_file.hpp"

namespace myst::app {

// Exit codes (node: cmd/mysterium_node).
constexpr int kOk = 0, kFailed = 1, kTermsNotAgreed = 2, kUnknownCommand = 3;

// Everything `daemon` and `service` hand to the node.
struct NodeLaunch {
  core::NodeConfig config;
  config::UserFile user_file;         // loaded, or refusing to save
  bool provider = false;              // `service`
  bool record_terms = false;          // --agreed-terms-and-conditions was given
  std::vector<std::string> warnings;  // for the log, once it is open
};

struct Programs {
  // Runs the node until it ends; the exit code. Empty: this build has none.
  std::function<int(NodeLaunch)> run_node;
  // `myst wireguard [-f] NAME`: the words after the command.
  std::function<int(const std::vector<std::string>&)> wireguard;
};

// `words` without the program's name.
int run_command_line(const std::vector<std::string>& words, const Programs& programs);

// HOME (or the user database) and the directory of the executable.
core::NodeConfig::Places find_places();

// Services `service` starts: active-services, dvpn added for old setups that have wireguard only,
// monitoring always (node: cmd/commands/service).
std::vector<std::string> services_to_start(const core::NodeConfig& config);

}  // namespace myst::app
