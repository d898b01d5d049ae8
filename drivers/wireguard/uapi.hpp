// The text protocol between `wg` and a userspace device (the cross-platform interface of
// WireGuard's documentation): lines key=value, an empty line ends the request. Codec only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/secret.hpp"
#include "core/base/time.hpp"
#include "core/crypto/x25519.hpp"

namespace myst::wireguard::uapi {

struct SetPeer {
  x25519::PublicKey public_key{};
  bool remove = false, update_only = false, replace_allowed_ips = false;
  std::optional<Secret<32>> preshared_key;
  std::optional<Endpoint> endpoint;
  std::optional<std::uint16_t> keepalive_s;
  struct AllowedIp {
    IpPrefix prefix;
    bool remove = false;  // "-" before the prefix
  };
  std::vector<AllowedIp> allowed_ips;
};

struct Set {
  std::optional<Secret<32>> private_key;
  std::optional<std::uint16_t> listen_port;
  std::optional<std::uint32_t> fwmark;
  bool replace_peers = false;
  std::vector<SetPeer> peers;
};

struct Peer {
  x25519::PublicKey public_key{};
  Secret<32> preshared_key;
  std::optional<Endpoint> endpoint;
  std::optional<WallTime> last_handshake;
  std::uint64_t tx_bytes = 0, rx_bytes = 0;
  std::uint16_t keepalive_s = 0;
  std::vector<IpPrefix> allowed_ips;
};

struct Device {
  std::optional<Secret<32>> private_key;
  std::uint16_t listen_port = 0;
  std::uint32_t fwmark = 0;
  std::vector<Peer> peers;
};

inline constexpr std::size_t kMaxRequest = 1 << 20;  // longer: the connection is closed
inline constexpr std::size_t kMaxPeers = 1024;
inline constexpr std::size_t kMaxAllowedIps = 8192;

enum class Verb : std::uint8_t { Get, Set };
// The first line. Malformed: neither "get=1" nor "set=1".
Result<Verb> parse_verb(std::string_view line);
// The lines after "set=1", without the empty one. Malformed (or Full): nothing may be applied.
Result<Set> parse_set(std::string_view lines);
// The answer to a get, with errno=0 and the empty line.
std::string format_get(const Device& device);
std::string format_status(int error_number);  // 0: done
int errno_of(const Error& error);

}  // namespace myst::wireguard::uapi
