// The machine's packet filter through its iptables front end: whole rule sets in one process each.
//
// Two front ends may be installed: iptables-nft (nf_tables) and iptables-legacy (ip_tables). Rules
// of both are evaluated by the kernel, so a DROP in one wins over an ACCEPT in the other; ours must
// stand where the machine's own rules are. Chosen: the one that holds rules; both or none: what
// `iptables` itself is, if it works. The other one is never run, since looking at it would already
// load its kernel modules.
#pragma once

#include <string>

#include "core/base/result.hpp"
#include "core/system/change.hpp"
#include "core/system/iptables_text.hpp"

namespace myst::platform {

class Iptables {
 public:
  enum class FrontEnd : std::uint8_t { Default, Nft, Legacy };  // Default: neither variant by name

  // NotFound: no iptables installed. Unauthorized: no CAP_NET_ADMIN. Unsupported: no front end
  // works with this kernel. `chain_prefix` names the chains that are ours.
  static Result<Iptables> open(std::string chain_prefix = "MYST");

  FrontEnd front_end() const { return front_end_; }
  const char* front_end_name() const;
  // Both front ends hold rules: an ACCEPT of ours may not be enough. Worth one warning.
  bool mixed() const { return mixed_; }

  // The iptables changes of a plan, both families; all or nothing per family and table.
  Status make(const core::Plan& plan);
  // What is already gone is no error.
  Status undo(const core::Plan& plan);
  // Removes chains of our name and the jumps to them, whoever left them. True: there were some.
  Result<bool> remove_leftovers();

  bool has_ipv6() const { return !restore6_.empty(); }
  // What the helper last complained about, for the log; empty after success.
  const std::string& last_message() const { return last_message_; }

 private:
  Iptables() = default;
  Status restore(core::IpFamily family, const std::string& text);
  Status undo_one_by_one(const core::Plan& plan, core::IpFamily family);

  std::string chain_prefix_;
  FrontEnd front_end_ = FrontEnd::Default;
  bool mixed_ = false;
  std::string tool4_, tool6_, restore4_, restore6_, save4_, save6_;
  std::string last_message_;
};

}  // namespace myst::platform
