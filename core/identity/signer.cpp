#include "core/identity/signer.hpp"

#include <algorithm>

#include "core/crypto/aes.hpp"
#include "core/crypto/keccak.hpp"
#include "core/crypto/secp256k1.hpp"
#include "core/crypto/sha2.hpp"

namespace myst {
namespace {

constexpr std::size_t kNonceSize = 12;

// node: identity/keystore_filesystem.go: HKDF-SHA-512 without salt and info over the private key
// as a minimal big-endian integer, so a key's leading zero bytes do not count.
Secret<32> self_key(const Secret<32>& key) {
  ByteSpan minimal = key.bytes();
  while (!minimal.empty() && minimal[0] == 0) minimal = minimal.subspan(1);
  Secret<32> out;
  hkdf_sha512({}, minimal, {}, out.mutable_bytes());
  return out;
}

}  // namespace

Result<Signature> Signer::sign(ByteSpan message) const { return sign_digest(keccak256(message)); }

Result<Bytes> Signer::encrypt_for_self(Rng&, ByteSpan) const {
  return Error{Errc::Unsupported, 0, "this identity only signs"};
}

Result<Bytes> Signer::decrypt_from_self(ByteSpan) const {
  return Error{Errc::Unsupported, 0, "this identity only signs"};
}

Result<LocalSigner> LocalSigner::from_key(const Secret<32>& key) {
  MYST_TRY_ASSIGN(const secp256k1::PublicKey public_key, secp256k1::public_key(key));
  return LocalSigner(key, Address::of(public_key));
}

LocalSigner LocalSigner::make(Rng& rng) {
  const Secret<32> key = secp256k1::make_key(rng);
  return LocalSigner(key, Address::of(*secp256k1::public_key(key)));
}

Result<Signature> LocalSigner::sign_digest(const Digest32& digest) const {
  return secp256k1::sign(key_, digest);
}

Result<Bytes> LocalSigner::encrypt_for_self(Rng& rng, ByteSpan plaintext) const {
  const auto nonce = rng.bytes<kNonceSize>();
  const Bytes sealed = aes256_gcm_seal(self_key(key_), nonce, plaintext);
  Bytes out(nonce.begin(), nonce.end());
  out.insert(out.end(), sealed.begin(), sealed.end());
  return out;
}

Result<Bytes> LocalSigner::decrypt_from_self(ByteSpan sealed) const {
  if (sealed.size() < kNonceSize) return Error{Errc::Malformed, 0, "ciphertext too short"};
  ByteArray<kNonceSize> nonce;
  std::copy(sealed.begin(), sealed.begin() + kNonceSize, nonce.begin());
  return aes256_gcm_open(self_key(key_), nonce, sealed.subspan(kNonceSize));
}

}  // namespace myst
