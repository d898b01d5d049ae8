// Runs a core::Node on this machine: feeds it time, datagrams and broker messages, executes its
// actions with platform and drivers, hands its events on. Belongs to the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "apps/myst/backend_bypass.hpp"
#include "apps/myst/brokers.hpp"
#include "apps/myst/chains.hpp"
#include "apps/myst/host_facts.hpp"
#include "apps/myst/market.hpp"
#include "apps/myst/treasurer.hpp"
#include "apps/myst/tunnels.hpp"
#include "core/base/rng.hpp"
#include "core/node/node.hpp"
#include "drivers/storage/store.hpp"
#include "platform/log/log.hpp"
#include "platform/loop/timer.hpp"
#include "platform/net/port_pool.hpp"
#include "platform/net/udp_socket.hpp"

namespace myst::app {

class Executor {
 public:
  struct Parts {
    platform::Loop& loop;
    Rng& rng;
    Tunnels& tunnels;
    HostFacts& facts;
    Market& market;
    storage::Store& store;
    Chains& chains;
    Treasurer& treasurer;
  };
  struct Config {
    core::node::Config node;
    Brokers::Config brokers;
    std::uint16_t first_port = 10000, end_port = 60000;  // udp.ports; the end is not part of it
    std::vector<std::string> backend_hosts;  // discovery, location, brokers: for BypassBackends
  };
  using OnEvent = std::function<void(const core::node::Event&)>;

  Executor(Parts parts, Config config, OnEvent on_event);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Every command to the node goes through here: what it wants is done before run() returns.
  template <typename F>
  auto run(F&& command) {
    struct Drain {
      Executor& executor;
      ~Drain() { executor.drain(); }
    } drain{*this};
    return command(node_, parts_.loop.now());
  }
  const core::Node& node() const { return node_; }
  Brokers& brokers() { return brokers_; }
  bool broker_connected() const { return brokers_.connected(); }
  // Stops services and connections, undoes what they changed, then calls back; gives up after 10 s.
  void shutdown(std::function<void()> done);

 private:
  using Outcome = core::node::Outcome;
  using ActionId = core::node::ActionId;

  void drain();
  void execute(core::node::UdpSend&& action);
  void execute(core::node::UdpOpen&& action);
  void execute(core::node::UdpClose&& action);
  void execute(core::node::UdpTellRefused&& action);
  void execute(core::node::BrokerPublish&& action);
  void execute(core::node::BrokerRequest&& action);
  void execute(core::node::BrokerOpen&& action);
  void execute(core::node::BrokerClose&& action);
  void execute(core::node::BrokerSubscribe&& action);
  void execute(core::node::BrokerUnsubscribe&& action);
  void execute(core::node::PublishProposal&& action);
  void execute(core::node::MapPorts&& action);
  void execute(core::node::UnmapPorts&& action);
  void execute(core::node::FindNetworkFacts&& action);
  void execute(core::node::FindPublicIp&& action);
  void execute(core::node::FindLocation&& action);
  void execute(core::node::ExcludeAddress&& action);
  void execute(core::node::BypassBackends&& action);
  void execute(core::node::ReleaseAddress&& action);
  void execute(core::node::KillSwitchOn&& action);
  void execute(core::node::KillSwitchOff&& action);
  void execute(core::node::ServiceTunnelOpen&& action);
  void execute(core::node::ServiceTunnelClose&& action);
  void execute(core::node::ConsumerTunnelOpen&& action);
  void execute(core::node::ConsumerTunnelClose&& action);
  void execute(core::node::ReadTunnel&& action);
  void execute(core::node::FindProposals&& action);
  void execute(core::node::CheckAccess&& action);
  void execute(core::node::CheckRegistration&& action);
  void execute(core::node::CheckBalance&& action);
  void execute(core::node::CheckHermes&& action);
  void execute(core::node::RequestPromise&& action);
  void execute(core::node::StorePayment&& action);
  void execute(core::node::StoreInvoice&& action);
  void execute(core::node::StoreAccepted&& action);
  void execute(core::node::LoadGrandTotal&& action);
  void execute(core::node::StoreSession&& action);
  void execute(core::node::StoreConnectivity&& action);

  // Answers an action from a callback: feeds the node, then drains.
  void answer(ActionId id, Result<Outcome> result);
  void answer_status(ActionId id, const Status& status);
  template <typename T>
  auto answerer(ActionId id) {
    return [this, id](Result<T> result) {
      if (result.ok()) {
        answer(id, Outcome(std::move(*result)));
      } else {
        answer(id, Result<Outcome>(result.error()));
      }
    };
  }
  void path_changed();
  platform::UniqueFd take_socket(const std::optional<core::node::SocketId>& id);
  // Answers an action; a failure is logged as `what`.
  std::function<void(const Status&)> answerer(ActionId id, const char* what);
  void log_failure(const char* what, const Error& error);
  bool idle() const;

  Parts parts_;
  Config config_;
  OnEvent on_event_;
  core::Node node_;
  Brokers brokers_;
  platform::PortPool ports_;
  BackendBypass bypass_;
  platform::Timer timer_;
  std::map<core::node::SocketId, platform::UdpSocket> sockets_;
  bool draining_ = false;
  bool path_changed_ = false;  // the broker connection is being made anew on purpose
  std::function<void()> on_idle_;
  platform::Timer shutdown_limit_;
  platform::RateLimit failures_;
};

}  // namespace myst::app
