// What the money of a node asks of the machine it runs on: the vocabulary between core/money
// (sans-IO) and its executor (apps/myst/treasurer). Each action is answered exactly once by
// handle_action_done(now, id, result); its comment names the Outcome of success.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/identity/signer.hpp"
#include "core/money/calls.hpp"
#include "core/session/record.hpp"

namespace myst::core::money {

using ActionId = std::uint64_t;

// Answer: HermesAnswer, also for a refusal. Errors: Hermes could not be asked, or its answer not
// be read.
struct CallHermes {
  ActionId id;
  std::uint64_t chain = 0;
  Address hermes;
  HermesCall call;
  std::shared_ptr<const Signer> signer;  // signs the request where Hermes wants that
};
// Who signs for that Hermes. May be cached for ever. Answer: Address.
struct FindOperator {
  ActionId id;
  std::uint64_t chain = 0;
  Address hermes;
};
// Answer: Fee. Cached while it is valid.
struct FindFee {
  ActionId id;
  std::uint64_t chain = 0;
  FeeKind kind = FeeKind::Settle;
};
// Contract state of a provider's channel, waiting transactions included. Answer: ChannelAmounts.
struct ReadChannel {
  ActionId id;
  std::uint64_t chain = 0;
  Address provider, hermes;
  bool withdrawal = false;  // its channel for withdrawals
  bool mined = false;       // without what waits to be mined
};
// What is on a consumer's channel. Answer: Purse.
struct ReadPurse {
  ActionId id;
  std::uint64_t chain = 0;
  Address identity, hermes;
};
// The consumer channel of that identity with that Hermes, by the implementation which that Hermes
// has. Answer: Address.
struct FindChannel {
  ActionId id;
  std::uint64_t chain = 0;
  Address identity, hermes;
};
// Whether an address is the identity's consumer channel with any known Hermes of the active chain.
// Answer: Yes.
struct CheckOwnChannel {
  ActionId id;
  Address identity, wallet;
};
struct ReadHermesFee {  // for settling that amount. Answer: Wei
  ActionId id;
  std::uint64_t chain = 0;
  Address hermes;
  Wei amount;
};
struct ReadBeneficiary {  // as the registry says it. Answer: Address
  ActionId id;
  std::uint64_t chain = 0;
  Address provider;
};
struct ReadRegistryNonce {  // the last one used. Answer: Wei
  ActionId id;
  std::uint64_t chain = 0;
};
// Answer: Queued, with the id to ask for where there is one. Rejected: the transactor says no, and
// Executor's text (handle_refused, just before the answer) says why.
struct CallTransactor {
  ActionId id;
  std::uint64_t chain = 0;
  TransactorCall call;
};
// May that identity register for nothing? Answer: Yes.
struct CheckEligible {
  ActionId id;
  Address identity;
};
struct ReadRegistrations {  // as the transactor knows them. Answer: vector<RegistrationStatus>
  ActionId id;
  Address identity;
};
struct CheckRegistry {  // as the chain says it. Answer: Yes
  ActionId id;
  std::uint64_t chain = 0;
  Address identity;
};
struct ReadQueue {  // Answer: QueueEntry
  ActionId id;
  std::string queue_id;
};
// Settlements with that R in the logs of the Hermes contract. Answer: vector<SettlementRecord>,
// with transaction, amount, fees, beneficiary and, of a transaction that failed after all, error.
struct FindSettlements {
  ActionId id;
  std::uint64_t chain = 0;
  Address hermes;
  ByteArray<32> channel{};
  Secret<32> r;
};

// --- storage. Durable when answered.
struct LoadPromises {  // Answer: vector<StoredPromise>, all
  ActionId id;
};
struct LoadClaims {  // of that provider. Answer: vector<Claim>
  ActionId id;
  Address provider;
};
// The promise, and with it the claim it answers, in one transaction. One with a smaller amount than
// what is stored is left out silently. Answer: Done.
struct StorePromise {
  ActionId id;
  StoredPromise promise;
  std::optional<Wei> claimed;  // agreement total that is exchanged now
};
// A promise to ourselves, before Hermes sees it: the message with its R, the new grand total of the
// channel it draws on, and the withdrawal it is for, in one transaction. Answer: Done.
struct StoreOwnPayment {
  ActionId id;
  std::uint64_t chain = 0;
  Address hermes;
  PaymentRecord record;
  Wei grand_total;
  OpenWithdrawal withdrawal;
};
// Replaces what is stored of its provider's withdrawal. Answer: Done.
struct StoreWithdrawal {
  ActionId id;
  OpenWithdrawal withdrawal;
};
struct EndWithdrawal {  // it is forgotten. Answer: Done
  ActionId id;
  Address provider;
};
struct LoadWithdrawals {  // Answer: vector<OpenWithdrawal>, all
  ActionId id;
};
// Before the transactor is asked. One of the same chain, provider, Hermes and amount is replaced.
// Answer: Done.
struct StoreOpenSettlement {
  ActionId id;
  OpenSettlement settlement;
};
struct EndOpenSettlement {  // it is forgotten. Answer: Done
  ActionId id;
  std::uint64_t chain = 0;
  Address provider, hermes;
  Wei amount;
};
struct LoadOpenSettlements {  // Answer: vector<OpenSettlement>, all
  ActionId id;
};
struct LoadOwnPayment {  // the latest such. Answer: vector<Claim>, empty or one
  ActionId id;
  Address provider;
};
struct LoadPromised {  // by our own books, on that channel. Answer: Wei
  ActionId id;
  std::uint64_t chain = 0;
  Address identity, hermes;
};
struct StoreSettlement {  // Answer: Done
  ActionId id;
  SettlementRecord record;
};
struct LoadPayoutWallet {  // Answer: Address; zero: none
  ActionId id;
  Address provider;
};

using Action =
    std::variant<CheckEligible, ReadRegistrations, CheckRegistry, CallHermes, FindOperator, FindFee,
                 ReadChannel, ReadHermesFee, ReadBeneficiary, ReadRegistryNonce, CallTransactor,
                 ReadQueue, FindSettlements, LoadPromises, LoadClaims, StorePromise,
                 StoreSettlement, LoadPayoutWallet, ReadPurse, StoreOwnPayment, LoadOwnPayment,
                 LoadPromised, StoreWithdrawal, EndWithdrawal, LoadWithdrawals, FindChannel,
                 CheckOwnChannel, StoreOpenSettlement, EndOpenSettlement, LoadOpenSettlements>;

struct Done {};
// Shared: a variant in a variant is more than gcc 12 follows, and it warns of what cannot be.
using HermesAnswer = std::shared_ptr<const hermes::Answer>;
struct Queued {
  std::string id;
};
struct Yes {
  bool value = false;
};
struct ChannelAmounts {
  Wei settled, stake;
  U256 nonce;  // the last one used
};
struct Purse {
  Wei tokens, settled;
  bool open = false;  // there is a contract on its address
};
using Outcome = std::variant<Done, HermesAnswer, Address, Fee, Wei, ChannelAmounts, Queued,
                             QueueEntry, std::vector<SettlementRecord>, std::vector<StoredPromise>,
                             std::vector<Claim>, Yes, std::vector<RegistrationStatus>, Purse,
                             std::vector<OpenWithdrawal>, std::vector<OpenSettlement>>;

// --- events

struct ExchangeDone {  // of submit()
  std::uint64_t request = 0;
  Status status;  // Rejected: over for this session; other errors count towards a limit
};
struct EarningsChanged {
  Address provider;
};
struct SettleDone {  // of settle(), withdraw(), decrease_stake(), migrate()
  std::uint64_t request = 0;
  bool ok = false;
  std::string reason;  // why not, or what there was to say
};
struct MigrationChecked {  // of check_migration()
  std::uint64_t request = 0;
  std::string problem;  // not empty: nobody knows
  bool needed = false;
};
struct RegisterDone {  // of register_identity(): whether the transactor took it
  std::uint64_t request = 0;
  enum class Problem : std::uint8_t { None, InProgress, Fees, Refused } problem = Problem::None;
  std::string reason;
};
enum class RegistrationPhase : std::uint8_t { InProgress, Registered, Failed };
struct RegistrationChanged {
  Address identity;
  RegistrationPhase phase = RegistrationPhase::InProgress;
  std::string reason;  // Failed
};
struct Settled {  // found on the chain
  SettlementRecord record;
};
struct Note {
  bool warning = false;
  std::string text;
  Address provider;
};
using Event = std::variant<ExchangeDone, EarningsChanged, SettleDone, MigrationChecked,
                           RegisterDone, RegistrationChanged, Settled, Note>;

}  // namespace myst::core::money
