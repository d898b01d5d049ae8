// The rows of the Hermes ledger. Double entry, over all chains together:
//
//   promised by consumers = accounted (to providers) + held + opening     each consumer
//   sum of accounted      = sum of (promised to providers - recovered)    the whole ledger
//   accounted             = sum of the totals of its agreements           each consumer, each
//   provider
//
// All amounts only grow, except `held`, which is used up by messages that arrive late.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>

#include "core/base/secret.hpp"
#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/identity/address.hpp"
#include "core/payment/promise.hpp"

namespace myst::core::hermes {

struct ConsumerKey {
  std::uint64_t chain = 0;
  Address identity;
  bool operator<(const ConsumerKey& o) const {
    return std::tie(chain, identity) < std::tie(o.chain, o.identity);
  }
  bool operator==(const ConsumerKey& o) const { return chain == o.chain && identity == o.identity; }
};

// A provider has one channel for what it earns and one for what it withdraws as a consumer.
enum class ChannelKind : std::uint8_t { Earnings = 0, Withdrawal = 1 };

struct ProviderKey {
  std::uint64_t chain = 0;
  Address identity;
  ChannelKind kind = ChannelKind::Earnings;
  bool operator<(const ProviderKey& o) const {
    return std::tie(chain, identity, kind) < std::tie(o.chain, o.identity, o.kind);
  }
  bool operator==(const ProviderKey& o) const {
    return chain == o.chain && identity == o.identity && kind == o.kind;
  }
};

// An agreement id is chosen by the provider, so it means nothing without both parties.
struct AgreementKey {
  ConsumerKey consumer;
  ProviderKey provider;
  U256 id;
  bool operator<(const AgreementKey& o) const {
    return std::tie(consumer, provider, id) < std::tie(o.consumer, o.provider, o.id);
  }
};

struct SignedPromise {
  payment::Promise promise;
  Signature signature{};  // v 27/28, low s: what contracts take
};

struct ConsumerAccount {
  SignedPromise latest;  // of the highest amount
  Wei accounted;         // what its agreements moved to providers
  Wei held;              // promised beyond that: messages that were never handed in
  Wei opening;           // promised before this ledger first saw the consumer
  // The highest promise whose R is known: it can be cashed. Amount zero: none.
  SignedPromise cashable;
  Secret<32> cashable_r;
  // Balance of the channel plus what was taken out of it: promises up to here are covered. It only
  // grows, because taking out takes a promise (or a signature of ours), so an old value is safe.
  Wei capacity;
  Wei settled;              // taken out of the channel, as last seen
  bool registered = false;  // for ever, once the chain said so
  bool offchain = false;    // its balance is here, not on the chain: capacity is what it was given
  const Wei& promised() const { return latest.promise.amount; }
};

struct ProviderAccount {
  SignedPromise latest;  // ours
  U256 agreement;        // of it; zero after a refresh
  bool revealed = true;  // R of it is known
  Secret<32> r;          // once revealed
  std::string recovery;  // hex, the provider's own secret
  Wei recovered;         // part of the amount that came from a promise of ours we had lost
  // The consumer's promise that pays for the latest one: it can be cashed once R is revealed.
  // Amount zero: none (after a refresh or sync).
  ConsumerKey payer;
  SignedPromise backing;
  Wei settled;                       // on the chain, as last seen
  std::int64_t last_settlement = 0;  // unix ms; 0: never seen
};

struct AgreementAccount {
  Wei total;
  Wei promised{};            // the consumer's highest promise that came with it
  std::int64_t updated = 0;  // unix ms; 0: before ledgers kept the time
};

}  // namespace myst::core::hermes
