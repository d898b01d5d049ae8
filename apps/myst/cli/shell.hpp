// `myst cli`: a prompt, or one command of it. Words are split as a POSIX shell does.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/myst/cli/client_commands.hpp"

namespace myst::app {

// Quotes and backslashes as in a POSIX shell, without expansions. nullopt: a quote is not closed.
std::optional<Words> split_words(std::string_view line);

class Shell {
 public:
  explicit Shell(ClientContext& context) : context_(context) {}

  // Runs one command; false when it failed or is unknown.
  bool run(const Words& words);
  bool wants_to_leave() const { return leave_; }  // exit, quit
  // What could follow the words typed so far (the last one may be a part of a word).
  std::vector<std::string> complete(const Words& words);
  std::string help() const;

 private:
  ClientContext& context_;
  bool leave_ = false;
};

// A command of the shell: one or two words, then arguments.
struct ShellCommand {
  std::string_view first, second;  // second empty: a command of one word
  std::string_view arguments;
  std::size_t least, most;  // number of arguments
  bool (*run)(ClientContext& context, const Words& arguments);
};
Span<const ShellCommand> shell_connection_commands();
Span<const ShellCommand> shell_service_commands();
Span<const ShellCommand> shell_identity_commands();
Span<const ShellCommand> shell_money_commands();

// Prints a failed answer's reason; true when it succeeded.
bool report(ClientContext& context, const NodeAnswer& answer);

// The prompt until the user leaves. `history` is a file, empty: none is kept.
int run_prompt(ClientContext& context, const std::string& history);

}  // namespace myst::app
