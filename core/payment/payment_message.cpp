#include "core/payment/payment_message.hpp"

#include "core/base/text.hpp"

namespace myst::core {

Result<pb::ExchangeMessage> signed_payment(const Signer& signer, const payment::Promise& promise,
                                           const PaymentFor& what) {
  MYST_TRY_ASSIGN(const Signature promise_signature, payment::sign_promise(signer, promise));
  payment::ExchangeMessage message;
  message.chain_id = what.chain_id;
  message.promise_hash = payment::promise_hash(promise);
  message.agreement_id = what.agreement;
  message.agreement_total = what.total;
  message.provider = what.provider;
  message.hermes = what.hermes;
  MYST_TRY_ASSIGN(const Signature signature, payment::sign_exchange(signer, message));

  pb::ExchangeMessage out;
  pb::Promise p;
  p.channel_id = Bytes(promise.channel.begin() + 12, promise.channel.end());
  p.amount = promise.amount.to_string();
  p.fee = promise.fee.to_string();
  p.hashlock = to_bytes(promise.hashlock);
  p.chain_id = static_cast<std::int64_t>(promise.chain_id);
  p.signature = to_bytes(promise_signature);
  out.promise = std::move(p);
  out.agreement_id = what.agreement.to_string();
  out.agreement_total = what.total.to_string();
  out.provider = what.provider.to_string();
  out.signature = to_hex(signature);
  out.hermes_id = what.hermes.to_checksum();
  out.chain_id = static_cast<std::int64_t>(what.chain_id);
  return out;
}

}  // namespace myst::core
