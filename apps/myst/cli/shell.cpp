#include "apps/myst/cli/shell.hpp"

#include <unistd.h>

#include <algorithm>

#include "apps/myst/cli/line_editor.hpp"
#include "apps/myst/cli/texts.hpp"
#include "apps/myst/commands.hpp"
#include "core/base/text.hpp"

namespace myst::app {
namespace {

constexpr char kPrompt[] = "\x1b[31m\xc2\xbb\x1b[0m ";
// Commands that need nothing of the node.
constexpr std::string_view kLocal[] = {"license", "version", "help", "exit", "quit"};

std::vector<Span<const ShellCommand>> all_commands() {
  return {shell_connection_commands(), shell_service_commands(), shell_identity_commands(),
          shell_money_commands()};
}

std::string usage_of(const ShellCommand& command) {
  std::string text(command.first);
  if (!command.second.empty()) text += " " + std::string(command.second);
  if (!command.arguments.empty()) text += " " + std::string(command.arguments);
  return text;
}

}  // namespace

std::optional<Words> split_words(std::string_view line) {
  Words words;
  std::string word;
  bool open = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '\'') {
      const std::size_t end = line.find('\'', i + 1);
      if (end == std::string_view::npos) return std::nullopt;
      word += line.substr(i + 1, end - i - 1);
      open = true;
      i = end;
    } else if (c == '"') {
      open = true;
      for (++i; i < line.size() && line[i] != '"'; ++i) {
        // Inside double quotes a backslash only protects these.
        if (line[i] == '\\' && i + 1 < line.size() &&
            std::string_view("\"\\$`").find(line[i + 1]) != std::string_view::npos) {
          ++i;
        }
        word += line[i];
      }
      if (i == line.size()) return std::nullopt;
    } else if (c == '\\') {
      if (i + 1 == line.size()) return std::nullopt;
      word += line[++i];
      open = true;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      if (open) words.push_back(std::move(word));
      word.clear();
      open = false;
    } else {
      word += c;
      open = true;
    }
  }
  if (open) words.push_back(std::move(word));
  return words;
}

bool report(ClientContext& context, const NodeAnswer& answer) {
  if (!answer.ok()) context.out.error(answer.reason());
  return answer.ok();
}

std::string Shell::help() const {
  std::string out = "Commands:\n";
  for (const auto& group : all_commands()) {
    for (const ShellCommand& command : group) out += "  " + usage_of(command) + "\n";
  }
  out += "  license warranty | conditions\n  version\n  help\n  exit | quit\n";
  return out;
}

bool Shell::run(const Words& words) {
  if (words.empty() || words[0] == "help") {
    context_.out.plain(help());
    return true;
  }
  if (words[0] == "exit" || words[0] == "quit") {
    leave_ = true;
    return true;
  }
  if (words[0] == "version") {
    context_.out.plain(version_text());
    return true;
  }
  if (words[0] == "license") {
    const std::string which = words.size() > 1 ? words[1] : "";
    if (which == "warranty" || which == "conditions") {
      context_.out.plain(which == "warranty" ? warranty_text() : conditions_text());
    } else {
      context_.out.info(license_text());
    }
    return true;
  }
  std::string usage;  // of the first word's commands
  for (const auto& group : all_commands()) {
    for (const ShellCommand& command : group) {
      const bool pair = !command.second.empty();
      if (command.first == words[0]) usage += "  " + usage_of(command) + "\n";
      if (command.first != words[0] || (pair && (words.size() < 2 || words[1] != command.second))) {
        continue;
      }
      const Words arguments(words.begin() + (pair ? 2 : 1), words.end());
      if (arguments.size() < command.least || arguments.size() > command.most) {
        context_.out.info("usage: " + usage_of(command));
        context_.out.error("wrong number of arguments");
        return false;
      }
      return command.run(context_, arguments);
    }
  }
  // As the reference: a word it does not know is answered with help, and is no failure.
  if (usage.empty()) {
    context_.out.info(help());
    return true;
  }
  if (words.size() == 1 && words[0] != "service") {
    context_.out.info("usage:\n" + usage);
    return true;
  }
  context_.out.plain("Usage:\n" + usage);
  context_.out.error(words.size() == 1 ? "wrong number of arguments"
                                       : "unknown sub-command '" + words[1] + "'");
  return false;
}

std::vector<std::string> Shell::complete(const Words& words) {
  std::vector<std::string> found;
  const std::string part = words.empty() ? "" : words.back();
  const auto offer = [&](std::string_view candidate) {
    if (candidate.substr(0, part.size()) != part || candidate == part) return;
    if (std::find(found.begin(), found.end(), candidate) == found.end()) {
      found.emplace_back(candidate);
    }
  };
  bool known_pair = false;
  for (const auto& group : all_commands()) {
    for (const ShellCommand& command : group) {
      if (words.size() <= 1) offer(command.first);
      if (words.size() == 2 && command.first == words[0]) {
        offer(command.second);
        known_pair = known_pair || !command.second.empty();
      }
    }
  }
  if (words.size() <= 1) {
    for (const std::string_view word : kLocal) offer(word);
    return found;
  }
  if (words.size() == 2 && known_pair) return found;
  // Arguments are identities most of the time, or the provider of a connect.
  const NodeAnswer identities = context_.node.get("/identities");
  for (const auto& [unused, item] : identities.root()["identities"])
    offer(item["id"].string_or(""));
  if (words[0] == "connect" && words.size() == 3) {
    found.clear();
    const NodeAnswer answer = context_.node.get("/proposals");
    for (const auto& [unused, item] : answer.root()["proposals"]) {
      offer(item["provider_id"].string_or(""));
    }
  }
  return found;
}

int run_prompt(ClientContext& context, const std::string& history) {
  Shell shell(context);
  LineEditor editor(history);
  editor.set_completer([&](std::string_view line) {
    Words words = split_words(line).value_or(Words{});
    if (line.empty() || line.back() == ' ') words.emplace_back();
    return shell.complete(words);
  });
  while (!shell.wants_to_leave()) {
    const auto line = editor.read(kPrompt);
    if (!line) break;
    if (trim(*line).empty()) {
      context.out.plain(shell.help());
      continue;
    }
    const auto words = split_words(*line);
    if (!words) {
      context.out.error("a quote is not closed");
      continue;
    }
    (void)shell.run(*words);
  }
  return kOk;
}

}  // namespace myst::app
