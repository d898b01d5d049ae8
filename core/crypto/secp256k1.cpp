#include "core/crypto/secp256k1.hpp"

#include <secp256k1.h>
#include <secp256k1_recovery.h>

#include <cassert>
#include <cstring>

namespace myst::secp256k1 {
namespace {

// Lives until exit on purpose: creating it costs more than a signature.
secp256k1_context* context() {
  static secp256k1_context* const kContext =
      secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
  return kContext;
}

PublicKey serialize(const secp256k1_pubkey& point) {
  ByteArray<65> raw;
  std::size_t size = raw.size();
  secp256k1_ec_pubkey_serialize(context(), raw.data(), &size, &point, SECP256K1_EC_UNCOMPRESSED);
  PublicKey out;
  std::memcpy(out.data(), raw.data() + 1, out.size());
  return out;
}

}  // namespace

Secret<32> make_key(Rng& rng) {
  Secret<32> key;
  do {
    rng.fill(key.mutable_bytes());
  } while (secp256k1_ec_seckey_verify(context(), key.data()) != 1);
  return key;
}

Result<PublicKey> public_key(const Secret<32>& key) {
  secp256k1_pubkey point;
  if (secp256k1_ec_pubkey_create(context(), &point, key.data()) != 1) {
    return Error{Errc::Malformed, 0, "private key out of range"};
  }
  return serialize(point);
}

Result<RecoverableSignature> sign(const Secret<32>& key, const Digest32& digest) {
  secp256k1_ecdsa_recoverable_signature signature;
  if (secp256k1_ecdsa_sign_recoverable(context(), &signature, digest.data(), key.data(), nullptr,
                                       nullptr) != 1) {
    return Error{Errc::Malformed, 0, "private key out of range"};
  }
  RecoverableSignature out;
  int id = 0;
  secp256k1_ecdsa_recoverable_signature_serialize_compact(context(), out.data(), &id, &signature);
  out[64] = static_cast<std::uint8_t>(id);
  return out;
}

Result<PublicKey> recover(const Digest32& digest, const RecoverableSignature& signature) {
  // The library aborts on an id above 3.
  if (signature[64] > 3) return Error{Errc::Malformed, signature[64], "signature recovery id"};
  secp256k1_ecdsa_recoverable_signature parsed;
  if (secp256k1_ecdsa_recoverable_signature_parse_compact(context(), &parsed, signature.data(),
                                                          signature[64]) != 1) {
    return Error{Errc::Malformed, 0, "signature values out of range"};
  }
  secp256k1_pubkey point;
  if (secp256k1_ecdsa_recover(context(), &point, &parsed, digest.data()) != 1) {
    return Error{Errc::Malformed, 0, "signature without public key"};
  }
  return serialize(point);
}

void blind(Rng& rng) {
  Secret<32> seed;
  rng.fill(seed.mutable_bytes());
  const int done = secp256k1_context_randomize(context(), seed.data());
  assert(done == 1);  // fails only for a static context
  (void)done;
}

}  // namespace myst::secp256k1
