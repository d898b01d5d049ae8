// What nodes ask of Hermes, parsed; and what comes back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/secret.hpp"
#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/hub/hermes/accounts.hpp"
#include "core/hub/hermes/cause.hpp"
#include "core/payment/promise.hpp"

namespace myst::core::hermes {

// request_promise and pay_and_settle: a consumer's exchange message for a promise of ours.
struct PromiseRequest {
  SignedPromise promise;             // the consumer's; v in any form
  payment::ExchangeMessage message;  // its promise_hash is not read: it is computed
  Signature message_signature{};
  std::optional<Secret<32>> r;  // pay_and_settle only
  Wei transactor_fee;           // becomes the fee of our promise
  std::string recovery_data;    // hex
  bool withdrawal = false;      // pay_and_settle
};

struct RevealRequest {
  Bytes r;
  Address provider;
};

struct ChangeFeeRequest {
  SignedPromise promise;  // ours
  Bytes r;
  Wei new_fee;
};

struct SyncRequest {
  Address signer;         // who signed the HTTP request
  SignedPromise promise;  // ours, that we may have lost
};

struct RefreshRequest {
  Address signer;
  std::uint64_t chain = 0;
  Address identity;
  Digest32 hashlock{};
  std::string recovery_data;  // hex
};

struct ConsumerDataRequest {
  Address identity;
};
struct ProviderDataRequest {
  Address identity;
};

// The operator's: an identity without a channel on the chain gets a balance here.
struct OffchainCreditRequest {
  ConsumerKey consumer;
  Wei amount;
};

using Request =
    std::variant<PromiseRequest, RevealRequest, ChangeFeeRequest, SyncRequest, RefreshRequest,
                 ConsumerDataRequest, ProviderDataRequest, OffchainCreditRequest>;

// What the chain says of a consumer's channel or a provider's.
struct ConsumerFacts {
  bool registered = false;  // and its channel exists
  Wei balance;              // tokens in the channel
  Wei settled;              // taken out by Hermes so far
  Wei capacity() const { return Wei::saturating_add(balance, settled); }
};
struct ProviderFacts {
  Wei settled, stake;
  Address beneficiary;
};

// One chain's part of a data/consumer or data/provider answer.
struct AccountData {
  std::uint64_t chain = 0;
  Address identity;
  Address beneficiary;
  ByteArray<32> channel{};
  bool channel_is_address = false;  // a consumer's
  Wei balance, settled, stake;
  SignedPromise latest;  // amount zero: none
  std::int64_t latest_settlement = 0;
  bool offchain = false;
};

struct Done {};  // reveal_r, sync_promise, credit
using Answer = std::variant<Refusal, SignedPromise, Done, std::vector<AccountData>>;

}  // namespace myst::core::hermes
