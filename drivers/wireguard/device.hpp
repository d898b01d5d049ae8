// WireGuard devices: one interface, two backends (our userspace engine, the kernel module).
// Everything here belongs to the loop's thread.
//
//   Wireguard wireguard(loop, rng, {});                      // one per process
//   auto device = wireguard.open(std::move(config));         // RAII: destroying it removes the
//   link
//   (*device)->on_handshake([&](const PublicKey& peer) { ... });   // first handshake of a session
//   for (const PeerStats& peer : (*device)->stats()) ...
//
// A device creates the interface, sets its MTU and, where given, addresses and the up state.
// Routes and DNS are their planner's business.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/secret.hpp"
#include "core/base/time.hpp"
#include "core/crypto/x25519.hpp"
#include "platform/loop/loop.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::wireguard {

using PublicKey = x25519::PublicKey;
class TunLink;  // an interface that devices of our engine share

struct PeerConfig {
  PublicKey public_key{};
  std::optional<Secret<32>> preshared_key;
  std::optional<Endpoint> endpoint;  // none: the peer must speak first
  std::vector<IpPrefix> allowed_ips;
  std::uint16_t keepalive_s = 0;  // 0: none
};

struct DeviceConfig {
  std::string name;  // at most 15 bytes
  Secret<32> private_key;
  // The UDP port, 0: the kernel chooses. Ignored when `socket` is given.
  std::uint16_t listen_port = 0;
  // A bound UDP socket to go on with (the hole punched for it stays open without a gap): its port
  // becomes the listen port. The kernel module cannot take a socket, so there it is closed right
  // before the module binds the same port.
  platform::UniqueFd socket;
  std::vector<IpPrefix> addresses;  // host bits kept, "10.182.3.2/24"
  std::uint32_t mtu_bytes = 0;      // 0: 1420
  std::uint32_t fwmark = 0;         // SO_MARK of the encrypted datagrams
  bool up = false;                  // set the link up once configured
  bool control_socket = false;      // /var/run/wireguard/<name>.sock, for `wg` (userspace only)
  // Not null: our engine, without an interface of its own. Packets to `network` on this one are the
  // device's, and only what comes from there reaches it; name and MTU are the link's.
  std::shared_ptr<TunLink> link;
  IpPrefix network;
  std::vector<PeerConfig> peers;
};

struct PeerStats {
  PublicKey public_key{};
  std::optional<Endpoint> endpoint;
  // As `wg show` counts: whole WireGuard messages (header, padding, tag; handshakes too), without
  // UDP and IP headers; received: only what was authentic and allowed.
  std::uint64_t tx_bytes = 0, rx_bytes = 0;
  std::optional<WallTime> last_handshake;
};

enum class Backend : std::uint8_t { Userspace, Kernel };
const char* to_string(Backend backend);

class Device {
 public:
  using OnHandshake = std::function<void(const PublicKey& peer)>;
  virtual ~Device() = default;  // closes: sessions end, the interface is gone

  virtual Backend backend() const = 0;
  virtual const std::string& name() const = 0;
  virtual std::uint16_t listen_port() const = 0;

  // Replaces all peers; sessions of those that stay go on. Malformed: nothing changed.
  virtual Status set_peers(std::vector<PeerConfig> peers) = 0;
  virtual Status set_private_key(const Secret<32>& key) = 0;
  // Moves to another local socket (a reconnect): sessions survive.
  virtual Status set_socket(platform::UniqueFd socket) = 0;
  virtual Result<std::vector<PeerStats>> stats() = 0;
  // Called in the loop at each completed handshake that follows a time without session: the first
  // one, and after a session died. Userspace: as it happens. Kernel: the module has no event, so
  // its state is read in growing steps (20 ms to 1 s) until the first handshake, then rests.
  virtual void on_handshake(OnHandshake callback) = 0;
};

enum class BackendWish : std::uint8_t { Auto, Userspace, Kernel };
struct BackendChoice {
  Backend backend = Backend::Userspace;
  std::string why;  // for the log and the REST API: "kernel: the module is loaded"
};
struct Comparison;
// Looks once whether the kernel can make a link of type wireguard (needs CAP_NET_ADMIN). With a
// comparison (comparison.hpp) of this kernel the faster one is chosen. A wish that cannot be
// fulfilled is answered with the other one, and the reason says so.
BackendChoice choose_backend(BackendWish wish, const Comparison* measured = nullptr);
// The rule alone.
BackendChoice choose_backend(BackendWish wish, bool kernel_works, const char* why_not,
                             const Comparison* measured);

struct Options {
  BackendWish backend = BackendWish::Auto;
  unsigned data_threads = 0;  // userspace: 1 or 2; 0: one where the process has one core, else two
};

class DataPlane;  // the data threads all userspace devices share

// Makes devices. Must outlive them.
class Wireguard {
 public:
  Wireguard(platform::Loop& loop, Rng& rng, Options options);
  ~Wireguard();
  Wireguard(const Wireguard&) = delete;
  Wireguard& operator=(const Wireguard&) = delete;

  const BackendChoice& backend() const { return choice_; }
  // Both have been measured: for devices opened from now on.
  void learn(const Comparison& measured);
  // Whether open() has what it needs from the system; makes no device.
  Status probe() const;
  Result<std::unique_ptr<Device>> open(DeviceConfig config);
  // One interface for many devices. Goes when neither they nor the caller have it any more. It
  // costs no thread and no buffer before the first device.
  Result<std::shared_ptr<TunLink>> open_link(const std::string& name, std::uint32_t mtu_bytes);

 private:
  platform::Loop& loop_;
  Rng& rng_;
  Options options_;
  BackendChoice choice_;
  std::unique_ptr<DataPlane> data_plane_;  // with the first userspace device
};

// `myst wireguard [-f] NAME`: the engine alone, called like wireguard-go.
int wireguard_main(int argc, char** argv);

}  // namespace myst::wireguard
