// A device of our own engine: the loop's half. The data threads' half is in DataPlane.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/wireguard/engine.hpp"
#include "drivers/wireguard/control_socket.hpp"
#include "drivers/wireguard/data_plane.hpp"
#include "drivers/wireguard/device.hpp"
#include "drivers/wireguard/tun_link.hpp"
#include "drivers/wireguard/uapi.hpp"
#include "drivers/wireguard/udp.hpp"
#include "platform/loop/timer.hpp"

namespace myst::wireguard {

struct UserspaceOptions {
  BufferSizes buffers = buffers_for_this_machine();
  // The highest rungs to try; lower ones are for tests and for kernels known to be broken.
  platform::TunOffload tun_offload = platform::TunOffload::TcpUdp;
  UdpOffload udp_offload = UdpOffload::Segment;
};
// From MYST_WG_TUN (none, tcp, udp), MYST_WG_UDP (none, many, segment), and the kernel's version.
UserspaceOptions userspace_options();

class UserspaceDevice final : public Device, private DataPlane::Client {
 public:
  static Result<std::unique_ptr<UserspaceDevice>> open(platform::Loop& loop, Rng& rng,
                                                       DataPlane& plane,
                                                       const UserspaceOptions& options,
                                                       DeviceConfig config);
  ~UserspaceDevice() override;

  Backend backend() const override { return Backend::Userspace; }
  const std::string& name() const override { return name_; }
  std::uint16_t listen_port() const override { return listen_port_; }
  Status set_peers(std::vector<PeerConfig> peers) override;
  Status set_private_key(const Secret<32>& key) override;
  Status set_socket(platform::UniqueFd socket) override;
  Result<std::vector<PeerStats>> stats() override;
  void on_handshake(OnHandshake callback) override { on_handshake_ = std::move(callback); }

  // The UAPI of `wg`: what it asks, and what it sets.
  uapi::Device describe() const;
  Status configure(uapi::Set set);
  // Called once when the interface was deleted by somebody else.
  void on_gone(std::function<void()> callback) { on_gone_ = std::move(callback); }

 private:
  UserspaceDevice(platform::Loop& loop, Rng& rng, DataPlane& plane, std::uint64_t number,
                  const UserspaceOptions& options);
  Status start(DeviceConfig config);
  Status check_peers(const std::vector<PeerConfig>& peers) const;
  Status apply_peers(std::vector<PeerConfig> peers);
  Status use_sockets(SocketPair pair);
  SocketOptions socket_options() const;
  void set_limits(std::uint32_t mtu);
  void on_timer();
  void drain();
  bool still_down();
  void came_up();
  bool transmit(const core::wireguard::Engine::Transmit& out);

  void on_unsent(std::uint64_t peer_id, ByteSpan packet) override;
  void on_handshake(const core::wireguard::PathAddress& from, ByteSpan message,
                    bool under_load) override;
  void on_attention(std::uint64_t peer_id, std::uint32_t bits) override;
  void settle() override;
  void on_offload_changed() override;
  void on_link_change() override;

  platform::Loop& loop_;
  DataPlane& plane_;
  const std::uint64_t number_;
  UserspaceOptions options_;
  std::shared_ptr<TunLink> link_;  // shared or our own
  std::string name_;
  std::uint16_t listen_port_ = 0;
  std::uint32_t fwmark_ = 0;
  core::wireguard::Engine engine_;
  Port* port_ = nullptr;  // DataPlane's
  bool was_up_ = false, is_down_ = false;
  platform::Timer timer_;
  OnHandshake on_handshake_;
  std::function<void()> on_gone_;
  std::unique_ptr<ControlSocket> control_;
  // Dies with the device: callbacks that may end it look at it afterwards.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace myst::wireguard
