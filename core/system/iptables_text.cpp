#include "core/system/iptables_text.hpp"

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"

namespace myst::core {
namespace {

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

// Lines of one run, a section per table in the order the tables were first named.
class Sections {
 public:
  void add(std::string_view table, std::string line) {
    auto found = std::find_if(sections_.begin(), sections_.end(),
                              [table](const auto& section) { return section.first == table; });
    if (found == sections_.end()) found = sections_.insert(found, {std::string(table), {}});
    found->second += line + "\n";
  }
  std::string text() const {
    std::string out;
    for (const auto& [table, lines] : sections_) out += "*" + table + "\n" + lines + "COMMIT\n";
    return out;
  }

 private:
  std::vector<std::pair<std::string, std::string>> sections_;
};

bool makes_chain(const Plan& plan, const IptablesRule& rule) {
  return std::any_of(plan.begin(), plan.end(), [&rule](const Change& change) {
    const auto* chain = std::get_if<IptablesChain>(&change);
    return chain != nullptr && chain->family == rule.family && chain->table == rule.table &&
           chain->chain == rule.chain;
  });
}

bool is_own_chain(std::string_view chain, std::string_view prefix) {
  return chain.substr(0, prefix.size()) == prefix &&
         (chain.size() == prefix.size() || chain[prefix.size()] == '_');
}

std::string_view first_word(std::string_view text) { return text.substr(0, text.find(' ')); }

// The target of a saved rule. Quoted text (comments) may contain anything, so " -j " inside quotes
// does not count.
std::string_view target_of(std::string_view rule) {
  bool quoted = false;
  for (std::size_t i = 0; i < rule.size(); ++i) {
    if (rule[i] == '\\') {
      ++i;
    } else if (rule[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && (rule.substr(i, 4) == " -j " || rule.substr(i, 4) == " -g ")) {
      return first_word(rule.substr(i + 4));
    }
  }
  return {};
}

}  // namespace

std::string iptables_make_text(const Plan& plan, IpFamily family) {
  Sections out;
  for (const Change& change : plan) {
    if (const auto* chain = std::get_if<IptablesChain>(&change)) {
      // With --noflush this creates the chain, or empties the one a crash left behind.
      if (chain->family == family) out.add(chain->table, ":" + chain->chain + " - [0:0]");
    } else if (const auto* rule = std::get_if<IptablesRule>(&change)) {
      if (rule->family != family) continue;
      const std::string where = rule->position == 0
                                    ? "-A " + rule->chain
                                    : "-I " + rule->chain + " " + std::to_string(rule->position);
      out.add(rule->table, where + " " + join(rule->args));
    }
  }
  return out.text();
}

std::string iptables_undo_text(const Plan& plan, IpFamily family) {
  Sections out;
  // Three passes, because a chain goes only when nothing jumps to it: foreign rules, contents,
  // chains.
  for (auto it = plan.rbegin(); it != plan.rend(); ++it) {
    const auto* rule = std::get_if<IptablesRule>(&*it);
    if (rule != nullptr && rule->family == family && !makes_chain(plan, *rule)) {
      out.add(rule->table, "-D " + rule->chain + " " + join(rule->args));
    }
  }
  for (const char* command : {"-F ", "-X "}) {
    for (auto it = plan.rbegin(); it != plan.rend(); ++it) {
      const auto* chain = std::get_if<IptablesChain>(&*it);
      if (chain != nullptr && chain->family == family)
        out.add(chain->table, command + chain->chain);
    }
  }
  return out.text();
}

std::vector<std::vector<std::string>> iptables_undo_commands(const Change& change) {
  if (const auto* chain = std::get_if<IptablesChain>(&change)) {
    return {{"-t", chain->table, "-F", chain->chain}, {"-t", chain->table, "-X", chain->chain}};
  }
  if (const auto* rule = std::get_if<IptablesRule>(&change)) {
    std::vector<std::string> command{"-t", rule->table, "-D", rule->chain};
    command.insert(command.end(), rule->args.begin(), rule->args.end());
    return {std::move(command)};
  }
  return {};
}

std::map<std::string, std::size_t> count_rules(std::string_view iptables_save) {
  std::map<std::string, std::size_t> out;
  std::string table;
  for (std::string_view line : split(iptables_save, '\n')) {
    line = trim(line);
    if (line.substr(0, 1) == "*") {
      table = std::string(line.substr(1)) + " ";
    } else if (line.substr(0, 1) == ":") {
      (void)out[table + std::string(first_word(line.substr(1)))];
    } else if (line.substr(0, 3) == "-A ") {
      ++out[table + std::string(first_word(line.substr(3)))];
    }
  }
  return out;
}

IptablesRules read_iptables_save(std::string_view text, std::string_view chain_prefix) {
  IptablesRules out;
  std::string table;
  Sections all;
  std::vector<std::pair<std::string, std::string>> jump_lines, chain_lines;  // table, line
  for (std::string_view line : split(text, '\n')) {
    line = trim(line);
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '*') {
      table = std::string(line.substr(1));
    } else if (line[0] == ':') {
      const std::string_view chain = first_word(line.substr(1));
      const std::string_view policy = line.substr(std::min(line.size(), chain.size() + 2));
      if (first_word(policy) == "DROP") out.drop_policy = true;
      if (first_word(policy) == "-") ++out.own_chains;
      if (is_own_chain(chain, chain_prefix)) chain_lines.emplace_back(table, chain);
    } else if (line.substr(0, 3) == "-A ") {
      ++out.rules;
      const std::string_view rule = line.substr(3);
      if (!is_own_chain(first_word(rule), chain_prefix) &&
          is_own_chain(target_of(rule), chain_prefix)) {
        jump_lines.emplace_back(table, "-D " + std::string(rule));
      }
    }
  }
  for (auto& [where, line] : jump_lines) all.add(where, std::move(line));
  for (const auto& [where, chain] : chain_lines) all.add(where, "-F " + chain);
  for (const auto& [where, chain] : chain_lines) all.add(where, "-X " + chain);
  out.remove_leftovers = all.text();
  return out;
}

}  // namespace myst::core
