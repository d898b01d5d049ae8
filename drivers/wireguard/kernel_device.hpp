// A device of the kernel's WireGuard module: a link made by rtnetlink, configured and read by
// generic netlink (linux/wireguard.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "drivers/wireguard/device.hpp"
#include "platform/loop/timer.hpp"
#include "platform/netlink/nl_socket.hpp"

namespace myst::wireguard {

class KernelDevice final : public Device {
 public:
  static Result<std::unique_ptr<KernelDevice>> open(platform::Loop& loop, DeviceConfig config);
  ~KernelDevice() override;

  Backend backend() const override { return Backend::Kernel; }
  const std::string& name() const override { return name_; }
  std::uint16_t listen_port() const override { return listen_port_; }
  Status set_peers(std::vector<PeerConfig> peers) override;
  Status set_private_key(const Secret<32>& key) override;
  Status set_socket(platform::UniqueFd socket) override;
  Result<std::vector<PeerStats>> stats() override;
  void on_handshake(OnHandshake callback) override;

 private:
  struct State {
    std::uint16_t listen_port = 0;
    std::vector<PeerStats> peers;
  };
  KernelDevice(platform::Loop& loop, platform::NlSocket socket, int family);
  Result<State> read();
  // nullptr peers: leaves them as they are; else replaces all of them.
  Status write(const Secret<32>* key, const std::uint16_t* port, const std::uint32_t* fwmark,
               const std::vector<PeerConfig>* peers);
  void look_for_handshakes();

  platform::NlSocket socket_;
  int family_;
  std::string name_;
  bool made_ = false;
  std::uint16_t listen_port_ = 0;
  OnHandshake on_handshake_;
  platform::Timer timer_;
  Duration step_{};
};

}  // namespace myst::wireguard
