// The broker gate on sockets: for each client a connection of its own to nats-server, a GateSession
// between the two. Buffers are bounded by back-pressure: who does not read is not read from.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "core/base/result.hpp"
#include "core/hub/gate.hpp"
#include "platform/loop/loop.hpp"
#include "platform/net/tcp_stream.hpp"

namespace myst::hub {

class BrokerGate {
 public:
  struct Options {
    Endpoint listen;
    std::string upstream_host;
    std::uint16_t upstream_port = 4222;
    core::GateConfig gate;
    core::GateAdmission::Limits limits;
    // False while the hub itself does not read the broker: a proposal published then would be
    // heard by nobody, so clients are turned away and try again. Empty: always true.
    std::function<bool()> ready;
  };
  // Io: the address cannot be listened on. nats-server may be away: clients are then turned away
  // one by one, which they take as a reason to try again.
  static Result<std::unique_ptr<BrokerGate>> open(platform::Loop& loop, const Options& options);
  ~BrokerGate();
  BrokerGate(const BrokerGate&) = delete;
  BrokerGate& operator=(const BrokerGate&) = delete;

  Endpoint local() const { return listener_->local(); }
  std::size_t connections() const { return admission_.size(); }
  const core::GateCounters& counters() const { return counters_; }
  std::uint64_t turned_away() const {
    return turned_away_;
  }  // limits reached, no nats-server, not ready
  core::SubscriptionMemory& memory() { return memory_; }

 private:
  struct Connection;
  BrokerGate(platform::Loop& loop, const Options& options);
  void accept(std::unique_ptr<platform::TcpStream> stream);
  void end(Connection* connection);

  platform::Loop& loop_;
  Options options_;
  core::SubscriptionMemory memory_;
  core::GateCounters counters_;
  core::GateAdmission admission_;
  std::uint64_t turned_away_ = 0;
  std::map<Connection*, std::unique_ptr<Connection>> connections_;
  std::optional<platform::TcpListener> listener_;
};

}  // namespace myst::hub
