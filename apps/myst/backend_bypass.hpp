// Keeps the back ends of the network reachable beside a tunnel that is dead, while a new provider
// is looked for.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/myst/tunnels.hpp"
#include "platform/loop/loop.hpp"
#include "platform/net/resolve.hpp"

namespace myst::app {

class BackendBypass {
 public:
  // `hosts`: names or addresses, without port.
  BackendBypass(platform::Loop& loop, Tunnels& tunnels, std::vector<std::string> hosts)
      : loop_(loop), tunnels_(tunnels), hosts_(std::move(hosts)) {}

  void begin(int slot);
  void end(int slot);

 private:
  struct Slot {
    std::vector<IpAddress> excluded;
    std::vector<std::unique_ptr<platform::Resolve>> resolving;
  };
  void exclude(Slot& slot, const std::vector<IpAddress>& addresses);

  platform::Loop& loop_;
  Tunnels& tunnels_;
  std::vector<std::string> hosts_;
  std::map<int, Slot> slots_;
};

}  // namespace myst::app
