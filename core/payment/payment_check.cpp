#include "core/payment/payment_check.hpp"

#include <algorithm>

#include "core/payment/channel.hpp"

namespace myst::core {

Result<ParsedPayment> parse_payment(ByteSpan bytes) {
  ParsedPayment p;
  MYST_TRY_ASSIGN(p.wire, pb::ExchangeMessage::decode(bytes));
  const pb::Promise promise = p.wire.promise.value_or(pb::Promise{});
  MYST_TRY_ASSIGN(p.promise.amount, U256::parse_wire(promise.amount));
  MYST_TRY_ASSIGN(p.promise.fee, U256::parse_wire(promise.fee));
  MYST_TRY_ASSIGN(p.message.agreement_id, U256::parse_wire(p.wire.agreement_id));
  MYST_TRY_ASSIGN(p.message.agreement_total, U256::parse_wire(p.wire.agreement_total));
  MYST_TRY_ASSIGN(p.promise.channel, payment::left_padded(promise.channel_id));
  MYST_TRY_ASSIGN(p.promise.hashlock, payment::left_padded(promise.hashlock));
  p.promise.chain_id = static_cast<std::uint64_t>(promise.chain_id);
  p.message.chain_id = static_cast<std::uint64_t>(p.wire.chain_id);
  p.message.promise_hash = payment::promise_hash(p.promise);
  p.message.provider = Address::parse_lenient(p.wire.provider);
  if (!p.wire.hermes_id.empty()) p.message.hermes = Address::parse_lenient(p.wire.hermes_id);
  return p;
}

Status check_payment(const ParsedPayment& payment, const PaymentTerms& terms) {
  const auto refuse = [](const char* why) { return Error{Errc::Rejected, 0, why}; };
  const auto& [wire, message, promise] = payment;
  const auto signer = payment::recover_exchange_signer(message, wire.signature);
  if (!signer.ok() || *signer != terms.consumer) {
    return refuse("payment is not signed by the consumer");
  }
  if (message.chain_id != terms.chain.chain_id) return refuse("payment for another chain");
  const ByteSpan signature = wire.promise ? ByteSpan(wire.promise->signature) : ByteSpan();
  const auto promiser = payment::recover_promise_signer(promise, signature);
  if (!promiser.ok() || *promiser != terms.consumer) {
    return refuse("promise is not signed by the consumer");
  }
  if (promise.amount < terms.last_amount) return refuse("promise is smaller than the one before");
  if (!message.hermes || *message.hermes != terms.hermes) {
    return refuse("payment through another hermes");
  }
  const Address channel = payment::consumer_channel(
      terms.consumer, terms.hermes, terms.chain.registry, terms.chain.channel_implementation);
  // Byte for byte: 20 bytes, not a padded word.
  if (!wire.promise || wire.promise->channel_id.size() != Address::kSize ||
      !std::equal(wire.promise->channel_id.begin(), wire.promise->channel_id.end(),
                  channel.bytes().begin())) {
    return refuse("promise for another channel");
  }
  if (promise.chain_id != terms.chain.chain_id) return refuse("promise for another chain");
  if (message.agreement_id != terms.agreement) return refuse("payment for another agreement");
  if (message.agreement_total != terms.total) return refuse("payment of another total");
  if (message.provider != terms.provider) return refuse("payment to another provider");
  if (!terms.last_amount.is_zero() && U256::saturating_sub(promise.amount, terms.last_amount) <
                                          U256::saturating_sub(terms.total, terms.last_total)) {
    return refuse("promise grew by less than was invoiced");
  }
  return {};
}

}  // namespace myst::core
