// The four messages of the WireGuard protocol and its constants (WireGuard: Next Generation Kernel
// Network Tunnel, sections 5.4 and 6). All integers little-endian.
//
//   initiation 148: type 1, 3 zero, sender 4, ephemeral 32, static 48, timestamp 28, mac1 16, mac2
//   16 response    92: type 2, 3 zero, sender 4, receiver 4, ephemeral 32, empty 16, mac1 16, mac2
//   16 cookie      64: type 3, 3 zero, receiver 4, nonce 24, cookie 32 transport  32+: type 4, 3
//   zero, receiver 4, counter 8, packet padded to 16, tag 16
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/base/span.hpp"
#include "core/base/time.hpp"

namespace myst::core::wireguard {

enum class MessageType : std::uint8_t { Initiation = 1, Response = 2, Cookie = 3, Transport = 4 };

inline constexpr std::size_t kInitiationSize = 148;
inline constexpr std::size_t kResponseSize = 92;
inline constexpr std::size_t kCookieReplySize = 64;
inline constexpr std::size_t kTransportHeaderSize = 16;
inline constexpr std::size_t kTagSize = 16;
inline constexpr std::size_t kTransportOverhead = kTransportHeaderSize + kTagSize;
inline constexpr std::size_t kMacSize = 16;
inline constexpr std::size_t kPaddingMultiple = 16;

inline constexpr std::uint64_t kRekeyAfterMessages = std::uint64_t{1} << 60;
inline constexpr std::uint64_t kReplayWindow = 8192;
inline constexpr std::uint64_t kRejectAfterMessages = UINT64_MAX - kReplayWindow - 1;
inline constexpr Duration kRekeyAfterTime = std::chrono::seconds{120};
inline constexpr Duration kRejectAfterTime = std::chrono::seconds{180};
inline constexpr Duration kRekeyTimeout = std::chrono::seconds{5};
inline constexpr Duration kKeepaliveTimeout = std::chrono::seconds{10};
inline constexpr Duration kMaxTimeoutJitter = std::chrono::milliseconds{333};
inline constexpr unsigned kMaxHandshakeAttempts = 18;  // Rekey-Attempt-Time 90 s / Rekey-Timeout
inline constexpr Duration kCookieLifetime = std::chrono::seconds{120};
inline constexpr Duration kCookieLatency = std::chrono::seconds{5};
// A receiver's key this old, or older, asks for a new handshake: Reject-After-Time less the two
// waits that follow a silence.
inline constexpr Duration kLastMinuteAge = kRejectAfterTime - kKeepaliveTimeout - kRekeyTimeout;
// Not more initiations of one peer are answered than one in this time.
inline constexpr Duration kInitiationSpacing = std::chrono::milliseconds{20};
// Not of the paper: to the second copy of a first handshake's message.
inline constexpr Duration kTwinPause = std::chrono::milliseconds{250};

// The type when the size is possible for it; the reserved bytes must be zero.
std::optional<MessageType> message_type(ByteSpan message);

inline std::uint32_t load_le32(const std::uint8_t* p) {
  return std::uint32_t{p[0]} | std::uint32_t{p[1]} << 8 | std::uint32_t{p[2]} << 16 |
         std::uint32_t{p[3]} << 24;
}
inline std::uint64_t load_le64(const std::uint8_t* p) {
  return std::uint64_t{load_le32(p)} | std::uint64_t{load_le32(p + 4)} << 32;
}
inline void store_le32(std::uint8_t* p, std::uint32_t v) {
  for (unsigned i = 0; i < 4; ++i) p[i] = static_cast<std::uint8_t>(v >> (8 * i));
}
inline void store_le64(std::uint8_t* p, std::uint64_t v) {
  for (unsigned i = 0; i < 8; ++i) p[i] = static_cast<std::uint8_t>(v >> (8 * i));
}

inline void write_transport_header(std::uint8_t* p, std::uint32_t receiver, std::uint64_t counter) {
  store_le32(p, static_cast<std::uint32_t>(MessageType::Transport));
  store_le32(p + 4, receiver);
  store_le64(p + 8, counter);
}

// The size of a packet after padding: a multiple of 16, but never beyond the tunnel's MTU, so that
// a full packet does not make the outer one too long. mtu 0: unknown.
inline std::size_t padded_size(std::size_t size, std::size_t mtu) {
  const std::size_t up = (size + kPaddingMultiple - 1) / kPaddingMultiple * kPaddingMultiple;
  if (mtu == 0 || up <= mtu) return up;
  return size < mtu ? mtu : size;
}

}  // namespace myst::core::wireguard
