// NaCl crypto_box (X25519, XSalsa20-Poly1305) and plain Salsa20/20.
#pragma once

#include "core/base/result.hpp"
#include "core/base/secret.hpp"
#include "core/base/span.hpp"
#include "core/crypto/x25519.hpp"

namespace myst {

inline constexpr std::size_t kBoxTagSize = 16;
using BoxNonce = ByteArray<24>;

// HSalsa20(X25519(secret, peer), zeros): NaCl's crypto_box_beforenm, also the channel key.
// Malformed: a low-order point.
Result<Secret<32>> box_precompute(const Secret<32>& secret, const x25519::PublicKey& peer);

// With the precomputed key. The sealed form is tag (16) then ciphertext, as crypto_box_easy lays it
// out.
Bytes box_seal(const Secret<32>& key, const BoxNonce& nonce, ByteSpan plaintext);
// Rejected: shorter than a tag, or altered, or another key.
Result<Bytes> box_open(const Secret<32>& key, const BoxNonce& nonce, ByteSpan sealed);

// XORs data with the Salsa20/20 key stream from block 0, in place.
void salsa20_xor(const Secret<32>& key, const ByteArray<8>& nonce, MutableByteSpan data);

}  // namespace myst
