#include "platform/system/system_changes.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <type_traits>
#include <utility>

#include "core/base/text.hpp"
#include "platform/system/system_files.hpp"

namespace myst::platform {
namespace {

using core::RecordedChange;

constexpr int kMaxNodesOnHost = 16;
constexpr std::size_t kMaxPlan = 512;

bool is_iptables(const core::Change& change) {
  return std::holds_alternative<core::IptablesChain>(change) ||
         std::holds_alternative<core::IptablesRule>(change);
}

core::Plan iptables_part(const std::vector<RecordedChange>& changes) {
  core::Plan plan;
  for (const RecordedChange& recorded : changes) {
    if (is_iptables(recorded.change)) plan.push_back(recorded.change);
  }
  return plan;
}

bool first_iptables(const std::vector<RecordedChange>& changes, std::size_t index) {
  return std::none_of(changes.begin(), changes.begin() + static_cast<std::ptrdiff_t>(index),
                      [](const RecordedChange& recorded) { return is_iptables(recorded.change); });
}

// Undoing what is already gone is success.
Status gone_is_fine(const Status& status) {
  if (!status.ok() && status.error().code == Errc::NotFound) return {};
  return status;
}

}  // namespace

SystemChanges::SystemChanges(Options options, Netlink netlink, Journal journal)
    : options_(std::move(options)),
      netlink_(std::move(netlink)),
      journal_(std::move(journal)),
      resolver_(options_.resolv_conf) {}

Result<SystemChanges> SystemChanges::open(Options options) {
  MYST_TRY_ASSIGN(Netlink netlink, Netlink::open());
  MYST_TRY_ASSIGN(Journal journal, Journal::open(options.journal_path));
  SystemChanges out(std::move(options), std::move(netlink), std::move(journal));
  out.live_ = out.journal_.found().entries;
  out.choose_chains();
  return out;
}

void SystemChanges::choose_chains() {
  // The names of an earlier run, if its records are to be undone, need not be the same: records
  // hold full names. The lock is per network namespace, since that is what chains belong to.
  std::string id = current_boot_id();
  id = id.substr(id.rfind('/') + 1);
  for (int i = 0; i < kMaxNodesOnHost; ++i) {
    const std::string number = i == 0 ? std::string() : std::to_string(i);
    const std::string path = options_.lock_folder + "/myst-chains-" + id + "-" + number + ".lock";
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid()) return;  // no such folder: a node alone in its container
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
      chains_ = core::ChainNames("MYST" + number);
      chains_lock_ = std::move(fd);
      return;
    }
  }
}

Result<Iptables*> SystemChanges::iptables() {
  if (!iptables_) {
    MYST_TRY_ASSIGN(Iptables found, Iptables::open(chains_.all_prefix));
    iptables_ = std::move(found);
    // Chains that the journal knows are undone by their records; here go those of a lost journal.
    const bool known = std::any_of(live_.begin(), live_.end(), [](const core::JournalEntry& entry) {
      return !iptables_part(entry.changes).empty();
    });
    if (!known) {
      const auto removed = iptables_->remove_leftovers();
      if (!removed.ok()) last_message_ = iptables_->last_message();
    }
  }
  return &*iptables_;
}

Status SystemChanges::recover() {
  const bool only_surviving = journal_.from_another_boot() && !recovered_;
  recovered_ = true;
  Status first_error;
  // Backwards, as they were made on top of each other.
  std::vector<core::JournalEntry> entries = live_;
  for (auto it = entries.rbegin(); it != entries.rend(); ++it) {
    const Status status = undo_changes(it->changes, only_surviving);
    if (!status.ok()) {
      if (first_error.ok()) first_error = status;
      continue;
    }
    live_.erase(std::find(live_.begin(), live_.end(), *it));
    step("before journal");
    MYST_TRY(journal_.undone(it->label, live_));
    step("after journal");
  }
  // Nothing to undo, but perhaps torn lines or an old boot's id: a fresh file for this run.
  if (live_.empty()) MYST_TRY(journal_.undone({}, live_));
  return first_error;
}

Status SystemChanges::apply(const std::string& label, const core::Plan& plan) {
  last_message_.clear();
  if (has(label)) return Error{Errc::AlreadyExists, 0, "system change label is in use"};
  if (live_.size() >= core::kMaxJournalEntries || plan.size() > kMaxPlan) {
    return Error{Errc::Full, 0, "system changes"};
  }
  core::JournalEntry entry{label, {}};
  for (const core::Change& change : plan) {
    MYST_TRY(core::check(change));
    MYST_TRY_ASSIGN(std::optional<std::string> prior, probe(change));
    if (prior) entry.changes.push_back({change, *std::move(prior)});
  }
  // Found before the journal is written: a machine without iptables is told so, unchanged.
  if (!iptables_part(entry.changes).empty()) {
    const auto tool = iptables();
    if (!tool.ok()) return tool.error();
  }
  const bool durable =
      std::any_of(entry.changes.begin(), entry.changes.end(), core::survives_reboot);
  step("before journal");
  MYST_TRY(journal_.begin(entry, durable));
  step("after journal");
  live_.push_back(std::move(entry));
  const Status made = make_all(live_.back().changes);
  if (!made.ok()) {
    const std::string message = last_message_;
    (void)undo(label);
    last_message_ = message;
  }
  return made;
}

Status SystemChanges::undo(const std::string& label) {
  const core::JournalEntry* entry = find(label);
  if (entry == nullptr) return {};
  // On failure it stays in the journal: undo_all() or the next start tries again.
  MYST_TRY(undo_changes(entry->changes, false));
  live_.erase(live_.begin() + (entry - live_.data()));
  step("before journal");
  const Status status = journal_.undone(label, live_);
  step("after journal");
  return status;
}

Status SystemChanges::undo_all() {
  Status first_error;
  std::vector<std::string> names = labels();
  for (auto it = names.rbegin(); it != names.rend(); ++it) {
    const Status status = undo(*it);
    if (!status.ok() && first_error.ok()) first_error = status;
  }
  return first_error;
}

bool SystemChanges::has(const std::string& label) const { return find(label) != nullptr; }

std::vector<std::string> SystemChanges::labels() const {
  std::vector<std::string> out;
  for (const core::JournalEntry& entry : live_) out.push_back(entry.label);
  return out;
}

const core::JournalEntry* SystemChanges::find(const std::string& label) const {
  for (const core::JournalEntry& entry : live_) {
    if (entry.label == label) return &entry;
  }
  return nullptr;
}

const RecordedChange* SystemChanges::live_dns(const RecordedChange* except) const {
  for (auto entry = live_.rbegin(); entry != live_.rend(); ++entry) {
    for (const RecordedChange& recorded : entry->changes) {
      if (std::holds_alternative<core::SetDns>(recorded.change) &&
          (except == nullptr || !(recorded == *except))) {
        return &recorded;
      }
    }
  }
  return nullptr;
}

Result<std::optional<std::string>> SystemChanges::probe(const core::Change& change) {
  using Prior = std::optional<std::string>;
  const auto unless = [](const Result<bool>& there) -> Result<Prior> {
    if (!there.ok()) return there.error();
    return *there ? Prior() : Prior("");
  };
  const auto link = [this](const std::string& name) -> Result<std::optional<Link>> {
    auto found = netlink_.link(name);
    if (found.ok()) return std::optional<Link>(*std::move(found));
    if (found.error().code == Errc::NotFound) return std::optional<Link>();
    return found.error();
  };
  if (const auto* own = std::get_if<core::OwnLink>(&change)) {
    MYST_TRY_ASSIGN(const auto found, link(own->link));
    if (found) return Error{Errc::AlreadyExists, EEXIST, "device exists"};
    return Prior("");
  }
  if (const auto* rate = std::get_if<core::SharedRate>(&change)) {
    MYST_TRY_ASSIGN(const auto found, link(rate->queue));
    if (found) return Error{Errc::AlreadyExists, EEXIST, "device exists"};
    return Prior("");
  }
  if (const auto* up = std::get_if<core::SetLinkUp>(&change)) {
    MYST_TRY_ASSIGN(const auto found, link(up->link));
    return found && found->up ? Prior() : Prior("");
  }
  if (const auto* mtu = std::get_if<core::SetLinkMtu>(&change)) {
    MYST_TRY_ASSIGN(const auto found, link(mtu->link));
    if (!found) return Prior("");
    if (found->mtu_bytes == mtu->mtu_bytes) return Prior();
    return Prior(std::to_string(found->mtu_bytes));
  }
  if (const auto* address = std::get_if<core::AddAddress>(&change)) {
    return unless(netlink_.has_address(*address));
  }
  if (const auto* route = std::get_if<core::AddRoute>(&change)) {
    return unless(netlink_.has_route(*route));
  }
  if (const auto* rule = std::get_if<core::AddRule>(&change))
    return unless(netlink_.has_rule(*rule));
  if (const auto* sysctl = std::get_if<core::SetSysctl>(&change)) {
    const auto value = read_sysctl(sysctl->key);
    if (value.ok()) return *value == sysctl->value ? Prior() : Prior(*value);
    // A kernel without IPv6 has nothing to switch off; else the key's device is still to come.
    const bool no_ipv6 =
        sysctl->key.compare(0, 9, "net/ipv6/") == 0 && ::access("/proc/sys/net/ipv6", F_OK) != 0;
    return no_ipv6 ? Prior() : Prior("");
  }
  if (std::holds_alternative<core::SetDns>(change)) {
    const RecordedChange* live = live_dns(nullptr);
    MYST_TRY_ASSIGN(std::string prior, resolver_.probe(live != nullptr ? live->prior : ""));
    return Prior(std::move(prior));
  }
  return Prior("");
}

Status SystemChanges::make_all(const std::vector<RecordedChange>& changes) {
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const bool filter = is_iptables(changes[i].change);
    if (filter && !first_iptables(changes, i)) continue;
    step("before change");
    if (filter) {
      MYST_TRY_ASSIGN(Iptables * tool, iptables());
      const Status status = tool->make(iptables_part(changes));
      last_message_ = tool->last_message();
      MYST_TRY(status);
    } else {
      MYST_TRY(make(changes[i].change, changes[i].prior));
    }
    step("after change");
  }
  return {};
}

Status SystemChanges::make(const core::Change& change, const std::string& prior) {
  if (const auto* up = std::get_if<core::SetLinkUp>(&change)) {
    return netlink_.set_link_up(up->link, true);
  }
  if (const auto* mtu = std::get_if<core::SetLinkMtu>(&change)) {
    return netlink_.set_link_mtu(mtu->link, mtu->mtu_bytes);
  }
  if (const auto* address = std::get_if<core::AddAddress>(&change)) {
    return netlink_.add_address(*address);
  }
  if (const auto* route = std::get_if<core::AddRoute>(&change)) return netlink_.add_route(*route);
  if (const auto* rule = std::get_if<core::AddRule>(&change)) return netlink_.add_rule(*rule);
  if (const auto* sysctl = std::get_if<core::SetSysctl>(&change)) {
    return write_sysctl(sysctl->key, sysctl->value);
  }
  if (const auto* dns = std::get_if<core::SetDns>(&change)) return resolver_.make(*dns, prior);
  if (const auto* shape = std::get_if<core::ShapeLink>(&change)) return netlink_.shape(*shape);
  if (const auto* rate = std::get_if<core::SharedRate>(&change)) {
    return netlink_.make_shared_rate(*rate);
  }
  if (const auto* join = std::get_if<core::JoinSharedRate>(&change)) {
    return netlink_.join_shared_rate(*join);
  }
  if (const auto* rate = std::get_if<core::SessionRate>(&change)) {
    return netlink_.make_session_rate(*rate);
  }
  return {};  // OwnLink: its maker does it
}

Status SystemChanges::undo_changes(const std::vector<RecordedChange>& changes,
                                   bool only_surviving) {
  Status first_error;
  for (std::size_t i = changes.size(); i-- > 0;) {
    const RecordedChange& recorded = changes[i];
    if (only_surviving && !core::survives_reboot(recorded)) continue;
    const bool filter = is_iptables(recorded.change);
    if (filter && !first_iptables(changes, i)) continue;
    step("before undo");
    Status status;
    if (filter) {
      // Opened without looking for leftovers: these records are about to remove them.
      if (!iptables_) {
        auto found = Iptables::open(chains_.all_prefix);
        if (found.ok()) {
          iptables_ = *std::move(found);
        } else {
          status = found.error();
        }
      }
      if (iptables_) {
        status = iptables_->undo(iptables_part(changes));
        if (!status.ok()) last_message_ = iptables_->last_message();
      }
    } else if (const auto* dns = std::get_if<core::SetDns>(&recorded.change)) {
      const RecordedChange* other = live_dns(&recorded);
      status =
          resolver_.undo(*dns, recorded.prior,
                         other != nullptr ? std::get_if<core::SetDns>(&other->change) : nullptr);
    } else {
      status = gone_is_fine(undo_one(recorded.change, recorded.prior));
    }
    if (!status.ok() && first_error.ok()) first_error = status;
    step("after undo");
  }
  return first_error;
}

Status SystemChanges::undo_one(const core::Change& change, const std::string& prior) {
  if (const auto* own = std::get_if<core::OwnLink>(&change)) {
    return netlink_.delete_link(own->link);
  }
  if (const auto* up = std::get_if<core::SetLinkUp>(&change)) {
    return netlink_.set_link_up(up->link, false);
  }
  if (const auto* mtu = std::get_if<core::SetLinkMtu>(&change)) {
    const auto before = parse_decimal(prior);
    if (!before || *before > 65535) return {};
    return netlink_.set_link_mtu(mtu->link, static_cast<std::uint32_t>(*before));
  }
  if (const auto* address = std::get_if<core::AddAddress>(&change)) {
    return netlink_.delete_address(*address);
  }
  if (const auto* route = std::get_if<core::AddRoute>(&change)) {
    // The kernel would take a route of another metric for ours.
    MYST_TRY_ASSIGN(const bool there, netlink_.has_route(*route));
    return there ? netlink_.delete_route(*route) : Status{};
  }
  if (const auto* rule = std::get_if<core::AddRule>(&change)) return netlink_.delete_rule(*rule);
  if (const auto* sysctl = std::get_if<core::SetSysctl>(&change)) {
    const auto current = read_sysctl(sysctl->key);
    if (!current.ok()) return current.error();
    if (prior.empty() || *current != sysctl->value) return {};
    return write_sysctl(sysctl->key, prior);
  }
  if (const auto* shape = std::get_if<core::ShapeLink>(&change)) {
    return netlink_.unshape(shape->link);
  }
  if (const auto* rate = std::get_if<core::SharedRate>(&change)) {
    return netlink_.delete_link(rate->queue);
  }
  if (const auto* join = std::get_if<core::JoinSharedRate>(&change)) {
    return netlink_.leave_shared_rate(*join);
  }
  if (const auto* rate = std::get_if<core::SessionRate>(&change)) {
    return netlink_.drop_session_rate(*rate);
  }
  return {};
}

}  // namespace myst::platform
