// Signatures of identities: ECDSA over keccak(message), 65 bytes r, s, v. Two forms of v exist:
// raw (0/1, everything but payments) and for the blockchain (27/28, promises and contract calls).
// There is no "Ethereum Signed Message" prefix anywhere.
#pragma once

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/crypto/digest.hpp"
#include "core/identity/address.hpp"

namespace myst {

using Signature = ByteArray<65>;

// raw -> 27 + v mod 2. Not idempotent (27 becomes 28): once, on a raw signature.
Signature to_blockchain_form(Signature signature);
// any -> v mod 27: 27/28 and 0/1 both give 0/1.
Signature to_recovery_form(Signature signature);
Result<Signature> signature_from_bytes(ByteSpan bytes);  // Malformed: empty or not 65 bytes

// Who signed: v 0..3, high s accepted. Malformed: size, recovery id, values. A wrong message gives
// another address, not an error: compare with whom you expect.
Result<Address> recover_signer(ByteSpan message, ByteSpan signature65);
Result<Address> recover_signer_of_digest(const Digest32& digest, ByteSpan signature65);

}  // namespace myst
