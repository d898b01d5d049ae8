// The tunnels of a node: WireGuard devices, with what HostNetwork changes around them. Executes the
// tunnel, route and firewall actions of core/node/effects.hpp; all or nothing each, answered in the
// loop when all is done.
//
// With our own engine all sessions of a provider hang on one device of a name that does not change,
// made with the first service. The kernel's module takes a device for each.
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
#include "drivers/wireguard/device.hpp"
#include "platform/loop/loop.hpp"
#include "platform/system/host_network.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::app {

class Tunnels {
 public:
  struct Config {
    std::uint32_t provider_mtu_bytes = 0;      // 0: the engine's default
    std::uint64_t limit_bytes_per_second = 0;  // per session; 0: none
    std::string provider_link = "mystp";       // and a number: 0, or more where that is taken
  };
  using OnUp = std::function<void(core::node::TunnelId)>;
  using Done = std::function<void(const Status&)>;
  using Closed = std::function<void(std::optional<core::node::TunnelCounters>)>;  // the last ones

  // Both must outlive the object; `network` is recovered already.
  Tunnels(platform::HostNetwork& network, wireguard::Wireguard& wireguard, Config config,
          OnUp on_up);
  Tunnels(const Tunnels&) = delete;
  Tunnels& operator=(const Tunnels&) = delete;

  // Chains, protected networks, forwarding, DNS and the sessions' device: once, before the first
  // session, so that no session waits for it. Errors say what the owner has to do.
  void prepare_provider(Done done);

  void open(const core::node::ServiceTunnelOpen& request, platform::UniqueFd socket, Done done);
  void open(const core::node::ConsumerTunnelOpen& request, platform::UniqueFd socket, Done done);
  // Also while it is being opened: that is then ended first.
  void close(core::node::TunnelId tunnel, Closed done);
  std::optional<core::node::TunnelCounters> counters(core::node::TunnelId tunnel) const;

  void exclude(const IpAddress& address, Done done);
  void release(const IpAddress& address);
  void kill_switch_on(const core::node::KillSwitchOn& request, Done done);
  void kill_switch_off(int slot);

 private:
  struct Tunnel {
    std::string link;  // its own; empty: the sessions' one
    IpPrefix network;  // of a session
    bool consumer = false;
    bool opening = true;
    std::unique_ptr<wireguard::Device> device;
    Closed close_wanted;  // asked for while it was being opened
  };

  static constexpr int kMaxLinkNumber = 15;  // as many nodes as may share a host

  // The device of all sessions is there, or is made.
  void with_provider_link(Done done);
  void make_provider_link(int number);
  void provider_link_made(const Status& status);
  // Writes its link down, if it has one of its own, and makes the device; on success `configure`
  // goes on, and ends with opened().
  void make_device(core::node::TunnelId id, wireguard::DeviceConfig config, Done done,
                   std::function<void()> configure);
  void opened(core::node::TunnelId id, const Status& status, const Done& done);
  void open_device(core::node::TunnelId id, wireguard::DeviceConfig config, const Done& done,
                   const std::function<void()>& configure);
  void remove_device(core::node::TunnelId id, Done done);
  void take_over(core::node::TunnelId old, const core::node::ConsumerTunnelOpen& request,
                 wireguard::DeviceConfig config, Done done);
  void close_now(core::node::TunnelId id, Closed done);

  platform::HostNetwork& network_;
  wireguard::Wireguard& wireguard_;
  Config config_;
  OnUp on_up_;
  std::shared_ptr<wireguard::TunLink> provider_link_;
  std::vector<Done> wait_for_link_;  // not empty: it is being made
  std::map<core::node::TunnelId, Tunnel> tunnels_;
};

}  // namespace myst::app
