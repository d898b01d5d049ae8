// A Hermes, a transactor, a chain and a disk in memory, for the tests of a treasury.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/text.hpp"
#include "core/money/treasury.hpp"
#include "core/payment/channel.hpp"
#include "core/payment/promise.hpp"
#include "core/payment/recovery.hpp"
#include "tests/support/support.hpp"

namespace myst::core::money::test {

using hermes::Cause;
using hermes::Refusal;
using std::chrono::seconds;

inline Address address(std::uint8_t byte) {
  ByteArray<20> bytes;
  bytes.fill(byte);
  return Address(bytes);
}

struct World {
  static constexpr std::uint64_t kChain = 80001;
  ::myst::test::SeededRng rng{7};
  const Address registry = address(0x11), implementation = address(0x22), hermes = address(0x33);
  std::vector<Address> known{hermes};
  Address withdrawal_hermes = hermes;  // whose withdrawal channels Hermes' promises are of
  LocalSigner operator_key = LocalSigner::make(rng), consumer = LocalSigner::make(rng);
  std::shared_ptr<const LocalSigner> provider =
      std::make_shared<const LocalSigner>(LocalSigner::make(rng));
  Now now{};

  // --- Hermes
  Wei promised;     // to the provider
  Digest32 lock{};  // of the last promise
  bool revealed = true;
  bool ask_recovery = false;  // instead of silence, while nothing is revealed
  std::string recovery;
  std::deque<Refusal> refusals;  // of the next promise requests
  bool silent = false;
  bool other_lock = false;          // promises under one that nobody asked for
  std::optional<LocalSigner> liar;  // signs instead of the operator
  std::map<U256, Wei> totals;
  std::vector<std::string> log;  // what happened, in order
  std::vector<hermes::AccountData> provider_data;

  // --- disk
  std::map<Digest32, StoredPromise> disk;
  std::vector<Claim> claims;
  std::vector<SettlementRecord> history;
  bool disk_full = false;
  Address wallet;

  // --- chain and transactor
  Wei settled, stake, hermes_fee, fee{100};
  Address beneficiary = address(0x55);
  U256 nonce{6};
  bool eligible = false, registered = false;
  std::vector<TransactorCall> calls;
  std::string refuse_call;                         // not empty: the transactor says no
  std::optional<Error> call_error, queue_error;    // instead of an answer
  std::map<Wei, OpenSettlement> open_settlements;  // on the disk, by amount
  Wei settled_mined;  // of `settled`, where some of it waits to be mined
  bool pending_only = false;
  QueueEntry queue{"q", "", "", QueueState::Waiting};
  std::vector<SettlementRecord> logs;
  std::vector<RegistrationStatus> registrations;
  std::map<Address, Purse> purses;  // of the provider, by Hermes
  std::vector<Claim> own;
  Wei grand_total, paid_out;
  U256 stake_nonce;
  std::vector<hermes::AccountData> consumer_data;
  Wei withdrawn_total;
  std::map<Address, OpenWithdrawal> withdrawals;  // on the disk
  std::map<U256, SignedPromise> withdrawn;        // promises of Hermes, by agreement

  Treasury::Config config() const {
    Treasury::Config out;
    out.settler.chain = {kChain, registry, hermes, implementation, known};
    out.settler.first_check = seconds{2};
    out.chains = {out.settler.chain};
    return out;
  }
  std::unique_ptr<Treasury> treasury;
  std::vector<Event> events;

  void start() {
    treasury = std::make_unique<Treasury>(config(), rng);
    treasury->start(now);
    drain();
  }
  void unlock() {
    treasury->handle_unlocked(now, provider);
    drain();
  }
  void pass(Duration time) {
    const Instant end = now.instant + time;
    for (auto next = treasury->next_timeout(); next && *next <= end;
         next = treasury->next_timeout()) {
      now.instant = std::max(now.instant, *next);
      treasury->handle_timeout(now);
      drain();
    }
    now.instant = end;
  }
  void drain() {
    for (;;) {
      if (auto action = treasury->poll_action()) {
        std::visit([this](auto& a) { treasury->handle_action_done(now, a.id, execute(a)); },
                   *action);
      } else if (auto event = treasury->poll_event()) {
        events.push_back(*event);
      } else {
        return;
      }
    }
  }
  template <typename T>
  std::vector<T> told() const {
    std::vector<T> out;
    for (const Event& event : events) {
      if (const T* one = std::get_if<T>(&event)) out.push_back(*one);
    }
    return out;
  }

  Digest32 channel() const { return payment::provider_channel_id(provider->address(), hermes); }

  // A consumer's payment with that agreement total.
  Bytes payment(const U256& agreement, const Wei& total, const Secret<32>& r) {
    payment::Promise promise;
    promise.chain_id = kChain;
    promise.channel = payment::to_word(
        payment::consumer_channel(consumer.address(), hermes, registry, implementation));
    promise.amount = total;
    promise.hashlock = payment::hashlock_of(r.bytes());
    const Signature signature = *payment::sign_promise(consumer, promise);
    payment::ExchangeMessage message{
        kChain, payment::promise_hash(promise), agreement, total, provider->address(), hermes};
    const Signature outer = *payment::sign_exchange(consumer, message);
    pb::ExchangeMessage wire;
    wire.promise.emplace();
    wire.promise->channel_id = Bytes(promise.channel.begin() + 12, promise.channel.end());
    wire.promise->amount = total.to_string();
    wire.promise->fee = "0";
    wire.promise->hashlock = to_bytes(promise.hashlock);
    wire.promise->chain_id = static_cast<std::int64_t>(kChain);
    wire.promise->signature = to_bytes(signature);
    wire.agreement_id = agreement.to_string();
    wire.agreement_total = total.to_string();
    wire.provider = provider->address().to_string();
    wire.signature = to_hex(outer);
    wire.hermes_id = hermes.to_checksum();
    wire.chain_id = static_cast<std::int64_t>(kChain);
    return wire.encode();
  }
  Secret<32> exchange(std::uint64_t request, const U256& agreement, const Wei& total) {
    const Secret<32> r = payment::make_r(rng);
    treasury->submit(now,
                     {request, provider->address(), payment(agreement, total, r), r, agreement});
    drain();
    return r;
  }
  SignedPromise promise_of(const Wei& amount, const Digest32& hashlock, const Wei& with_fee) const {
    SignedPromise out;
    out.promise = {kChain, channel(), amount, with_fee, hashlock};
    out.signature = *payment::sign_promise(liar ? *liar : operator_key, out.promise);
    return out;
  }

  // --- what each action does

  static Result<Outcome> hermes_says(hermes::Answer answer) {
    return Outcome(std::make_shared<const hermes::Answer>(std::move(answer)));
  }
  Result<Outcome> execute(CallHermes& a) {
    if (silent) return Error{Errc::Timeout, 0, "nobody there"};
    return std::visit([this](auto& call) { return serve(call); }, a.call);
  }
  Result<Outcome> serve(AskPromise& call) {
    log.push_back("request");
    if (!refusals.empty()) {
      const Refusal refusal = refusals.front();
      refusals.pop_front();
      return hermes_says(refusal);
    }
    if (call.r) return serve_withdrawal(call);
    if (!revealed) {
      return hermes_says(Refusal{
          ask_recovery ? Cause::RRecoveryRequired : Cause::PreviousRNotRevealed, "", recovery});
    }
    const U256 agreement = *U256::parse(call.message.agreement_id);
    const Wei total = *U256::parse(call.message.agreement_total);
    promised = Wei::saturating_add(promised, Wei::saturating_sub(total, totals[agreement]));
    totals[agreement] = total;
    std::copy(call.message.promise->hashlock.begin(), call.message.promise->hashlock.end(),
              lock.begin());
    recovery = call.recovery;
    revealed = false;
    if (other_lock) lock[0] ^= 1;
    return hermes_says(promise_of(promised, lock, call.transactor_fee));
  }
  // pay_and_settle: the same request gets the same answer.
  Result<Outcome> serve_withdrawal(AskPromise& call) {
    const U256 agreement = *U256::parse(call.message.agreement_id);
    if (const auto again = withdrawn.find(agreement); again != withdrawn.end()) {
      return hermes_says(again->second);
    }
    SignedPromise out;
    withdrawn_total =
        Wei::saturating_add(withdrawn_total, *U256::parse(call.message.agreement_total));
    out.promise = {kChain, payment::withdrawal_channel_id(provider->address(), withdrawal_hermes),
                   withdrawn_total, call.transactor_fee, payment::hashlock_of(call.r->bytes())};
    out.signature = *payment::sign_promise(liar ? *liar : operator_key, out.promise);
    withdrawn[agreement] = out;
    return hermes_says(out);
  }
  Result<Outcome> serve(RevealR& call) {
    const bool right = payment::hashlock_of(call.r) == lock;
    log.push_back(right ? "reveal" : "reveal of another R");
    if (!right) return hermes_says(Refusal{Cause::HashlockMismatch, "", ""});
    revealed = true;
    return hermes_says(hermes::Done{});
  }
  Result<Outcome> serve(ChangeFee& call) {
    log.push_back("change fee");
    return hermes_says(
        promise_of(call.promise.promise.amount, call.promise.promise.hashlock, call.new_fee));
  }
  Result<Outcome> serve(SyncPromise& call) {
    log.push_back("sync");
    promised = call.promise.promise.amount;
    lock = call.promise.promise.hashlock;
    return hermes_says(hermes::Done{});
  }
  Result<Outcome> serve(RefreshPromise& call) {
    log.push_back("refresh");
    lock = call.hashlock;
    recovery = call.recovery;
    revealed = false;
    return hermes_says(promise_of(promised, lock, Wei()));
  }
  Result<Outcome> serve(AskConsumerData&) {
    if (consumer_data.empty()) return hermes_says(Refusal{Cause::NotFound, "", ""});
    return hermes_says(consumer_data);
  }
  Result<Outcome> serve(AskProviderData&) {
    if (provider_data.empty()) return hermes_says(Refusal{Cause::NotFound, "", ""});
    return hermes_says(provider_data);
  }
  Result<Outcome> execute(FindOperator&) { return Outcome(operator_key.address()); }
  Result<Outcome> execute(FindFee&) { return Outcome(Fee{fee, {}}); }
  Result<Outcome> execute(ReadChannel& a) {
    if (a.withdrawal) return Outcome(ChannelAmounts{paid_out, {}, {}});
    return Outcome(
        ChannelAmounts{a.mined && pending_only ? settled_mined : settled, stake, stake_nonce});
  }
  Result<Outcome> execute(ReadPurse& a) { return Outcome(purses[a.hermes]); }
  Result<Outcome> execute(StoreOwnPayment& a) {
    if (disk_full) return Error{Errc::Full, 0, "disk"};
    log.push_back("store payment");
    withdrawals[a.withdrawal.provider] = a.withdrawal;
    own = {{a.record.provider, a.record.agreement, a.record.total, a.record.message, a.record.r}};
    grand_total = a.grand_total;
    return Outcome(Done{});
  }
  Result<Outcome> execute(StoreWithdrawal& a) {
    if (disk_full) return Error{Errc::Full, 0, "disk"};
    withdrawals[a.withdrawal.provider] = a.withdrawal;
    return Outcome(Done{});
  }
  Result<Outcome> execute(EndWithdrawal& a) {
    withdrawals.erase(a.provider);
    return Outcome(Done{});
  }
  Result<Outcome> execute(LoadWithdrawals&) {
    std::vector<OpenWithdrawal> all;
    for (const auto& [identity, one] : withdrawals) {
      (void)identity;
      all.push_back(one);
    }
    return Outcome(all);
  }
  Result<Outcome> execute(LoadOwnPayment&) { return Outcome(own); }
  Result<Outcome> execute(LoadPromised&) { return Outcome(grand_total); }
  // Of each Hermes its own.
  std::map<Address, Address> implementations;
  Address own_channel(const Address& with) const {
    const auto found = implementations.find(with);
    return payment::consumer_channel(
        provider->address(), with, registry,
        found == implementations.end() ? implementation : found->second);
  }
  Result<Outcome> execute(FindChannel& a) { return Outcome(own_channel(a.hermes)); }
  Result<Outcome> execute(CheckOwnChannel& a) {
    bool any = a.wallet == own_channel(hermes);
    for (const Address& one : known) any = any || a.wallet == own_channel(one);
    return Outcome(Yes{any});
  }
  Result<Outcome> execute(ReadHermesFee&) { return Outcome(hermes_fee); }
  Result<Outcome> execute(ReadBeneficiary&) { return Outcome(beneficiary); }
  Result<Outcome> execute(ReadRegistryNonce&) { return Outcome(nonce); }
  Result<Outcome> execute(CallTransactor& a) {
    if (!refuse_call.empty()) {
      treasury->handle_refused(refuse_call);
      return Error{Errc::Rejected, 400, "refused"};
    }
    calls.push_back(a.call);
    if (call_error) return *call_error;
    return Outcome(Queued{"q"});
  }
  Result<Outcome> execute(CheckEligible&) { return Outcome(Yes{eligible}); }
  Result<Outcome> execute(CheckRegistry&) { return Outcome(Yes{registered}); }
  Result<Outcome> execute(ReadRegistrations&) { return Outcome(registrations); }
  Result<Outcome> execute(ReadQueue&) {
    if (queue_error) return *queue_error;
    return Outcome(queue);
  }
  Result<Outcome> execute(FindSettlements&) { return Outcome(logs); }
  Result<Outcome> execute(LoadPromises&) {
    std::vector<StoredPromise> all;
    for (const auto& [id, promise] : disk) {
      (void)id;
      all.push_back(promise);
    }
    return Outcome(all);
  }
  Result<Outcome> execute(LoadClaims&) { return Outcome(claims); }
  Result<Outcome> execute(StorePromise& a) {
    if (disk_full) return Error{Errc::Full, 0, "disk"};
    log.push_back(a.promise.revealed ? "store revealed" : "store");
    disk[a.promise.promise.promise.channel] = a.promise;
    if (a.claimed) claims.clear();
    return Outcome(Done{});
  }
  Result<Outcome> execute(StoreSettlement& a) {
    history.push_back(a.record);
    return Outcome(Done{});
  }
  Result<Outcome> execute(LoadPayoutWallet&) { return Outcome(wallet); }
  Result<Outcome> execute(StoreOpenSettlement& a) {
    if (disk_full) return Error{Errc::Full, 0, "disk"};
    open_settlements[a.settlement.amount] = a.settlement;
    return Outcome(Done{});
  }
  Result<Outcome> execute(EndOpenSettlement& a) {
    open_settlements.erase(a.amount);
    return Outcome(Done{});
  }
  Result<Outcome> execute(LoadOpenSettlements&) {
    std::vector<OpenSettlement> all;
    for (const auto& [amount, one] : open_settlements) {
      (void)amount;
      all.push_back(one);
    }
    return Outcome(all);
  }
};

}  // namespace myst::core::money::test
