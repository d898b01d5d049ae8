#include "core/identity/signature.hpp"

#include <algorithm>

#include "core/crypto/keccak.hpp"
#include "core/crypto/secp256k1.hpp"

namespace myst {

Signature to_blockchain_form(Signature signature) {
  signature[64] = static_cast<std::uint8_t>(27 + signature[64] % 2);
  return signature;
}

Signature to_recovery_form(Signature signature) {
  signature[64] = signature[64] % 27;
  return signature;
}

Result<Signature> signature_from_bytes(ByteSpan bytes) {
  if (bytes.empty()) return Error{Errc::Malformed, 0, "empty signature"};
  Signature signature;
  if (bytes.size() != signature.size()) {
    return Error{Errc::Malformed, 0, "invalid signature length"};
  }
  std::copy(bytes.begin(), bytes.end(), signature.begin());
  return signature;
}

Result<Address> recover_signer_of_digest(const Digest32& digest, ByteSpan signature65) {
  MYST_TRY_ASSIGN(const Signature signature, signature_from_bytes(signature65));
  MYST_TRY_ASSIGN(const secp256k1::PublicKey key, secp256k1::recover(digest, signature));
  return Address::of(key);
}

Result<Address> recover_signer(ByteSpan message, ByteSpan signature65) {
  return recover_signer_of_digest(keccak256(message), signature65);
}

}  // namespace myst
