// Text of iptables-restore and iptables-save.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/system/change.hpp"

namespace myst::core {

// Input of `iptables-restore --noflush` that makes the iptables changes of one family, all tables
// in one run; other changes in `plan` are skipped. Empty: nothing to do.
std::string iptables_make_text(const Plan& plan, IpFamily family);
// ... and that undoes them, in reverse order. Fails as a whole when a part is already gone.
std::string iptables_undo_text(const Plan& plan, IpFamily family);
// One change alone, as arguments of iptables, for when the batch failed: each command may fail with
// "no such rule", which means done.
std::vector<std::vector<std::string>> iptables_undo_commands(const Change& change);

// What iptables-save prints, as far as needed.
struct IptablesRules {
  std::size_t rules = 0;         // without the empty built-in chains
  std::size_t own_chains = 0;    // user-defined chains, anybody's
  bool drop_policy = false;      // some built-in chain drops by default
  std::string remove_leftovers;  // iptables-restore input that removes chains named prefix,
                                 // prefix_* and all jumps to them; empty: there are none
};
// Unknown lines are skipped.
IptablesRules read_iptables_save(std::string_view text, std::string_view chain_prefix);

// How many rules each chain of a table holds, by "table chain"; chains without rules are there,
// too.
std::map<std::string, std::size_t> count_rules(std::string_view iptables_save);

}  // namespace myst::core
