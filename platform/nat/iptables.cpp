#include "platform/nat/iptables.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "core/base/text.hpp"
#include "platform/system/files.hpp"
#include "platform/system/run.hpp"

namespace myst::platform {
namespace {

using core::IpFamily;

constexpr const char* kLockWait = "5";  // seconds to wait for another program's change

struct Tools {
  std::string tool, restore, save;
  bool complete() const { return !tool.empty() && !restore.empty() && !save.empty(); }
};

Tools find_tools(const std::string& base, const std::string& variant) {
  const std::string name = variant.empty() ? base : base + "-" + variant;
  return {find_program(name), find_program(name + "-restore"), find_program(name + "-save")};
}

// The kernel's list of ip_tables tables in use; absent while the modules are not loaded.
bool legacy_tables_exist() {
  const auto names = read_file("/proc/net/ip_tables_names", 4096);
  return names.ok() && !names->empty();
}

// "iptables v1.8.9 (nf_tables)" or "(legacy)".
Iptables::FrontEnd variant_of(const std::string& tool) {
  const auto version = run({tool, "--version"});
  if (!version.ok()) return Iptables::FrontEnd::Default;
  if (version->output.find("nf_tables") != std::string::npos) return Iptables::FrontEnd::Nft;
  if (version->output.find("legacy") != std::string::npos) return Iptables::FrontEnd::Legacy;
  return Iptables::FrontEnd::Default;
}

struct Look {
  bool works = false;
  bool denied = false;
  bool holds_rules = false;
};

Look look_at(const Tools& tools) {
  Look look;
  if (!tools.complete()) return look;
  const auto saved = run({tools.save});
  if (!saved.ok()) return look;
  if (saved->exit_code != 0) {
    look.denied = saved->errors.find("ermission denied") != std::string::npos ||
                  saved->errors.find("you must be root") != std::string::npos;
    return look;
  }
  look.works = true;
  const core::IptablesRules rules = core::read_iptables_save(saved->output, "MYST");
  look.holds_rules = rules.rules > 0 || rules.own_chains > 0 || rules.drop_policy;
  return look;
}

}  // namespace

Result<Iptables> Iptables::open(std::string chain_prefix) {
  const Tools standard = find_tools("iptables", "");
  Tools nft = find_tools("iptables", "nft");
  Tools legacy = find_tools("iptables", "legacy");
  FrontEnd standard_is = FrontEnd::Default;
  if (standard.complete()) {
    standard_is = variant_of(standard.tool);
    if (standard_is == FrontEnd::Nft && !nft.complete()) nft = standard;
    if (standard_is == FrontEnd::Legacy && !legacy.complete()) legacy = standard;
  }
  if (!standard.complete() && !nft.complete() && !legacy.complete()) {
    return Error{Errc::NotFound, 0, "iptables is not installed"};
  }

  const Look nft_look = look_at(nft);
  const Look legacy_look = legacy_tables_exist() ? look_at(legacy) : Look{};
  Iptables out;
  out.chain_prefix_ = std::move(chain_prefix);
  out.mixed_ = nft_look.holds_rules && legacy_look.holds_rules;
  Tools chosen;
  std::string variant;
  const auto choose = [&](FrontEnd front_end) {
    out.front_end_ = front_end;
    variant = front_end == FrontEnd::Nft ? "nft" : front_end == FrontEnd::Legacy ? "legacy" : "";
    chosen = front_end == FrontEnd::Nft ? nft : front_end == FrontEnd::Legacy ? legacy : standard;
  };
  if (nft_look.holds_rules != legacy_look.holds_rules) {
    choose(nft_look.holds_rules ? FrontEnd::Nft : FrontEnd::Legacy);
  } else if (standard_is == FrontEnd::Nft ? nft_look.works : standard.complete()) {
    choose(standard_is);
  } else if (nft_look.works) {
    choose(FrontEnd::Nft);
  } else {
    choose(FrontEnd::Legacy);
  }
  // The one place where a front end that was not looked at is run: it is going to be used.
  const Look final_look = out.front_end_ == FrontEnd::Nft ? nft_look : look_at(chosen);
  if (!final_look.works) {
    if (final_look.denied || nft_look.denied || ::geteuid() != 0) {
      return Error{Errc::Unauthorized, EPERM, "iptables needs root or CAP_NET_ADMIN"};
    }
    return Error{Errc::Unsupported, 0, "iptables does not work with this kernel"};
  }
  out.tool4_ = chosen.tool;
  out.restore4_ = chosen.restore;
  out.save4_ = chosen.save;
  Tools six = find_tools("ip6tables", variant);
  if (!six.complete()) six = find_tools("ip6tables", "");
  if (six.complete() && ::access("/proc/net/if_inet6", F_OK) == 0) {
    out.tool6_ = six.tool;
    out.restore6_ = six.restore;
    out.save6_ = six.save;
  }
  return out;
}

const char* Iptables::front_end_name() const {
  switch (front_end_) {
    case FrontEnd::Default:
      return "iptables";
    case FrontEnd::Nft:
      return "iptables-nft";
    case FrontEnd::Legacy:
      return "iptables-legacy";
  }
  return "";
}

Status Iptables::restore(IpFamily family, const std::string& text) {
  if (text.empty()) return {};
  const std::string& program = family == IpFamily::V4 ? restore4_ : restore6_;
  if (program.empty()) return Error{Errc::Unsupported, 0, "ip6tables is not available"};
  auto result = run({program, "--noflush", "-w", kLockWait}, text);
  if (!result.ok()) {
    last_message_ = result.error().what;
    return result.error();
  }
  if (result->exit_code != 0) {
    last_message_ = std::string(trim(result->errors));
    return Error{Errc::Rejected, result->exit_code, "iptables-restore refused the rules"};
  }
  last_message_.clear();
  return {};
}

Status Iptables::make(const core::Plan& plan) {
  for (const IpFamily family : {IpFamily::V4, IpFamily::V6}) {
    MYST_TRY(restore(family, core::iptables_make_text(plan, family)));
  }
  return {};
}

Status Iptables::undo(const core::Plan& plan) {
  Status first_error;
  for (const IpFamily family : {IpFamily::V6, IpFamily::V4}) {
    const std::string text = core::iptables_undo_text(plan, family);
    if (text.empty() || restore(family, text).ok()) continue;
    // Some of it is gone already (a crash in the middle, another program's flush).
    if (const Status status = undo_one_by_one(plan, family); !status.ok()) first_error = status;
  }
  return first_error;
}

Status Iptables::undo_one_by_one(const core::Plan& plan, IpFamily family) {
  const std::string& tool = family == IpFamily::V4 ? tool4_ : tool6_;
  if (tool.empty()) return {};  // no such front end: no such rules
  // Looked at once, so that what is clearly gone costs no process of its own.
  MYST_TRY_ASSIGN(const RunResult saved, run({family == IpFamily::V4 ? save4_ : save6_}));
  const auto present = core::count_rules(saved.output);
  Status status;
  // Rules before chains, as a chain goes only when nothing jumps to it; within each, in reverse.
  for (const bool chains : {false, true}) {
    for (auto it = plan.rbegin(); it != plan.rend(); ++it) {
      const auto* chain = std::get_if<core::IptablesChain>(&*it);
      const auto* rule = std::get_if<core::IptablesRule>(&*it);
      const bool wanted = chains ? chain != nullptr && chain->family == family
                                 : rule != nullptr && rule->family == family;
      if (!wanted) continue;
      const auto where = present.find(chains ? chain->table + " " + chain->chain
                                             : rule->table + " " + rule->chain);
      if (where == present.end() || (!chains && where->second == 0)) continue;
      for (std::vector<std::string> command : core::iptables_undo_commands(*it)) {
        command.insert(command.begin(), {tool, "-w", kLockWait});
        const auto result = run(command);
        // 1: "does a matching rule exist in that chain?", "No chain/target/match by that name";
        // 2: the chain it jumps to does not exist. 4 is a lock or the kernel: a real failure.
        if (result.ok() && result->exit_code >= 0 && result->exit_code <= 2) continue;
        last_message_ = result.ok() ? std::string(trim(result->errors)) : result.error().what;
        status = Error{Errc::Io, result.ok() ? result->exit_code : 0, "iptables undo"};
      }
    }
  }
  return status;
}

Result<bool> Iptables::remove_leftovers() {
  bool found = false;
  for (const IpFamily family : {IpFamily::V4, IpFamily::V6}) {
    const std::string& save = family == IpFamily::V4 ? save4_ : save6_;
    if (save.empty()) continue;
    MYST_TRY_ASSIGN(const RunResult saved, run({save}));
    if (saved.exit_code != 0) {
      last_message_ = std::string(trim(saved.errors));
      return Error{Errc::Io, saved.exit_code, "iptables-save"};
    }
    const auto rules = core::read_iptables_save(saved.output, chain_prefix_);
    if (rules.remove_leftovers.empty()) continue;
    found = true;
    MYST_TRY(restore(family, rules.remove_leftovers));
  }
  return found;
}

}  // namespace myst::platform
