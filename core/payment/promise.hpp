// The signed values of the pingpong protocol: promise, exchange message, invoice. Signatures here
// carry v 27/28, as contracts want it; recovery takes 0/1 as well, as the reference node does.
// Nothing allocates.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/secret.hpp"
#include "core/base/u256.hpp"
#include "core/crypto/digest.hpp"
#include "core/identity/address.hpp"
#include "core/identity/signature.hpp"
#include "core/identity/signer.hpp"
#include "core/payment/channel.hpp"

namespace myst::payment {

struct Promise {
  std::uint64_t chain_id = 0;
  ByteArray<32> channel{};  // provider channel id, or a consumer channel's address as a word
  Wei amount;               // cumulative over the life of the channel
  Wei fee;
  Digest32 hashlock{};

  bool operator==(const Promise& o) const {
    return chain_id == o.chain_id && channel == o.channel && amount == o.amount && fee == o.fee &&
           hashlock == o.hashlock;
  }
};

ByteArray<160> promise_preimage(const Promise& promise);
Digest32 promise_hash(const Promise& promise);
Result<Signature> sign_promise(const Signer& signer, const Promise& promise);
Result<Address> recover_promise_signer(const Promise& promise, ByteSpan signature);

// A consumer's promise bound to the agreement it pays for.
struct ExchangeMessage {
  std::uint64_t chain_id = 0;
  Digest32 promise_hash{};
  U256 agreement_id;
  Wei agreement_total;
  Address provider;
  std::optional<Address> hermes;  // nullopt: the wire field is empty, the preimage is shorter

  struct Preimage {
    ByteArray<168> bytes;
    std::size_t size = 0;  // 148 or 168
    ByteSpan view() const { return ByteSpan(bytes).first(size); }
  };
};

ExchangeMessage::Preimage exchange_preimage(const ExchangeMessage& message);
Digest32 exchange_hash(const ExchangeMessage& message);
Result<Signature> sign_exchange(const Signer& signer, const ExchangeMessage& message);
Result<Address> recover_exchange_signer(const ExchangeMessage& message, ByteSpan signature);
// The wire form: 130 hex digits, an 0x in front is taken too.
Result<Address> recover_exchange_signer(const ExchangeMessage& message, std::string_view hex);

struct Invoice {
  U256 agreement_id;
  Wei agreement_total;  // cumulative for this agreement
  Wei transactor_fee;
  Digest32 hashlock{};
  Address provider;
  std::uint64_t chain_id = 0;
};

// R opens a promise's hashlock: fresh for every invoice.
Secret<32> make_r(Rng& rng);
Digest32 hashlock_of(ByteSpan r);
U256 make_agreement_id(Rng& rng);  // once per session

// A field of at most 32 bytes as the word that is signed. Malformed: longer.
Result<ByteArray<32>> left_padded(ByteSpan bytes);

}  // namespace myst::payment
