#include "platform/system/host_network.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "platform/dns/dns_proxy.hpp"
#include "platform/log/log.hpp"
#include "platform/loop/fd_watcher.hpp"
#include "platform/loop/timer.hpp"
#include "platform/loop/work_queue.hpp"
#include "platform/netlink/route_monitor.hpp"
#include "platform/system/system_changes.hpp"
#include "platform/system/system_files.hpp"

namespace myst::platform {
namespace {

constexpr std::size_t kMaxJobs = 4096;
constexpr const char* kProviderLabel = "provider";
constexpr const char* kSharedRateLabel = "provider rate";
constexpr const char* kKillSwitchLabel = "kill-switch";
// Routing events come in bursts; a plan made in the middle of one would be made again.
constexpr auto kReplanDelay = std::chrono::milliseconds{50};

bool ipv6_enabled() {
  const auto value = read_sysctl("net/ipv6/conf/all/disable_ipv6");
  return !value.ok() || *value == "0";  // unreadable counts as enabled
}

// Everything that changes the machine. Lives on the pool thread: one job at a time, in order.
class Worker {
 public:
  Worker(SystemChanges changes, HostNetwork::Options options)
      : changes_(std::move(changes)), options_(std::move(options)) {}

  SystemChanges& changes() { return changes_; }

  Status start_provider() {
    if (changes_.has(kProviderLabel)) return {};
    MYST_TRY_ASSIGN([[maybe_unused]] Iptables * tool, changes_.iptables());
    core::ProviderBase base;
    base.chains = changes_.chains();
    base.protected_networks = options_.protected_networks;
    MYST_TRY_ASSIGN(const auto addresses, changes_.netlink().addresses());
    for (const LinkAddress& address : addresses) base.own_addresses.push_back(address.address.ip);
    return changes_.apply(kProviderLabel, core::plan_provider_base(base));
  }

  Status open_link(const HostNetwork::ProviderLink& wanted) {
    return apply_queued(link_label(wanted.link), wanted.link, wanted.limited,
                        [this, &wanted](const std::string& queue) -> Result<core::Plan> {
                          return plan_link(wanted, queue);
                        });
  }
  Status close_link(const std::string& link) { return undo_queued(link_label(link)); }

  Status open_session(const HostNetwork::Session& session) {
    const std::string label = session_label(session.network);
    if (!session.own_link) {
      const bool queued = std::any_of(queued_.begin(), queued_.end(), [&session](const auto& one) {
        return one.second == session.link;
      });
      MYST_TRY_ASSIGN(const core::Plan plan, plan_session(session, queued ? rate_queue_ : ""));
      return changes_.apply(label, plan);
    }
    const bool limited = session.limit_bytes_per_second > 0;
    return apply_queued(label, session.link, limited,
                        [this, &session, limited](const std::string& queue) -> Result<core::Plan> {
                          core::Plan plan = plan_link({session.link, 0, limited}, queue);
                          MYST_TRY_ASSIGN(const core::Plan of_session,
                                          plan_session(session, queue));
                          plan.insert(plan.end(), of_session.begin(), of_session.end());
                          return plan;
                        });
  }
  Status close_session(const IpPrefix& network) { return undo_queued(session_label(network)); }

  Status open_tunnel(const HostNetwork::Tunnel& tunnel) {
    if (tunnel.table != 0) return open_side_tunnel(tunnel);
    core::ConsumerTunnel wanted;
    wanted.link = tunnel.link;
    wanted.address = tunnel.address;
    wanted.dns = tunnel.dns;
    wanted.mtu_bytes = tunnel.mtu_bytes;
    wanted.ipv6_enabled = ipv6_enabled();
    MYST_TRY(changes_.apply("tunnel " + tunnel.link, core::plan_consumer_tunnel(wanted)));
    tunnels_.insert(tunnel.link);
    return {};
  }
  Status close_tunnel(const std::string& link) {
    Status status;
    while (retuned_.count(link) > 0) keep_first(status, undo_retune(link));
    keep_first(status, changes_.undo("tunnel " + link));
    tunnels_.erase(link);
    return status;
  }
  Status retune_tunnel(const HostNetwork::Tunnel& tunnel) {
    core::Plan plan;
    plan.push_back(core::AddAddress{tunnel.link, tunnel.address});
    if (!tunnel.dns.empty()) plan.push_back(core::SetDns{tunnel.link, tunnel.dns, {}});
    MYST_TRY(changes_.apply(retune_label(tunnel.link, retuned_[tunnel.link] + 1), plan));
    ++retuned_[tunnel.link];
    return {};
  }
  Status undo_retune(const std::string& link) {
    const auto found = retuned_.find(link);
    if (found == retuned_.end()) return {};
    const std::string label = retune_label(link, found->second);
    if (--found->second == 0) retuned_.erase(found);
    return changes_.undo(label);
  }

  Status claim_link(const std::string& link) {
    MYST_TRY(changes_.apply("link " + link, {core::OwnLink{link}}));
    links_.insert(link);
    return {};
  }
  Status release_link(const std::string& link) {
    links_.erase(link);
    return changes_.undo("link " + link);
  }

  Status exclude(const IpAddress& address) {
    MYST_TRY_ASSIGN(const auto table, changes_.netlink().routes());
    const bool first = ++excluded_[address] == 1;
    Status status = run(exclusions_.acquire(address, table, tunnel_links()));
    if (first && changes_.has(kKillSwitchLabel)) {
      const Status hole = open_hole(address);
      if (status.ok()) status = hole;
    }
    return status;
  }
  Status release(const IpAddress& address) {
    const auto found = excluded_.find(address);
    if (found == excluded_.end()) return {};
    Status status = run(exclusions_.release(address));
    if (--found->second == 0) {
      excluded_.erase(found);
      const Status hole = close_hole(address);
      if (status.ok()) status = hole;
    }
    return status;
  }
  Status replan() {
    if (exclusions_.size() == 0) return {};
    MYST_TRY_ASSIGN(const auto table, changes_.netlink().routes());
    return run(exclusions_.replan(table, tunnel_links()));
  }

  Status kill_switch_on(int slot, const std::string& link, const std::vector<IpAddress>& allowed) {
    MYST_TRY(kill_switch_off(slot, true));
    MYST_TRY_ASSIGN(const Iptables* tool, changes_.iptables());
    const bool ipv6 = tool->has_ipv6();
    if (!changes_.has(kKillSwitchLabel)) {
      core::KillSwitch wanted;
      wanted.chains = changes_.chains();
      wanted.ipv6 = ipv6;
      MYST_TRY(changes_.apply(kKillSwitchLabel, core::plan_kill_switch(wanted)));
    }
    if (!link.empty()) {
      MYST_TRY(changes_.apply(slot_label(slot),
                              core::plan_kill_switch_tunnel(changes_.chains(), link, ipv6)));
    }
    slots_[slot] = allowed;
    Status status;
    for (const auto& [address, count] : excluded_) keep_first(status, open_hole(address));
    for (const IpAddress& address : allowed) keep_first(status, open_hole(address));
    return status;
  }
  // `replaced`: the slot is about to be taken again, so the switch itself stays.
  Status kill_switch_off(int slot, bool replaced) {
    const auto found = slots_.find(slot);
    if (found == slots_.end()) return {};
    const std::vector<IpAddress> allowed = std::move(found->second);
    slots_.erase(found);
    Status status = changes_.undo(slot_label(slot));
    for (const IpAddress& address : allowed) keep_first(status, close_hole(address));
    if (slots_.empty() && !replaced) {
      for (const std::string& label : changes_.labels()) {
        if (label.compare(0, 5, "hole ") == 0) keep_first(status, changes_.undo(label));
      }
      keep_first(status, changes_.undo(kKillSwitchLabel));
    }
    return status;
  }

  Status open_destinations(const std::vector<core::dns::AddressRecord>& records) {
    Status status;
    for (const auto& record : records) {
      const std::string label = "open " + record.address.to_string();
      const auto found = std::find(opened_.begin(), opened_.end(), label);
      if (found != opened_.end()) {
        std::rotate(found, found + 1, opened_.end());  // used last
        continue;
      }
      if (opened_.size() >= kMaxOpened) {
        keep_first(status, changes_.undo(opened_.front()));
        opened_.erase(opened_.begin());
      }
      const Status made = changes_.apply(
          label, core::plan_open_destination(changes_.chains(), {record.address, 32}));
      keep_first(status, made);
      if (made.ok()) opened_.push_back(label);
    }
    return status;
  }
  Status stop_provider() {
    Status status;
    for (const std::string& label : std::exchange(opened_, {})) {
      keep_first(status, changes_.undo(label));
    }
    keep_first(status, changes_.undo(kProviderLabel));
    return status;
  }

  Result<IpAddress> outbound_address() {
    if (options_.bind_address) return *options_.bind_address;
    const IpAddress far = IpAddress::v4(8, 8, 8, 8);
    Netlink& netlink = changes_.netlink();
    if (tunnels_.empty()) {
      MYST_TRY_ASSIGN(const Way way, netlink.way_to(far));
      return way.source;
    }
    // The kernel would answer with the tunnel's own address.
    MYST_TRY_ASSIGN(const auto table, netlink.routes());
    const core::RouteEntry* route = core::best_route(table, far, tunnel_links());
    if (route == nullptr) return Error{Errc::NotFound, 0, "no route to the internet"};
    MYST_TRY_ASSIGN(const Link link, netlink.link(route->link));
    MYST_TRY_ASSIGN(const auto addresses, netlink.addresses());
    std::optional<IpAddress> found;
    for (const LinkAddress& address : addresses) {
      if (address.link_index != link.index || !address.address.ip.is_v4()) continue;
      if (route->gateway && address.address.contains(*route->gateway)) return address.address.ip;
      if (!found) found = address.address.ip;
    }
    if (!found) return Error{Errc::NotFound, 0, "no address on the way to the internet"};
    return *found;
  }

 private:
  // --- The queue that holds the sessions' rates: there while a link's packets pass it.

  core::Plan plan_link(const HostNetwork::ProviderLink& wanted, const std::string& queue) {
    core::ProviderLink link;
    link.chains = changes_.chains();
    link.link = wanted.link;
    link.mtu_bytes = wanted.mtu_bytes;
    link.limited = wanted.limited;
    link.shared_rate = queue;
    return core::plan_provider_link(link);
  }
  Result<core::Plan> plan_session(const HostNetwork::Session& session, const std::string& queue) {
    core::SessionNetwork network;
    network.chains = changes_.chains();
    network.link = session.link;
    network.address = session.address;
    network.dns = session.address.ip;
    network.dns_port = options_.dns_port;
    network.outbound = options_.bind_address;
    network.dns_policy = session.dns_policy;
    network.limit_bytes_per_second = session.limit_bytes_per_second;
    network.shared_rate = queue;
    return core::plan_session(network);
  }

  Status make_queue() {
    if (!rate_queue_.empty()) return {};
    const std::string queue = "rate-" + changes_.chains().all_prefix;
    // Without a total the sessions have nothing to share, only limits of their own.
    const std::uint64_t total = options_.total_bytes_per_second;
    const std::uint64_t rate = total == 0 ? core::kNoRate : std::max<std::uint64_t>(total, 1000);
    MYST_TRY(changes_.apply(kSharedRateLabel, {core::SharedRate{queue, rate}}));
    rate_queue_ = queue;
    return {};
  }
  Status drop_unused_queue() {
    if (!queued_.empty() || rate_queue_.empty()) return {};
    rate_queue_.clear();
    return changes_.undo(kSharedRateLabel);
  }

  // A link, with the queue where rates want one and the kernel can, else without: better to serve
  // so than not at all.
  Status apply_queued(const std::string& label, const std::string& link, bool limited,
                      const std::function<Result<core::Plan>(const std::string& queue)>& plan) {
    MYST_TRY_ASSIGN(const core::Plan without, plan(""));
    const bool wanted = limited || options_.total_bytes_per_second > 0;
    Status queued = wanted ? make_queue() : Status();
    if (wanted && queued.ok()) {
      MYST_TRY_ASSIGN(const core::Plan with_queue, plan(rate_queue_));
      queued = changes_.apply(label, with_queue);
      if (queued.ok()) {
        queued_[label] = link;
        return {};
      }
      (void)drop_unused_queue();
    }
    MYST_TRY(changes_.apply(label, without));
    if (!queued.ok() && !std::exchange(told_no_queue_, true)) {
      log::warn(
          "the kernel cannot queue what sessions send (ifb, htb, clsact): no rate of all together, "
          "and their limits from consumers are rules that let more through",
          "why", queued.error().what, "errno", queued.error().detail);
    }
    return {};
  }
  Status undo_queued(const std::string& label) {
    Status status = changes_.undo(label);
    if (queued_.erase(label) > 0) keep_first(status, drop_unused_queue());
    return status;
  }

  // ---

  static constexpr std::size_t kMaxOpened = 1024;  // full: the one not asked for longest is closed

  static void keep_first(Status& status, const Status& next) {
    if (status.ok()) status = next;
  }
  static std::string session_label(const IpPrefix& network) {
    return "session " + network.to_string();
  }
  static std::string link_label(const std::string& link) { return "provider link " + link; }
  static std::string retune_label(const std::string& link, unsigned times) {
    return "tunnel " + link + " " + std::to_string(times);
  }
  Status open_side_tunnel(const HostNetwork::Tunnel& tunnel) {
    core::Plan plan;
    plan.push_back(core::SetLinkUp{tunnel.link});
    plan.push_back(core::AddAddress{tunnel.link, {tunnel.address.ip, 32}});
    plan.push_back(core::AddRoute{{IpAddress(), 0}, std::nullopt, tunnel.link, tunnel.table});
    core::AddRule rule;
    rule.priority = 1000;
    rule.table = tunnel.table;
    rule.from = IpPrefix{tunnel.address.ip, 32};
    plan.push_back(rule);
    return changes_.apply("tunnel " + tunnel.link, plan);
  }
  static std::string slot_label(int slot) { return "kill-switch " + std::to_string(slot); }
  static std::string hole_label(const IpAddress& address) { return "hole " + address.to_string(); }
  std::vector<std::string> tunnel_links() const {
    std::vector<std::string> out(links_.begin(), links_.end());
    out.insert(out.end(), tunnels_.begin(), tunnels_.end());
    return out;
  }

  Status open_hole(const IpAddress& address) {
    if (changes_.has(hole_label(address))) return {};
    return changes_.apply(hole_label(address),
                          core::plan_kill_switch_hole(changes_.chains(), address));
  }
  // Unless somebody else still wants it.
  Status close_hole(const IpAddress& address) {
    if (excluded_.count(address) > 0) return {};
    for (const auto& [slot, allowed] : slots_) {
      if (std::find(allowed.begin(), allowed.end(), address) != allowed.end()) return {};
    }
    return changes_.undo(hole_label(address));
  }
  Status run(const std::vector<core::RouteExclusions::Action>& actions) {
    Status status;
    for (const auto& action : actions) {
      keep_first(status, action.make ? changes_.apply(action.label, action.plan)
                                     : changes_.undo(action.label));
    }
    return status;
  }

  SystemChanges changes_;
  HostNetwork::Options options_;
  std::string rate_queue_;                     // device with the sessions' rates; empty: none
  std::map<std::string, std::string> queued_;  // links whose packets pass it, by label
  bool told_no_queue_ = false;
  std::set<std::string> links_;              // claimed: ours
  std::set<std::string> tunnels_;            // with the consumer's routes
  std::map<std::string, unsigned> retuned_;  // how often, by link
  core::RouteExclusions exclusions_;
  std::map<IpAddress, std::uint32_t> excluded_;  // with those that needed no route
  std::map<int, std::vector<IpAddress>> slots_;  // kill switch: who holds it, what he lets through
  std::vector<std::string> opened_;              // labels, the one used last at the end
};

}  // namespace

struct HostNetwork::State {
  State(Loop& loop_in, Rng& rng_in, Options options_in, SystemChanges changes)
      : loop(loop_in),
        rng(rng_in),
        options(options_in),
        worker(std::make_shared<Worker>(std::move(changes), std::move(options_in))),
        queue(loop_in, kMaxJobs),
        replan_timer(loop_in, [this] { replan(); }) {}

  // Runs on the pool; answers in the loop. Full: answered at once.
  void submit(std::function<Status(Worker&)> job, Done done) {
    auto status = std::make_shared<Status>();
    auto message = std::make_shared<std::string>();
    const Status queued = queue.submit(
        [job = std::move(job), status, message, worker_copy = worker] {
          *status = job(*worker_copy);
          if (!status->ok()) *message = worker_copy->changes().last_message();
        },
        [this, status, message, done] {
          if (!status->ok() && !message->empty() && options.on_warning) {
            options.on_warning(*message);
          }
          if (done) done(*status);
        });
    if (!queued.ok() && done) done(queued);
  }

  Status start_dns() {
    if (dns != nullptr) return {};
    DnsProxy::Options dns_options;
    dns_options.port = options.dns_port;
    dns_options.resolv_conf = options.resolv_conf;
    dns_options.policy = options.dns_policy;
    dns_options.open_destinations = [this](std::vector<core::dns::AddressRecord> records,
                                           std::function<void(bool)> done) {
      submit([records = std::move(records)](Worker& w) { return w.open_destinations(records); },
             [done](const Status& status) { done(status.ok()); });
    };
    MYST_TRY_ASSIGN(dns, DnsProxy::open(loop, rng, std::move(dns_options)));
    return {};
  }

  void replan() {
    submit([](Worker& w) { return w.replan(); }, {});
    if (changed) changed();
  }

  Loop& loop;
  Rng& rng;
  Options options;
  std::shared_ptr<Worker> worker;
  std::optional<RouteMonitor> monitor;
  std::optional<FdWatcher> watcher;
  std::function<void()> changed;
  std::unique_ptr<DnsProxy> dns;
  WorkQueue queue;
  Timer replan_timer;
};

HostNetwork::HostNetwork(std::unique_ptr<State> state) : state_(std::move(state)) {}

HostNetwork::~HostNetwork() {
  state_->changed = nullptr;
  state_->dns.reset();
  state_->watcher.reset();
  (void)finish();
}

Status HostNetwork::finish() {
  state_->queue.finish();
  return state_->worker->changes().undo_all();
}

Result<std::unique_ptr<HostNetwork>> HostNetwork::open(Loop& loop, Rng& rng, Options options) {
  SystemChanges::Options wanted;
  wanted.journal_path = options.journal_path;
  wanted.resolv_conf = options.resolv_conf;
  wanted.lock_folder = options.lock_folder;
  MYST_TRY_ASSIGN(SystemChanges changes, SystemChanges::open(std::move(wanted)));
  auto state = std::make_unique<State>(loop, rng, std::move(options), std::move(changes));
  MYST_TRY_ASSIGN(state->monitor, RouteMonitor::open());
  State* raw = state.get();
  MYST_TRY_ASSIGN(state->watcher, FdWatcher::open(loop, state->monitor->fd(), [raw](unsigned) {
                    if (raw->monitor->drain()) raw->replan_timer.arm_in(kReplanDelay);
                  }));
  state->watcher->watch(FdWatcher::kReadable);
  return std::unique_ptr<HostNetwork>(new HostNetwork(std::move(state)));
}

Status HostNetwork::recover() {
  SystemChanges& changes = state_->worker->changes();
  const Status status = changes.recover();
  if (!status.ok() && state_->options.on_warning) {
    state_->options.on_warning(changes.last_message());
  }
  return status;
}

void HostNetwork::start_provider(Done done) {
  State* state = state_.get();
  state->submit([](Worker& w) { return w.start_provider(); },
                [state, done](const Status& status) {
                  const Status dns = status.ok() ? state->start_dns() : status;
                  if (status.ok() && !dns.ok()) {
                    state->submit([](Worker& w) { return w.stop_provider(); }, {});
                  }
                  if (done) done(dns);
                });
}

void HostNetwork::stop_provider(Done done) {
  state_->dns.reset();
  state_->submit([](Worker& w) { return w.stop_provider(); }, std::move(done));
}

void HostNetwork::claim_link(const std::string& link, Done done) {
  state_->submit([link](Worker& w) { return w.claim_link(link); }, std::move(done));
}

void HostNetwork::release_link(const std::string& link, Done done) {
  state_->submit([link](Worker& w) { return w.release_link(link); }, std::move(done));
}

void HostNetwork::open_link(const ProviderLink& link, Done done) {
  state_->submit([link](Worker& w) { return w.open_link(link); }, std::move(done));
}

void HostNetwork::close_link(const std::string& link, Done done) {
  state_->submit([link](Worker& w) { return w.close_link(link); }, std::move(done));
}

void HostNetwork::open_session(const Session& session, Done done) {
  State* state = state_.get();
  if (state->dns != nullptr) (void)state->dns->allow(session.network);
  state->submit([session](Worker& w) { return w.open_session(session); }, std::move(done));
}

void HostNetwork::close_session(const IpPrefix& network, Done done) {
  if (state_->dns != nullptr) state_->dns->disallow(network);
  state_->submit([network](Worker& w) { return w.close_session(network); }, std::move(done));
}

void HostNetwork::open_tunnel(const Tunnel& tunnel, Done done) {
  state_->submit([tunnel](Worker& w) { return w.open_tunnel(tunnel); }, std::move(done));
}

void HostNetwork::close_tunnel(const std::string& link, Done done) {
  state_->submit([link](Worker& w) { return w.close_tunnel(link); }, std::move(done));
}

void HostNetwork::retune_tunnel(const Tunnel& tunnel, Done done) {
  state_->submit([tunnel](Worker& w) { return w.retune_tunnel(tunnel); }, std::move(done));
}

void HostNetwork::undo_retune(const std::string& link, Done done) {
  state_->submit([link](Worker& w) { return w.undo_retune(link); }, std::move(done));
}

void HostNetwork::exclude(const IpAddress& address, Done done) {
  state_->submit([address](Worker& w) { return w.exclude(address); }, std::move(done));
}

void HostNetwork::release(const IpAddress& address, Done done) {
  state_->submit([address](Worker& w) { return w.release(address); }, std::move(done));
}

void HostNetwork::kill_switch_on(int slot, const std::string& link,
                                 const std::vector<IpAddress>& allowed, Done done) {
  state_->submit([slot, link, allowed](Worker& w) { return w.kill_switch_on(slot, link, allowed); },
                 std::move(done));
}

void HostNetwork::kill_switch_off(int slot, Done done) {
  state_->submit([slot](Worker& w) { return w.kill_switch_off(slot, false); }, std::move(done));
}

void HostNetwork::find_outbound_address(std::function<void(Result<IpAddress>)> done) {
  auto found = std::make_shared<Result<IpAddress>>(Error{Errc::Internal, 0, "outbound address"});
  state_->submit(
      [found](Worker& w) -> Status {
        *found = w.outbound_address();
        return {};
      },
      [found, done](const Status& status) {
        if (done) done(status.ok() ? *found : Result<IpAddress>(status.error()));
      });
}

void HostNetwork::on_network_change(std::function<void()> callback) {
  state_->changed = std::move(callback);
}

}  // namespace myst::platform
