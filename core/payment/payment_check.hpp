// Whether an exchange message pays an invoice, as the provider judges it.
//
// The reference accepts any agreement, total and provider in the message and any chain in the
// promise (Hermes refuses them later); here they have to be the invoice's, which every consumer
// sends anyway.
#pragma once

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/p2p/messages.hpp"
#include "core/payment/promise.hpp"
#include "core/payment/settings.hpp"

namespace myst::core {

struct ParsedPayment {
  pb::ExchangeMessage wire;
  payment::ExchangeMessage message;
  payment::Promise promise;
};
// Malformed: protobuf, a decimal that cannot be read, a field longer than a chain word.
Result<ParsedPayment> parse_payment(ByteSpan exchange_message);

struct PaymentTerms {
  ChainConfig chain;
  Address provider, consumer, hermes;
  U256 agreement;
  Wei total;                    // of the invoice
  Wei last_total, last_amount;  // of the last payment accepted; zero: none
};
Status check_payment(const ParsedPayment& payment, const PaymentTerms& terms);

}  // namespace myst::core
