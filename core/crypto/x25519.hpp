// X25519 (RFC 7748).
#pragma once

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/secret.hpp"
#include "core/base/span.hpp"

namespace myst::x25519 {

using PublicKey = ByteArray<32>;

struct KeyPair {
  Secret<32> secret;
  PublicKey public_key{};
};

KeyPair make_pair(Rng& rng);            // unclamped, as NaCl makes them
Secret<32> make_clamped_key(Rng& rng);  // as WireGuard stores them
void clamp(Secret<32>& key);
PublicKey public_key(const Secret<32>& secret);
// Malformed: a low-order point, the shared secret would be zero.
Result<Secret<32>> shared(const Secret<32>& secret, const PublicKey& peer);

}  // namespace myst::x25519
