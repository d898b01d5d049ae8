// What an identity signs for others to put on the chain: registration, channel, beneficiary,
// withdrawal, stake. All: keccak over packed bytes, addresses as 20 bytes, v 27/28 (node:
// payments: registration/registration.go, crypto/beneficiary.go, payandsettle.go, stake.go).
#pragma once

#include <cstdint>
#include <variant>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/u256.hpp"
#include "core/crypto/digest.hpp"
#include "core/identity/address.hpp"
#include "core/identity/signature.hpp"
#include "core/identity/signer.hpp"

namespace myst::payment {

struct RegistrationTerms {  // 156 bytes
  std::uint64_t chain_id = 0;
  Address registry, hermes;
  Wei stake, fee;
  Address beneficiary;
};
struct OpenChannelTerms {  // 104 bytes
  std::uint64_t chain_id = 0;
  Address registry, hermes;
  Wei fee;
};
struct BeneficiaryTerms {  // 124 bytes; the nonce is Registry.lastNonce() + 1
  std::uint64_t chain_id = 0;
  Address registry, identity, beneficiary;
  U256 nonce;
};
struct WithdrawalTerms {  // 148 bytes
  std::uint64_t chain_id = 0;
  Digest32 channel{};
  Wei amount;
  ByteArray<32> r{};
  Address beneficiary;
};
struct StakeDecreaseTerms {  // 180 bytes; the nonce is channels(id).lastUsedNonce + 1
  std::uint64_t chain_id = 0;
  Digest32 channel{};
  Wei amount, fee;
  U256 nonce;
};

Bytes preimage(const RegistrationTerms& terms);
Bytes preimage(const OpenChannelTerms& terms);
Bytes preimage(const BeneficiaryTerms& terms);
Bytes preimage(const WithdrawalTerms& terms);
Bytes preimage(const StakeDecreaseTerms& terms);

// v 27/28 over keccak of the preimage.
Result<Signature> sign_preimage(const Signer& signer, ByteSpan preimage);
template <typename Terms>
Result<Signature> sign_terms(const Signer& signer, const Terms& terms) {
  return sign_preimage(signer, preimage(terms));
}

// 65 bytes as contracts take them: v 27/28, low s. Malformed: another v (0/1 is taken too), or high
// s.
Result<Signature> contract_form(const Signature& signature);
// Who signed, of a signature in contracts' form. Malformed: in another form.
Result<Address> recover_preimage_signer(ByteSpan preimage, const Signature& signature);
template <typename Terms>
Result<Address> recover_terms_signer(const Terms& terms, const Signature& signature) {
  return recover_preimage_signer(preimage(terms), signature);
}

}  // namespace myst::payment
