#include "core/payment/promise.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/crypto/keccak.hpp"

namespace myst::payment {
namespace {

template <std::size_t N>
std::uint8_t* put(std::uint8_t* at, const ByteArray<N>& bytes) {
  return std::copy(bytes.begin(), bytes.end(), at);
}

Result<Signature> sign_for_chain(const Signer& signer, const Digest32& hash) {
  MYST_TRY_ASSIGN(const Signature raw, signer.sign_digest(hash));
  return to_blockchain_form(raw);
}

Result<Address> recover_any_form(const Digest32& hash, ByteSpan bytes) {
  MYST_TRY_ASSIGN(const Signature signature, signature_from_bytes(bytes));
  return recover_signer_of_digest(hash, to_recovery_form(signature));
}

}  // namespace

ByteArray<160> promise_preimage(const Promise& promise) {
  ByteArray<160> out;
  std::uint8_t* at = out.data();
  at = put(at, U256(promise.chain_id).to_word());
  at = put(at, promise.channel);
  at = put(at, promise.amount.to_word());
  at = put(at, promise.fee.to_word());
  put(at, promise.hashlock);
  return out;
}

Digest32 promise_hash(const Promise& promise) { return keccak256(promise_preimage(promise)); }

Result<Signature> sign_promise(const Signer& signer, const Promise& promise) {
  return sign_for_chain(signer, promise_hash(promise));
}

Result<Address> recover_promise_signer(const Promise& promise, ByteSpan signature) {
  return recover_any_form(promise_hash(promise), signature);
}

ExchangeMessage::Preimage exchange_preimage(const ExchangeMessage& message) {
  ExchangeMessage::Preimage out;
  std::uint8_t* at = out.bytes.data();
  at = put(at, U256(message.chain_id).to_word());
  at = put(at, message.promise_hash);
  at = put(at, message.agreement_id.to_word());
  at = put(at, message.agreement_total.to_word());
  at = put(at, message.provider.bytes());
  if (message.hermes) at = put(at, message.hermes->bytes());
  out.size = static_cast<std::size_t>(at - out.bytes.data());
  return out;
}

Digest32 exchange_hash(const ExchangeMessage& message) {
  return keccak256(exchange_preimage(message).view());
}

Result<Signature> sign_exchange(const Signer& signer, const ExchangeMessage& message) {
  return sign_for_chain(signer, exchange_hash(message));
}

Result<Address> recover_exchange_signer(const ExchangeMessage& message, ByteSpan signature) {
  return recover_any_form(exchange_hash(message), signature);
}

Result<Address> recover_exchange_signer(const ExchangeMessage& message, std::string_view hex) {
  if (hex.substr(0, 2) == "0x") hex.remove_prefix(2);
  Signature signature;
  MYST_TRY(from_hex(hex, signature));
  return recover_exchange_signer(message, ByteSpan(signature));
}

Secret<32> make_r(Rng& rng) {
  Secret<32> r;
  rng.fill(r.mutable_bytes());
  return r;
}

Digest32 hashlock_of(ByteSpan r) { return keccak256(r); }

U256 make_agreement_id(Rng& rng) { return U256::from_word(rng.bytes<32>()); }

Result<ByteArray<32>> left_padded(ByteSpan bytes) {
  if (bytes.size() > 32) return Error{Errc::Malformed, 0, "field longer than a chain word"};
  ByteArray<32> word{};
  std::copy(bytes.begin(), bytes.end(), word.end() - static_cast<std::ptrdiff_t>(bytes.size()));
  return word;
}

}  // namespace myst::payment
