// What a consumer signs to pay: a promise and the exchange message around it, in wire form.
#pragma once

#include <cstdint>

#include "core/base/result.hpp"
#include "core/base/u256.hpp"
#include "core/identity/address.hpp"
#include "core/identity/signer.hpp"
#include "core/p2p/messages.hpp"
#include "core/payment/promise.hpp"

namespace myst::core {

struct PaymentFor {
  std::uint64_t chain_id = 0;  // of the message; the promise's own differs in withdrawals only
  U256 agreement;
  Wei total;
  Address provider, hermes;
};

// The promise's channel is the signer's: an address as a word.
Result<pb::ExchangeMessage> signed_payment(const Signer& signer, const payment::Promise& promise,
                                           const PaymentFor& what);

}  // namespace myst::core
