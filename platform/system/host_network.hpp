// The host's network as the node uses it: sessions of the provider, the consumer's tunnel,
// addresses kept outside of it, kill switch, DNS server for consumers. Plans come from core/system,
// changes are made by SystemChanges; here they meet the event loop. Helper programs may take
// milliseconds, so all changes run one after the other on the thread pool and answer in the loop.
//
// A device belongs to its driver. Around it:
//
//   claim_link("mystp0")     written down, so that a crash does not leave the device behind
//   driver makes "mystp0"
//   open_link / open_tunnel
//     open_session           any number of them on the link
//     close_session
//   close_link / close_tunnel         DNS and rules first
//   driver removes "mystp0"
//   release_link("mystp0")
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/dns/policy.hpp"
#include "core/system/consumer_plan.hpp"
#include "core/system/provider_plan.hpp"
#include "platform/loop/loop.hpp"

namespace myst::platform {

class HostNetwork {
 public:
  struct Options {
    std::string journal_path;  // in the data folder
    std::string resolv_conf = "/etc/resolv.conf";
    std::string lock_folder = "/run";
    std::vector<IpPrefix> protected_networks = core::default_protected();
    std::optional<IpAddress> bind_address;  // source of what sessions send; none: masquerade
    std::uint16_t dns_port = 11253;
    core::dns::Policy dns_policy;
    // For all sessions together, each direction, shared evenly among them; 0: none.
    std::uint64_t total_bytes_per_second = 0;
    // Messages for the log: what a helper program complained about, once.
    std::function<void(const std::string&)> on_warning;
  };
  struct ProviderLink {
    std::string link;
    std::uint32_t mtu_bytes = 0;
    bool limited = false;  // its sessions have limits
  };
  struct Session {
    std::string link;
    IpPrefix network;  // 10.182.3.0/24: no two sessions have the same
    IpPrefix address;  // 10.182.3.1/24: the device's, and where its DNS is
    bool dns_policy = false;
    std::uint64_t limit_bytes_per_second = 0;  // 0: none
    bool own_link = false;  // nobody else's: opened and closed with the session, not by open_link()
  };
  struct Tunnel {
    std::string link;
    IpPrefix address;  // 10.182.3.2/24
    std::vector<IpAddress> dns;
    std::uint32_t mtu_bytes = 0;
    // Not 0: the host's routes stay; only what is bound to the address goes through the tunnel, by
    // a routing table of this number.
    std::uint32_t table = 0;
  };
  using Done = std::function<void(const Status&)>;  // in the loop, once; may be empty

  // AlreadyExists: another process uses this data folder. Changes nothing.
  static Result<std::unique_ptr<HostNetwork>> open(Loop& loop, Rng& rng, Options options);
  ~HostNetwork();  // undoes everything that is left, once finish() or nobody waits for answers
  // Waits for everything asked for, whose answers come now, then undoes everything that is left.
  Status finish();
  // At start, before the loop runs: undoes what an earlier run left. See SystemChanges::recover().
  Status recover();

  // Chains, forwarding, DNS server; idempotent. An error says why sessions cannot be served here
  // (no iptables, no rights, DNS port taken): do not announce.
  void start_provider(Done done);
  void stop_provider(Done done);

  void claim_link(const std::string& link, Done done);  // AlreadyExists: such a device exists
  void release_link(const std::string& link, Done done);
  // Nothing passes there but what sessions open. All or nothing, as the following ones.
  void open_link(const ProviderLink& link, Done done);
  void close_link(const std::string& link, Done done);
  void open_session(const Session& session, Done done);  // needs start_provider()
  void close_session(const IpPrefix& network, Done done);
  void open_tunnel(const Tunnel& tunnel, Done done);
  void close_tunnel(const std::string& link, Done done);
  // Another address and other resolvers for an open tunnel; undo_retune() takes the last back.
  void retune_tunnel(const Tunnel& tunnel, Done done);
  void undo_retune(const std::string& link, Done done);

  // A host route around the tunnels, counted per address, following the default gateway; and a hole
  // in the kill switch while that is on.
  void exclude(const IpAddress& address, Done done);
  void release(const IpAddress& address, Done done);
  // By slot; the host is open again when no slot holds it. An empty link: no tunnel yet.
  void kill_switch_on(int slot, const std::string& link, const std::vector<IpAddress>& allowed,
                      Done done);
  void kill_switch_off(int slot, Done done);

  // The address packets to the internet leave with, outside of our tunnels. NotFound: offline.
  void find_outbound_address(std::function<void(Result<IpAddress>)> done);
  // Called in the loop when the default route or a link changed.
  void on_network_change(std::function<void()> callback);

  struct State;

 private:
  explicit HostNetwork(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace myst::platform
