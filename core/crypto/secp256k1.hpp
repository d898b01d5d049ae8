// ECDSA on secp256k1 with public key recovery. Deterministic nonces (RFC 6979, HMAC-SHA256, no
// extra entropy), low s. Nothing here allocates after the first call.
#pragma once

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/secret.hpp"
#include "core/base/span.hpp"
#include "core/crypto/digest.hpp"

namespace myst::secp256k1 {

using PublicKey = ByteArray<64>;             // X then Y, big-endian, without the 0x04 byte
using RecoverableSignature = ByteArray<65>;  // r, s, recovery id 0..3

// Uniform in [1, n).
Secret<32> make_key(Rng& rng);
// Malformed: the key is zero or not below the group order.
Result<PublicKey> public_key(const Secret<32>& key);
Result<RecoverableSignature> sign(const Secret<32>& key, const Digest32& digest);
// High s is accepted. Malformed: an id above 3, r or s out of range, no such point.
Result<PublicKey> recover(const Digest32& digest, const RecoverableSignature& signature);

// Blinds the signing tables against side channels. Once, at start, before other threads sign.
void blind(Rng& rng);

}  // namespace myst::secp256k1
