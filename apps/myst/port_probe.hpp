// Whether the internet reaches UDP ports of this host, asked ahead of any consumer: the open-port
// check of an exchange costs a consumer two seconds where ports are closed, so it is left out
// there.
#pragma once

#include <optional>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/rng.hpp"
#include "core/nat/port_check.hpp"
#include "platform/loop/loop.hpp"
#include "platform/loop/timer.hpp"
#include "platform/net/port_pool.hpp"
#include "platform/net/udp_socket.hpp"

namespace myst::app {

class PortProbe {
 public:
  // The port that is checked is one of those that consumers will be told: an owner forwards that
  // range and no other port.
  PortProbe(platform::Loop& loop, Rng& rng, platform::PortPool ports)
      : loop_(loop), rng_(rng), ports_(ports), timer_(loop, [this] { end(false); }) {}

  // A verdict younger than an hour is kept; a probe that runs goes on.
  void run(const std::vector<Endpoint>& servers);
  void forget() { verdict_.reset(); }
  // False: a check is known or likely to fail. An answer that has not come in 300 ms is not coming.
  bool worth_checking() const;

 private:
  struct Verdict {
    bool reachable;
    Instant at;
  };
  void end(bool reachable);

  platform::Loop& loop_;
  Rng& rng_;
  platform::PortPool ports_;
  platform::Timer timer_;
  std::optional<core::PortCheck> check_;
  std::optional<platform::UdpSocket> checked_, asking_;
  Instant began_{};
  std::optional<Verdict> verdict_;
};

}  // namespace myst::app
