#include "core/crypto/x25519.hpp"

#include <sodium.h>

#include "core/crypto/sodium_ready.hpp"

namespace myst::x25519 {

KeyPair make_pair(Rng& rng) {
  KeyPair pair;
  rng.fill(pair.secret.mutable_bytes());
  pair.public_key = public_key(pair.secret);
  return pair;
}

Secret<32> make_clamped_key(Rng& rng) {
  Secret<32> key;
  rng.fill(key.mutable_bytes());
  clamp(key);
  return key;
}

void clamp(Secret<32>& key) {
  const MutableByteSpan bytes = key.mutable_bytes();
  bytes[0] &= 248;
  bytes[31] = static_cast<std::uint8_t>((bytes[31] & 127) | 64);
}

PublicKey public_key(const Secret<32>& secret) {
  detail::sodium_ready();
  PublicKey out;
  (void)crypto_scalarmult_curve25519_base(out.data(), secret.data());
  return out;
}

Result<Secret<32>> shared(const Secret<32>& secret, const PublicKey& peer) {
  detail::sodium_ready();
  Secret<32> out;
  if (crypto_scalarmult_curve25519(out.mutable_bytes().data(), secret.data(), peer.data()) != 0) {
    return Error{Errc::Malformed, 0, "X25519 low-order point"};
  }
  return out;
}

}  // namespace myst::x25519
