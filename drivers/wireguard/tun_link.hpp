// A tun interface and the devices that hang on it, the loop's half. A standalone device has one of
// its own; all sessions of a provider share one.
//
//   auto link = TunLink::open("mystp0", TunOffload::TcpUdp, 1420);
//   (*link)->join(plane, port, network);   // packets to the network, and only those from there
//   (*link)->leave(port);                  // others go on
//
// Destroying it removes the interface; the devices have left by then.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "drivers/wireguard/port.hpp"
#include "platform/tun/tun.hpp"

namespace myst::wireguard {

class DataPlane;

class TunLink {
 public:
  // Makes the interface, still down. mtu 0: 1420. AlreadyExists: the name is in use.
  static Result<std::shared_ptr<TunLink>> open(const std::string& name, platform::TunOffload most,
                                               std::uint32_t mtu);
  // Around an open descriptor; `index` 0: no interface that would have to be removed.
  TunLink(platform::Tun tun, std::uint32_t index, std::uint32_t mtu);
  ~TunLink();
  TunLink(const TunLink&) = delete;
  TunLink& operator=(const TunLink&) = delete;

  const std::string& name() const { return name_; }
  platform::TunOffload offload() const { return offload_; }
  std::uint32_t mtu() const { return mtu_; }  // as it was made
  // False: somebody has deleted the interface, or it cannot be served: another one is needed.
  bool there() const;

  // The port has the addresses of `network`, or those nobody else has. With the first one the data
  // threads serve the interface. AlreadyExists: another port has the same network.
  Status join(DataPlane& plane, Port& port, std::optional<IpPrefix> network);
  void leave(const Port& port);  // before the port is detached

 private:
  struct Member {
    Port* port;
    std::optional<IpPrefix> network;
  };
  void publish();

  std::string name_;
  std::uint32_t index_;  // ours even if another one takes the name
  std::uint32_t mtu_;
  platform::TunOffload offload_;
  std::unique_ptr<LinkEnd> unattached_;  // until the first port joins
  LinkEnd* end_;                         // DataPlane's from then on; null: it would not have it
  DataPlane* plane_ = nullptr;
  std::uint64_t number_ = 0;
  std::vector<Member> members_;
};

}  // namespace myst::wireguard
