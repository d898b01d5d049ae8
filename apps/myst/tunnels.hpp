// The tunnels of a node: WireGuard devices with all they change on this machine. Executes the
// tunnel, route and firewall actions of core/node/effects.hpp; all or nothing each.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/node/effects.hpp"
#include "core/system/consumer_plan.hpp"
#include "core/system/provider_plan.hpp"
#include "drivers/wireguard/device.hpp"
#include "platform/dns/dns_proxy.hpp"
#include "platform/loop/fd_watcher.hpp"
#include "platform/loop/loop.hpp"
#include "platform/netlink/route_monitor.hpp"
#include "platform/system/system_changes.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::app {

class Tunnels {
 public:
  struct Config {
    std::vector<IpPrefix> protected_networks;
    std::uint16_t dns_port = 11253;
    std::uint32_t provider_mtu_bytes = 0;      // 0: the engine's default
    std::uint64_t limit_bytes_per_second = 0;  // per session; 0: none
    std::string resolv_conf = "/etc/resolv.conf";
  };
  using OnUp = std::function<void(core::node::TunnelId)>;

  // All three must outlive the object; `changes` is recovered already.
  Tunnels(platform::Loop& loop, platform::SystemChanges& changes, wireguard::Wireguard& wireguard,
          Config config, OnUp on_up);
  ~Tunnels();
  Tunnels(const Tunnels&) = delete;
  Tunnels& operator=(const Tunnels&) = delete;

  // Chains, protected networks and forwarding: once, before the first session, so that no session
  // waits for it. Errors say what the owner has to do.
  Status prepare_provider();
  bool provider_prepared() const { return provider_prepared_; }

  // Consumers may ask it from their session's network only; nullptr: no DNS for them.
  void set_dns(platform::DnsProxy* dns) { dns_ = dns; }

  Status open(const core::node::ServiceTunnelOpen& request, platform::UniqueFd socket);
  Status open(const core::node::ConsumerTunnelOpen& request, platform::UniqueFd socket);
  void close(core::node::TunnelId tunnel);
  std::optional<core::node::TunnelCounters> counters(core::node::TunnelId tunnel);

  Status exclude(const IpAddress& address);
  void release(const IpAddress& address);
  Status kill_switch_on(const core::node::KillSwitchOn& request);
  void kill_switch_off(int slot);

  // Why the last failed action failed, in the words of a helper program; may be empty.
  const std::string& last_message() const { return changes_.last_message(); }

 private:
  struct Tunnel {
    std::unique_ptr<wireguard::Device> device;
    std::string link;
    bool consumer = false;
    IpPrefix network;                 // provider: whose DNS questions are answered
    std::vector<std::string> labels;  // of the changes, in the order they were made
  };

  Result<std::unique_ptr<wireguard::Device>> make_device(const std::string& link,
                                                         wireguard::DeviceConfig config);
  Status take_over(core::node::TunnelId old, const core::node::ConsumerTunnelOpen& request,
                   wireguard::DeviceConfig config);
  Status apply_all(const std::vector<core::RouteExclusions::Action>& actions);
  std::vector<std::string> links() const;
  void watch_routes();
  void replan();
  static std::string label(core::node::TunnelId tunnel);

  platform::Loop& loop_;
  platform::SystemChanges& changes_;
  wireguard::Wireguard& wireguard_;
  Config config_;
  OnUp on_up_;
  bool provider_prepared_ = false;
  platform::DnsProxy* dns_ = nullptr;
  std::map<core::node::TunnelId, Tunnel> tunnels_;
  core::RouteExclusions exclusions_;
  std::optional<platform::RouteMonitor> monitor_;
  platform::FdWatcher watcher_;
};

}  // namespace myst::app
