// What a node asks of Hermes and of the transactor, as values. How they look on the wire:
// drivers/hermes, drivers/transactor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/secret.hpp"
#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/crypto/digest.hpp"
#include "core/hub/hermes/requests.hpp"
#include "core/identity/address.hpp"
#include "core/identity/signature.hpp"
#include "core/p2p/messages.hpp"
#include "core/payment/promise.hpp"

namespace myst::core::money {

using hermes::SignedPromise;

// --- Hermes. Answer: hermes::Answer; a Refusal carries Hermes' reason.

struct AskPromise {             // a consumer's payment for a promise to us
  pb::ExchangeMessage message;  // as received
  Wei transactor_fee;           // of the promise to come
  std::string recovery;         // payment::seal_recovery
  std::optional<Secret<32>> r;  // withdrawal (pay_and_settle) only
};
struct RevealR {
  Bytes r;
  Address provider;
  std::optional<U256> agreement;  // nullopt after a refresh
};
struct ChangeFee {
  SignedPromise promise;
  Secret<32> r;
  Wei new_fee;
};
struct SyncPromise {  // signed: Hermes has lost what we hold
  SignedPromise promise;
};
struct RefreshPromise {  // signed: we have lost what Hermes holds
  std::uint64_t chain = 0;
  Address identity;
  Digest32 hashlock{};
  std::string recovery;
};
struct AskConsumerData {
  Address identity;
};
struct AskProviderData {
  Address identity;
};
using HermesCall = std::variant<AskPromise, RevealR, ChangeFee, SyncPromise, RefreshPromise,
                                AskConsumerData, AskProviderData>;

// --- transactor

struct SettleBody {  // a promise of Hermes, ready to be cashed
  Address hermes, provider;
  SignedPromise promise;
  Secret<32> r;
};
struct Settle {
  SettleBody body;
  bool into_stake = false;
};
struct SettleWithBeneficiary {
  SettleBody body;
  Address beneficiary, registry;
  U256 nonce;
  Signature signature{};
};
struct PayAndSettle {
  SettleBody body;
  Address beneficiary;
  Signature signature{};
};
struct RegisterIdentity {
  std::uint64_t chain = 0;
  Address registry, hermes, identity;
  std::string beneficiary;  // as its owner wrote it
  Wei stake, fee;
  Signature signature{};
  std::string referral_token;  // not empty: the fee is zero
  bool provider = false;       // asks for the provider's terms
};
struct DecreaseStake {
  std::uint64_t chain = 0;
  Address hermes, provider;
  Digest32 channel{};
  Wei amount, fee;
  U256 nonce;
  Signature signature{};
};
struct OpenChannel {
  std::uint64_t chain = 0;
  Address registry, hermes;
  Signature signature{};
};
using TransactorCall = std::variant<Settle, SettleWithBeneficiary, PayAndSettle, RegisterIdentity,
                                    DecreaseStake, OpenChannel>;

enum class FeeKind : std::uint8_t { Register, Settle, DecreaseStake };
struct Fee {
  Wei amount;
  WallTime valid_until{};
};

enum class QueueState : std::uint8_t { Waiting, Done, Failed, Unknown };
struct QueueEntry {
  std::string id, transaction, error;
  QueueState state = QueueState::Unknown;
};

enum class RegistrationProgress : std::uint8_t {
  Created,
  PriceIncreased,
  Failed,
  Succeeded,
  Other
};
struct RegistrationStatus {
  RegistrationProgress progress = RegistrationProgress::Other;
  std::string transaction;
  Wei bounty;
  std::uint64_t chain = 0;
};

// --- what is kept

// The highest promise of Hermes for one of our channels, with what opens it.
struct StoredPromise {
  Address provider, hermes;
  SignedPromise promise;
  Secret<32> r;
  U256 agreement;
  bool revealed = false;  // Hermes has R
  WallTime updated{};
};
// A consumer's payment that was accepted and not yet exchanged for a promise of Hermes.
struct Claim {
  Address provider;
  U256 agreement;
  Wei total;
  Bytes message;  // exchange message, protobuf
  Secret<32> r;
};

// A withdrawal that was begun and whose end nobody has seen yet.
struct OpenWithdrawal {
  Address provider;
  std::uint64_t from = 0, to = 0;
  Address from_hermes, hermes;  // where it comes from; whose promise is cashed
  Address beneficiary;
  U256 agreement;  // of the payment to ourselves; zero: none, what was promised before is cashed
  WallTime begun{};
  // Once Hermes has promised it:
  Wei amount;             // of the promise; zero: not promised yet
  Signature signature{};  // the owner's, for that amount and beneficiary
  std::string queue_id;   // where the transactor can be asked; empty: it has not taken it yet
};

// A settlement that the transactor was asked for and whose end nobody has seen yet.
struct OpenSettlement {
  std::uint64_t chain = 0;
  Address provider, hermes, beneficiary;
  ByteArray<32> channel{};
  Wei amount;   // of the promise
  Wei settled;  // of the channel, before
  Secret<32> r;
  std::string queue_id;  // where the transactor can be asked; empty: it has not said that it has it
  WallTime begun{};
};

struct SettlementRecord {
  Digest32 transaction{};  // zero: failed before there was one
  Address provider, hermes, beneficiary;
  ByteArray<32> channel{};
  std::uint64_t chain = 0;
  WallTime at{};
  Wei amount;  // sent to the beneficiary
  Wei fees;
  Wei total_settled;  // of the channel, afterwards
  bool withdrawal = false;
  std::string error;
};

}  // namespace myst::core::money
