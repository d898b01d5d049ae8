// One channel datagram: nonce (16) | CRC-32 of the body (4) | body, everything from byte 8 on under
// Salsa20 with bytes 0..7 as nonce (reference: p2p/channel.go, kcp-go crypt.go). No MAC: the CRC
// inside the cipher is all the integrity there is.
#pragma once

#include <cstdint>

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/secret.hpp"
#include "core/base/span.hpp"

namespace myst::core {

inline constexpr std::size_t kPacketHeader = 20;
inline constexpr std::size_t kMaxReceivedDatagram = 1500;  // longer ones are cut by the reference

// `packet` holds the body from kPacketHeader on; fills in the header and encrypts in place.
void seal_packet(const Secret<32>& key, Rng& rng, MutableByteSpan packet);
void seal_packet(const Secret<32>& key, const ByteArray<16>& nonce, MutableByteSpan packet);

// Decrypts `datagram` into `buffer` (at least as large) and returns the body inside it. Malformed:
// too short or too long. Rejected: not encrypted with this key.
Result<ByteSpan> open_packet(const Secret<32>& key, ByteSpan datagram, MutableByteSpan buffer);

}  // namespace myst::core
