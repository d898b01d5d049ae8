// An unlocked identity, and the one that holds its key in memory.
#pragma once

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/secret.hpp"
#include "core/base/span.hpp"
#include "core/crypto/digest.hpp"
#include "core/identity/address.hpp"
#include "core/identity/signature.hpp"

namespace myst {

class Signer {
 public:
  virtual ~Signer() = default;
  virtual Address address() const = 0;
  virtual Result<Signature> sign(ByteSpan message) const;  // keccak inside, v = 0/1
  virtual Result<Signature> sign_digest(const Digest32& digest) const = 0;  // v = 0/1
  // Encryption under a key derived from the private key: what only this identity reads again.
  // Unsupported where the key cannot be reached (a device that only signs).
  virtual Result<Bytes> encrypt_for_self(Rng& rng, ByteSpan plaintext) const;
  virtual Result<Bytes> decrypt_from_self(ByteSpan sealed) const;
};

class LocalSigner final : public Signer {
 public:
  // Malformed: zero or not below the group order.
  static Result<LocalSigner> from_key(const Secret<32>& key);
  static LocalSigner make(Rng& rng);

  Address address() const override { return address_; }
  Result<Signature> sign_digest(const Digest32& digest) const override;
  Result<Bytes> encrypt_for_self(Rng& rng, ByteSpan plaintext) const override;
  Result<Bytes> decrypt_from_self(ByteSpan sealed) const override;
  const Secret<32>& key() const { return key_; }  // for the keystore's export only

 private:
  LocalSigner(const Secret<32>& key, const Address& address) : key_(key), address_(address) {}
  Secret<32> key_;
  Address address_;
};

}  // namespace myst
