// The Noise_IKpsk2 handshake as pure functions over a small state: one initiation, one response,
// then both sides hold the same two transport keys. Macs and cookies are in cookie.hpp, when to do
// what is in engine.hpp.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/secret.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/crypto/digest.hpp"
#include "core/crypto/x25519.hpp"
#include "core/wireguard/messages.hpp"

namespace myst::core::wireguard {

using PublicKey = x25519::PublicKey;
using Timestamp = ByteArray<12>;  // TAI64N: compares bytewise as it does in time

// Nanoseconds are rounded down to 2^24 (about 17 ms), as the kernel does, so that no fine clock of
// ours is on the wire.
Timestamp tai64n(WallTime time);
Timestamp next_timestamp(const Timestamp& last);  // the smallest whitened one that is greater

struct Identity {
  Secret<32> private_key;
  PublicKey public_key{};
  bool valid = false;  // a zero private key means: none
  static Identity from(const Secret<32>& private_key);
};

// What both sides need to know of each other before the first message.
struct Remote {
  PublicKey public_key{};
  Secret<32> preshared_key;  // zero: none
  Secret<32> static_static;  // DH(own static, peer static), computed once; zero: peer key unusable
};

// Running hash and chaining key between two messages.
struct HandshakeState {
  Secret<32> chaining_key;
  Digest32 hash{};
  Secret<32> ephemeral;           // ours, while we wait for a response
  PublicKey remote_ephemeral{};   // theirs, while we owe a response
  std::uint32_t local_index = 0;  // initiator: ours
  std::uint32_t remote_index = 0;
};

struct TransportKeys {
  Secret<32> send, receive;
};

// Fills all but the macs. Rejected: the peer's public key has no usable shared secret.
Status create_initiation(const Identity& self, const Remote& remote, const Timestamp& timestamp,
                         std::uint32_t local_index, Rng& rng, HandshakeState& state,
                         Span<std::uint8_t> message);

struct Initiation {
  PublicKey sender{};
  Timestamp timestamp{};
};
// First half: who speaks? Opens the static key only. Second half (the peer is known now): opens
// the timestamp. The state is the caller's to keep once all checks have passed.
Result<PublicKey> open_initiation_sender(const Identity& self, ByteSpan message,
                                         HandshakeState& state);
Result<Timestamp> open_initiation_timestamp(const Remote& remote, ByteSpan message,
                                            HandshakeState& state);

// Fills all but the macs, and derives the keys.
Result<TransportKeys> create_response(const Remote& remote, std::uint32_t local_index, Rng& rng,
                                      HandshakeState& state, Span<std::uint8_t> message);
// Rejected: not the answer to our initiation; the state is unchanged then.
Result<TransportKeys> consume_response(const Identity& self, const Remote& remote, ByteSpan message,
                                       const HandshakeState& state);

}  // namespace myst::core::wireguard
