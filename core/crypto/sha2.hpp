// SHA-256, HMAC, HKDF (RFC 5869) and PBKDF2 (RFC 8018) over SHA-2.
#pragma once

#include <cstdint>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/crypto/digest.hpp"

namespace myst {

Digest32 sha256(ByteSpan data);
Digest32 hmac_sha256(ByteSpan key, ByteSpan data);
ByteArray<64> hmac_sha512(ByteSpan key, ByteSpan data);
// An empty salt is the RFC's default (zeros). out: at most 255 hashes, else our own mistake.
void hkdf_sha256(ByteSpan salt, ByteSpan input_key, ByteSpan info, MutableByteSpan out);
void hkdf_sha512(ByteSpan salt, ByteSpan input_key, ByteSpan info, MutableByteSpan out);
// iterations 0 counts as 1.
void pbkdf2_hmac_sha256(ByteSpan password, ByteSpan salt, std::uint32_t iterations,
                        MutableByteSpan out);

}  // namespace myst
