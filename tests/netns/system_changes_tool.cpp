// What tests/netns/system_changes.sh drives: one process that changes the namespace it runs in.
//
//   netns_system_changes_tool <state folder> <command> ...
//     run <plan>        apply, print "applied", wait for a byte on standard input, undo all
//     hold <plan>       apply and stay until killed
//     cycle <plan>      apply and undo at once
//     recover           what a node does at start
//     front-end         which iptables is used
//     way <address>     how the kernel would send to it
//     monitor           prints "watching", then one "changed" a burst of routing events
//   MYST_KILL_AT=n: SIGKILL to itself at the n-th step (before and after each write and change).
//   At the end of run, cycle, recover it prints "steps <n>".
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "core/base/text.hpp"
#include "core/system/consumer_plan.hpp"
#include "core/system/provider_plan.hpp"
#include "platform/netlink/route_monitor.hpp"
#include "platform/system/system_changes.hpp"

namespace {

using namespace myst;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }
IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }

int steps = 0;

platform::SystemChanges open_changes(const std::string& folder) {
  platform::SystemChanges::Options options;
  options.journal_path = folder + "/system.journal";
  const char* locks = std::getenv("MYST_LOCK_FOLDER");
  options.lock_folder = locks != nullptr ? locks : folder;
  const char* resolv_conf = std::getenv("MYST_RESOLV_CONF");
  if (resolv_conf != nullptr) options.resolv_conf = resolv_conf;
  const char* kill_at = std::getenv("MYST_KILL_AT");
  const int last = kill_at != nullptr ? std::atoi(kill_at) : 0;
  options.on_step = [last](const char*) {
    if (++steps == last) ::kill(::getpid(), SIGKILL);
  };
  auto changes = platform::SystemChanges::open(std::move(options));
  if (!changes.ok()) {
    std::printf("error %s (%d)\n", changes.error().what, changes.error().detail);
    std::exit(1);
  }
  return *std::move(changes);
}

// The device of the plans is "myst0"; the script has made "uplink" with a default route.
core::Plan plan_of(const std::string& name, const core::ChainNames& chains) {
  core::Plan plan;
  const auto add = [&plan](core::Plan part) { plan.insert(plan.end(), part.begin(), part.end()); };
  if (name == "consumer" || name == "all") {
    core::ConsumerTunnel tunnel;
    tunnel.link = "myst0";
    tunnel.address = prefix("10.182.3.2/24");
    tunnel.dns = {ip("10.182.3.1")};
    tunnel.mtu_bytes = 1380;
    add(core::plan_consumer_tunnel(tunnel));
    plan.push_back(core::AddRoute{prefix("203.0.113.7/32"), ip("198.51.100.1"), "uplink"});
    plan.push_back(core::AddRoute{prefix("10.0.0.0/8"), std::nullopt, "myst0", 51, 5});
    plan.push_back(core::AddRule{core::IpFamily::V4, 1000, 51, prefix("10.9.0.0/16"), {}, 0});
    plan.push_back(core::AddRule{core::IpFamily::V6, 1000, 51, {}, prefix("fd00::/8"), 77});
  }
  if (name == "provider" || name == "all") {
    core::ProviderBase base;
    base.chains = chains;
    base.protected_networks = core::default_protected();
    base.own_addresses = {ip("198.51.100.2")};
    add(core::plan_provider_base(base));
    core::SessionNetwork session;
    session.chains = chains;
    session.link = "myst0";
    session.address = prefix("10.182.3.1/24");
    session.dns = ip("10.182.3.1");
    session.outbound = ip("198.51.100.2");
    add(*core::plan_session(session));
  }
  if (name == "provider-link" || name == "all") {
    core::ProviderLink link;
    link.link = "myst0";
    link.mtu_bytes = 1400;
    link.limited = true;
    if (name != "all") {
      // The chains it hangs its rules on.
      for (const auto* chain : {&chains.input, &chains.forward}) {
        plan.push_back(core::IptablesChain{core::IpFamily::V4, "filter", *chain});
      }
    }
    link.chains = chains;
    add(core::plan_provider_link(link));
    plan.push_back(core::SessionRate{"myst0", prefix("10.182.4.0/24"), 1'000'000, false});
  }
  if (name == "shared-rate") {
    plan.push_back(core::SharedRate{"rate-MYST", 5'000'000});
    core::SessionNetwork session;
    session.chains = chains;
    session.link = "myst0";
    session.address = prefix("10.182.3.1/24");
    session.limit_bytes_per_second = 1'000'000;
    session.shared_rate = "rate-MYST";
    add(core::plan_provider_base({chains, {}, {}}));
    add(core::plan_provider_link({chains, "myst0", 0, true, "rate-MYST"}));
    add(*core::plan_session(session));
  }
  if (name == "limit") {
    plan.push_back(core::SharedRate{"rate-MYST", core::kNoRate});
    plan.push_back(core::JoinSharedRate{"myst0", "rate-MYST"});
    plan.push_back(core::SessionRate{"rate-MYST", prefix("10.182.3.0/24"), 1'000'000, true});
  }
  if (name == "kill-switch" || name == "all") {
    core::KillSwitch wanted;
    wanted.chains = chains;
    wanted.tunnel_links = {"myst0"};
    wanted.allowed = {ip("203.0.113.7")};
    add(core::plan_kill_switch(wanted));
  }
  if (name == "bad") {
    plan.push_back(core::AddAddress{"myst0", prefix("10.182.3.2/24")});
    plan.push_back(core::IptablesChain{core::IpFamily::V4, "nat", chains.redirect});
    plan.push_back(core::IptablesRule{
        core::IpFamily::V4, "nat", chains.redirect, 0, {"-j", "NO-SUCH-TARGET"}});
    plan.push_back(core::SetSysctl{"net/ipv4/ip_forward", "1"});
  }
  if (plan.empty()) {
    std::printf("error unknown plan\n");
    std::exit(2);
  }
  return plan;
}

int fail(const platform::SystemChanges& changes, const Error& error) {
  std::printf("error %s (%d) %s\n", error.what, error.detail, changes.last_message().c_str());
  return 1;
}

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

int monitor() {
  auto watch = platform::RouteMonitor::open();
  if (!watch.ok()) return 1;
  std::printf("watching\n");
  std::fflush(stdout);
  for (;;) {
    pollfd fd{watch->fd(), POLLIN, 0};
    if (::poll(&fd, 1, 10'000) <= 0) return 1;
    if (watch->drain()) {
      std::printf("changed\n");
      std::fflush(stdout);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string folder = argv[1], command = argv[2], what = argc > 3 ? argv[3] : "";
  if (command == "monitor") return monitor();
  auto changes = open_changes(folder);
  if (command == "front-end") {
    const auto tool = changes.iptables();
    if (!tool.ok()) return fail(changes, tool.error());
    std::printf("%s%s\n", (*tool)->front_end_name(), (*tool)->mixed() ? " mixed" : "");
    return 0;
  }
  if (command == "way") {
    const auto way = changes.netlink().way_to(ip(what.c_str()));
    if (!way.ok()) return fail(changes, way.error());
    std::printf("%s %s %s\n", way->link.c_str(),
                way->gateway ? way->gateway->to_string().c_str() : "on-link",
                way->source.to_string().c_str());
    return 0;
  }
  if (command == "recover") {
    const Status status = changes.recover();
    if (!status.ok()) return fail(changes, status.error());
    std::printf("steps %d\n", steps);
    return 0;
  }
  if (const Status status = changes.recover(); !status.ok()) return fail(changes, status.error());
  steps = 0;
  const core::Plan plan = plan_of(what, changes.chains());
  const auto start = std::chrono::steady_clock::now();
  const Status applied = changes.apply("test", plan);
  if (!applied.ok()) return fail(changes, applied.error());
  std::printf("applied in %.1f ms\n", milliseconds_since(start));
  std::fflush(stdout);
  if (command == "hold") {
    for (;;) ::pause();
  }
  char byte = 0;
  if (command == "run") (void)!::read(0, &byte, 1);
  const auto undo_start = std::chrono::steady_clock::now();
  const Status undone = changes.undo_all();
  if (!undone.ok()) return fail(changes, undone.error());
  std::printf("undone in %.1f ms\nsteps %d\n", milliseconds_since(undo_start), steps);
  return 0;
}
