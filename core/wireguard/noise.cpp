#include "core/wireguard/noise.hpp"

#include <algorithm>
#include <string_view>

#include "core/crypto/aead.hpp"
#include "core/crypto/blake2s.hpp"

namespace myst::core::wireguard {
namespace {

constexpr std::string_view kConstruction = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
constexpr std::string_view kIdentifier = "WireGuard v1 zx2c4 Jason@zx2c4.com";

// Offsets in the messages.
constexpr std::size_t kEphemeral = 8, kStatic = 40, kTimestamp = 88;
constexpr std::size_t kResponseEphemeral = 12, kResponseEmpty = 44;

void mix_hash(HandshakeState& state, ByteSpan data) { state.hash = blake2s({state.hash, data}); }

void begin(HandshakeState& state, const PublicKey& responder) {
  struct Start {
    Digest32 chaining_key, hash;
  };
  static const Start kStart = [] {
    Start start;
    start.chaining_key = blake2s({as_bytes(kConstruction)});
    start.hash = blake2s({start.chaining_key, as_bytes(kIdentifier)});
    return start;
  }();
  state.chaining_key = Secret<32>(kStart.chaining_key);
  state.hash = kStart.hash;
  mix_hash(state, responder);
}

void mix_ephemeral(HandshakeState& state, ByteSpan ephemeral) {
  mix_hash(state, ephemeral);
  state.chaining_key = kdf1(state.chaining_key, ephemeral).first;
}

Status mix_dh(HandshakeState& state, const Secret<32>& secret, const PublicKey& peer) {
  MYST_TRY_ASSIGN(const Secret<32> dh, x25519::shared(secret, peer));
  state.chaining_key = kdf1(state.chaining_key, dh.bytes()).first;
  return {};
}

Secret<32> mix_key(HandshakeState& state, const Secret<32>& dh) {
  Kdf2 out = kdf2(state.chaining_key, dh.bytes());
  state.chaining_key = std::move(out.first);
  return std::move(out.second);
}

void seal(HandshakeState& state, const Secret<32>& key, ByteSpan plain, MutableByteSpan out) {
  aead_seal(key, counter_nonce(0), state.hash, plain, out);
  mix_hash(state, out);
}

Status open(HandshakeState& state, const Secret<32>& key, ByteSpan sealed, MutableByteSpan out) {
  MYST_TRY(aead_open(key, counter_nonce(0), state.hash, sealed, out));
  mix_hash(state, sealed);
  return {};
}

Secret<32> mix_preshared(HandshakeState& state, const Secret<32>& preshared) {
  Kdf3 out = kdf3(state.chaining_key, preshared.bytes());
  state.chaining_key = std::move(out.first);
  mix_hash(state, out.second.bytes());
  return std::move(out.third);
}

PublicKey key_at(ByteSpan message, std::size_t offset) {
  PublicKey key;
  std::copy_n(message.begin() + offset, key.size(), key.begin());
  return key;
}

bool is_zero(const Secret<32>& secret) { return secret == Secret<32>{}; }

void store_be(std::uint8_t* p, std::uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) {
    p[i] = static_cast<std::uint8_t>(value >> (8 * (bytes - 1 - i)));
  }
}

std::uint64_t load_be(const std::uint8_t* p, unsigned bytes) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value = value << 8 | p[i];
  return value;
}

constexpr std::uint64_t kWhitening = std::uint64_t{1} << 24;

}  // namespace

Timestamp tai64n(WallTime time) {
  const std::int64_t ms = time.time_since_epoch().count();
  const std::int64_t seconds = ms >= 0 ? ms / 1000 : -((999 - ms) / 1000);
  const auto nanos = static_cast<std::uint64_t>(ms - seconds * 1000) * 1000000;
  Timestamp out;
  // TAI64 labels begin at 2^62; TAI was 10 s ahead of UTC in 1970, leap seconds are ignored.
  store_be(out.data(), 0x400000000000000aULL + static_cast<std::uint64_t>(seconds), 8);
  store_be(out.data() + 8, nanos / kWhitening * kWhitening, 4);
  return out;
}

Timestamp next_timestamp(const Timestamp& last) {
  std::uint64_t seconds = load_be(last.data(), 8);
  std::uint64_t nanos = load_be(last.data() + 8, 4) + kWhitening;
  if (nanos >= 1000000000) {
    nanos = 0;
    ++seconds;
  }
  Timestamp out;
  store_be(out.data(), seconds, 8);
  store_be(out.data() + 8, nanos, 4);
  return out;
}

Identity Identity::from(const Secret<32>& private_key) {
  Identity out;
  if (is_zero(private_key)) return out;
  out.private_key = private_key;
  x25519::clamp(out.private_key);
  out.public_key = x25519::public_key(out.private_key);
  out.valid = true;
  return out;
}

Status create_initiation(const Identity& self, const Remote& remote, const Timestamp& timestamp,
                         std::uint32_t local_index, Rng& rng, HandshakeState& state,
                         Span<std::uint8_t> message) {
  assert(message.size() == kInitiationSize);
  if (!self.valid) return Error{Errc::InvalidState, 0, "no private key"};
  if (is_zero(remote.static_static)) return Error{Errc::Rejected, 0, "peer's public key"};
  std::fill(message.begin(), message.end(), std::uint8_t{0});
  store_le32(message.data(), static_cast<std::uint32_t>(MessageType::Initiation));
  store_le32(message.data() + 4, local_index);
  state = HandshakeState{};
  state.local_index = local_index;
  begin(state, remote.public_key);
  state.ephemeral = x25519::make_clamped_key(rng);
  const PublicKey ephemeral = x25519::public_key(state.ephemeral);
  std::copy(ephemeral.begin(), ephemeral.end(), message.begin() + kEphemeral);
  mix_ephemeral(state, ephemeral);
  MYST_TRY_ASSIGN(const Secret<32> dh, x25519::shared(state.ephemeral, remote.public_key));
  const Secret<32> static_key = mix_key(state, dh);
  seal(state, static_key, self.public_key, message.subspan(kStatic, 48));
  const Secret<32> timestamp_key = mix_key(state, remote.static_static);
  seal(state, timestamp_key, timestamp, message.subspan(kTimestamp, 28));
  return {};
}

Result<PublicKey> open_initiation_sender(const Identity& self, ByteSpan message,
                                         HandshakeState& state) {
  assert(message.size() == kInitiationSize);
  if (!self.valid) return Error{Errc::InvalidState, 0, "no private key"};
  state = HandshakeState{};
  state.remote_index = load_le32(message.data() + 4);
  begin(state, self.public_key);
  state.remote_ephemeral = key_at(message, kEphemeral);
  mix_ephemeral(state, state.remote_ephemeral);
  MYST_TRY_ASSIGN(const Secret<32> dh, x25519::shared(self.private_key, state.remote_ephemeral));
  const Secret<32> key = mix_key(state, dh);
  PublicKey sender;
  MYST_TRY(open(state, key, message.subspan(kStatic, 48), sender));
  return sender;
}

Result<Timestamp> open_initiation_timestamp(const Remote& remote, ByteSpan message,
                                            HandshakeState& state) {
  if (is_zero(remote.static_static)) return Error{Errc::Rejected, 0, "peer's public key"};
  const Secret<32> key = mix_key(state, remote.static_static);
  Timestamp timestamp;
  MYST_TRY(open(state, key, message.subspan(kTimestamp, 28), timestamp));
  return timestamp;
}

Result<TransportKeys> create_response(const Remote& remote, std::uint32_t local_index, Rng& rng,
                                      HandshakeState& state, Span<std::uint8_t> message) {
  assert(message.size() == kResponseSize);
  std::fill(message.begin(), message.end(), std::uint8_t{0});
  store_le32(message.data(), static_cast<std::uint32_t>(MessageType::Response));
  store_le32(message.data() + 4, local_index);
  store_le32(message.data() + 8, state.remote_index);
  state.local_index = local_index;
  const Secret<32> ephemeral = x25519::make_clamped_key(rng);
  const PublicKey ephemeral_public = x25519::public_key(ephemeral);
  std::copy(ephemeral_public.begin(), ephemeral_public.end(), message.begin() + kResponseEphemeral);
  mix_ephemeral(state, ephemeral_public);
  MYST_TRY(mix_dh(state, ephemeral, state.remote_ephemeral));
  MYST_TRY(mix_dh(state, ephemeral, remote.public_key));
  const Secret<32> key = mix_preshared(state, remote.preshared_key);
  seal(state, key, {}, message.subspan(kResponseEmpty, kTagSize));
  Kdf2 keys = kdf2(state.chaining_key, {});
  return TransportKeys{std::move(keys.second), std::move(keys.first)};
}

Result<TransportKeys> consume_response(const Identity& self, const Remote& remote, ByteSpan message,
                                       const HandshakeState& state) {
  assert(message.size() == kResponseSize);
  if (!self.valid) return Error{Errc::InvalidState, 0, "no private key"};
  HandshakeState next = state;
  const PublicKey ephemeral = key_at(message, kResponseEphemeral);
  mix_ephemeral(next, ephemeral);
  MYST_TRY(mix_dh(next, state.ephemeral, ephemeral));
  MYST_TRY(mix_dh(next, self.private_key, ephemeral));
  const Secret<32> key = mix_preshared(next, remote.preshared_key);
  MYST_TRY(open(next, key, message.subspan(kResponseEmpty, kTagSize), {}));
  Kdf2 keys = kdf2(next.chaining_key, {});
  return TransportKeys{std::move(keys.first), std::move(keys.second)};
}

}  // namespace myst::core::wireguard
