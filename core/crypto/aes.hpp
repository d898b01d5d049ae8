// AES: CTR and CBC for key files, GCM for data only its owner reads again.
#pragma once

#include "core/base/result.hpp"
#include "core/base/secret.hpp"
#include "core/base/span.hpp"

namespace myst {

// In place; the same call encrypts and decrypts. counter: the full initial block.
void aes128_ctr(const Secret<16>& key, const ByteArray<16>& counter, MutableByteSpan data);
// In place, whole blocks (else Malformed). Padding stays: PKCS#7 is the caller's business.
Status aes128_cbc_decrypt(const Secret<16>& key, const ByteArray<16>& iv, MutableByteSpan data);

inline constexpr std::size_t kGcmTagSize = 16;
// Ciphertext then tag; no associated data.
Bytes aes256_gcm_seal(const Secret<32>& key, const ByteArray<12>& nonce, ByteSpan plaintext);
Result<Bytes> aes256_gcm_open(const Secret<32>& key, const ByteArray<12>& nonce, ByteSpan sealed);

}  // namespace myst
