// The one place that changes the machine. A plan is made under a label and undone by it:
//
//   SystemChanges::open(options), then recover() once at start
//   apply("session 7", plan)  probe what is there -> journal -> make; on failure everything back
//   undo("session 7")         in reverse; what is already gone is no error
//   undo_all()                at the orderly end
//
// After kill -9, recover() undoes from the journal what the previous run had begun; after a reboot
// only what outlives one. Not for two threads at once. Calls take microseconds, those with iptables
// or DNS programs some milliseconds each: on a WorkQueue where that matters.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/system/change.hpp"
#include "core/system/journal_codec.hpp"
#include "core/system/provider_plan.hpp"
#include "platform/nat/iptables.hpp"
#include "platform/netlink/netlink.hpp"
#include "platform/system/journal.hpp"
#include "platform/system/resolver.hpp"

namespace myst::platform {

class SystemChanges {
 public:
  struct Options {
    std::string journal_path;  // in the data folder
    std::string resolv_conf = "/etc/resolv.conf";
    std::string lock_folder = "/run";  // which chain names are taken by other nodes
    // Called before and after each write and each change, for tests that kill the process there.
    std::function<void(const char* step)> on_step;
  };

  // Changes nothing yet. AlreadyExists: another process uses this data folder. Unauthorized does
  // not happen here but at the first change.
  static Result<SystemChanges> open(Options options);

  // Undoes what an earlier run left behind. An error names the first thing that could not be
  // undone; it stays in the journal for the next start.
  Status recover();

  // AlreadyExists: the label is in use, or a device to be made exists. Full: too many labels.
  // Any error: as if it had never been called.
  Status apply(const std::string& label, const core::Plan& plan);
  Status undo(const std::string& label);  // an unknown label is no error
  Status undo_all();
  bool has(const std::string& label) const;
  std::vector<std::string> labels() const;  // in the order they were applied

  // The names of our chains; other nodes of this host have others.
  const core::ChainNames& chains() const { return chains_; }
  // Looks for the front end (some 10 ms, once) and removes chains that nobody answers for.
  // Call it at provider start, so that no session waits for it.
  Result<Iptables*> iptables();
  Netlink& netlink() { return netlink_; }

  // What a helper program said about the last failure, for the log.
  const std::string& last_message() const { return last_message_; }

 private:
  SystemChanges(Options options, Netlink netlink, Journal journal);
  void step(const char* where) {
    if (options_.on_step) options_.on_step(where);
  }
  void choose_chains();

  // Before: what is there. nullopt: already as wanted, so there is nothing to make or undo.
  Result<std::optional<std::string>> probe(const core::Change& change);
  Status make_all(const std::vector<core::RecordedChange>& changes);
  Status make(const core::Change& change, const std::string& prior);
  Status undo_changes(const std::vector<core::RecordedChange>& changes, bool only_surviving);
  Status undo_one(const core::Change& change, const std::string& prior);
  const core::JournalEntry* find(const std::string& label) const;
  const core::RecordedChange* live_dns(const core::RecordedChange* except) const;

  Options options_;
  Netlink netlink_;
  Journal journal_;
  Resolver resolver_;
  core::ChainNames chains_;
  UniqueFd chains_lock_;
  std::optional<Iptables> iptables_;
  std::vector<core::JournalEntry> live_;
  bool recovered_ = false;
  std::string last_message_;
};

}  // namespace myst::platform
