#include "core/payment/signed_requests.hpp"

#include <algorithm>
#include <string_view>

#include "core/crypto/keccak.hpp"

namespace myst::payment {
namespace {

class Packer {
 public:
  Packer& number(const U256& value) { return append(value.to_word()); }
  Packer& address(const Address& value) { return append(value.bytes()); }
  Packer& text(std::string_view value) { return append(value); }
  template <typename Part>
  Packer& append(const Part& part) {
    out_.insert(out_.end(), part.begin(), part.end());
    return *this;
  }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

}  // namespace

Bytes preimage(const RegistrationTerms& terms) {
  return Packer()
      .number(terms.chain_id)
      .address(terms.registry)
      .address(terms.hermes)
      .number(terms.stake)
      .number(terms.fee)
      .address(terms.beneficiary)
      .take();
}

Bytes preimage(const OpenChannelTerms& terms) {
  return Packer()
      .number(terms.chain_id)
      .address(terms.registry)
      .address(terms.hermes)
      .number(terms.fee)
      .take();
}

Bytes preimage(const BeneficiaryTerms& terms) {
  return Packer()
      .number(terms.chain_id)
      .address(terms.registry)
      .address(terms.identity)
      .address(terms.beneficiary)
      .number(terms.nonce)
      .take();
}

Bytes preimage(const WithdrawalTerms& terms) {
  return Packer()
      .number(terms.chain_id)
      .append(terms.channel)
      .number(terms.amount)
      .append(terms.r)
      .address(terms.beneficiary)
      .take();
}

Bytes preimage(const StakeDecreaseTerms& terms) {
  return Packer()
      .text("Stake return request")
      .number(terms.chain_id)
      .append(terms.channel)
      .number(terms.amount)
      .number(terms.fee)
      .number(terms.nonce)
      .take();
}

Result<Signature> sign_preimage(const Signer& signer, ByteSpan preimage) {
  MYST_TRY_ASSIGN(const Signature raw, signer.sign(preimage));
  return to_blockchain_form(raw);
}

Result<Signature> contract_form(const Signature& signature) {
  // n / 2 of secp256k1, rounded down.
  static constexpr ByteArray<32> kHalfOrder{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                            0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d,
                                            0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0};
  const std::uint8_t v = signature[64];
  if (v != 0 && v != 1 && v != 27 && v != 28) {
    return Error{Errc::Malformed, v, "signature recovery id"};
  }
  if (std::lexicographical_compare(kHalfOrder.begin(), kHalfOrder.end(), signature.begin() + 32,
                                   signature.begin() + 64)) {
    return Error{Errc::Malformed, 0, "signature with high s"};
  }
  return to_blockchain_form(to_recovery_form(signature));
}

Result<Address> recover_preimage_signer(ByteSpan preimage, const Signature& signature) {
  MYST_TRY_ASSIGN(const Signature form, contract_form(signature));
  return recover_signer(preimage, to_recovery_form(form));
}

}  // namespace myst::payment
