#include "core/money/treasury.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "core/payment/signed_requests.hpp"
#include "tests/core/money/world.hpp"

namespace myst::core::money::test {
namespace {

using Log = std::vector<std::string>;

Status outcome(const World& w, std::uint64_t request) {
  for (const ExchangeDone& done : w.told<ExchangeDone>()) {
    if (done.request == request) return done.status;
  }
  return Error{Errc::NotFound, 0, "no outcome"};
}

TEST(Treasury, APaymentBecomesAPromiseOnDiskBeforeRIsRevealed) {
  World w;
  w.start();
  w.unlock();
  const Secret<32> r = w.exchange(1, U256(11), Wei(500));
  EXPECT_TRUE(outcome(w, 1).ok());
  EXPECT_EQ(w.log, (Log{"request", "store", "reveal", "store revealed"}));
  const StoredPromise& kept = w.disk.at(w.channel());
  EXPECT_EQ(kept.promise.promise.amount, Wei(500));
  EXPECT_TRUE(kept.r == r);
  EXPECT_TRUE(kept.revealed);
  const auto earnings = w.treasury->earnings(w.provider->address());
  ASSERT_EQ(earnings.size(), 1u);
  EXPECT_EQ(earnings[0].earnings.lifetime(), Wei(500));
}

TEST(Treasury, PaymentsAreExchangedOneAfterTheOther) {
  World w;
  w.start();
  w.unlock();
  for (std::uint64_t i = 1; i <= 3; ++i) w.exchange(i, U256(11), Wei(100 * i));
  EXPECT_EQ(w.promised, Wei(300));
  EXPECT_TRUE(w.revealed);
  EXPECT_TRUE(outcome(w, 3).ok());
}

TEST(Treasury, APromiseThatHermesDidNotSignIsNeitherKeptNorPaidForWithR) {
  World w;
  w.liar = LocalSigner::make(w.rng);
  w.start();
  w.unlock();
  w.exchange(1, U256(11), Wei(500));
  EXPECT_EQ(outcome(w, 1).error().code, Errc::Rejected);
  EXPECT_EQ(w.log, Log{"request"});
  EXPECT_TRUE(w.disk.empty());
}

TEST(Treasury, APromiseBelowTheOneBeforeIsRefused) {
  World w;
  w.start();
  w.unlock();
  w.exchange(1, U256(11), Wei(500));
  w.promised = Wei(10);  // Hermes forgot
  w.totals.clear();
  w.exchange(2, U256(12), Wei(20));
  EXPECT_EQ(outcome(w, 2).error().code, Errc::Rejected);
  EXPECT_EQ(w.disk.at(w.channel()).promise.promise.amount, Wei(500));
}

TEST(Treasury, APromiseThatGrowsByLessThanWasPaidIsRefused) {
  World w;
  w.start();
  w.unlock();
  w.exchange(1, U256(11), Wei(500));
  w.totals[U256(11)] = Wei(501);  // Hermes keeps one back
  w.log.clear();
  w.exchange(2, U256(11), Wei(700));
  EXPECT_EQ(outcome(w, 2).error().code, Errc::Rejected);
  EXPECT_EQ(w.log, Log{"request"});  // R stays here: what we hold goes on being worth its amount
  EXPECT_EQ(w.disk.at(w.channel()).promise.promise.amount, Wei(500));
}

TEST(Treasury, APromiseUnderAnotherLockIsRefused) {
  World w;
  w.other_lock = true;
  w.start();
  w.unlock();
  w.exchange(1, U256(11), Wei(500));
  EXPECT_EQ(outcome(w, 1).error().code, Errc::Rejected);
  EXPECT_EQ(w.log, Log{"request"});
  EXPECT_TRUE(w.disk.empty());
}

TEST(Treasury, AFullDiskKeepsRHere) {
  World w;
  w.start();
  w.unlock();
  w.disk_full = true;
  w.exchange(1, U256(11), Wei(500));
  EXPECT_EQ(outcome(w, 1).error().code, Errc::Rejected);
  EXPECT_EQ(w.log, Log{"request"});
}

TEST(Treasury, AnRThatNeverArrivedIsRecoveredAndTheRequestRepeated) {
  World w;
  w.start();
  w.unlock();
  w.exchange(1, U256(11), Wei(500));
  // A promise whose answer, and so whose R, was lost.
  const Secret<32> lost = payment::make_r(w.rng);
  w.lock = payment::hashlock_of(lost.bytes());
  w.recovery = *payment::seal_recovery(*w.provider, w.rng, {to_bytes(lost.bytes()), U256(11)});
  w.revealed = false;
  w.ask_recovery = true;
  w.log.clear();
  w.exchange(2, U256(11), Wei(700));
  EXPECT_TRUE(outcome(w, 2).ok());
  EXPECT_EQ(w.log, (Log{"request", "reveal", "request", "store", "reveal", "store revealed"}));
}

TEST(Treasury, RecoveryDataOfOthersEndsTheExchange) {
  World w;
  w.start();
  w.unlock();
  w.revealed = false;
  w.ask_recovery = true;
  w.recovery = *payment::seal_recovery(w.consumer, w.rng, {Bytes(32, 1), U256(11)});
  w.exchange(1, U256(11), Wei(500));
  EXPECT_EQ(outcome(w, 1).error().code, Errc::Unavailable);
  EXPECT_EQ(w.log, Log{"request"});
}

TEST(Treasury, HermesGetsBackAPromiseItLost) {
  World w;
  w.start();
  w.unlock();
  w.exchange(1, U256(11), Wei(500));
  w.refusals.push_back({Cause::InvalidPreviousPromise, "", ""});
  w.log.clear();
  w.exchange(2, U256(11), Wei(600));
  EXPECT_TRUE(outcome(w, 2).ok());
  EXPECT_EQ(w.log,
            (Log{"request", "sync", "reveal", "request", "store", "reveal", "store revealed"}));
  EXPECT_EQ(w.promised, Wei(600));
}

TEST(Treasury, ABusyHermesIsAskedAgainThreeTimes) {
  World w;
  w.start();
  w.unlock();
  for (int i = 0; i < 3; ++i) w.refusals.push_back({Cause::TooManyRequests, "", ""});
  w.exchange(1, U256(11), Wei(500));
  EXPECT_EQ(w.log.size(), 1u);
  w.pass(seconds{2});
  EXPECT_TRUE(outcome(w, 1).ok());
  for (int i = 0; i < 4; ++i) w.refusals.push_back({Cause::TooManyRequests, "", ""});
  w.exchange(2, U256(11), Wei(600));
  w.pass(seconds{5});
  EXPECT_EQ(outcome(w, 2).error().code, Errc::Unavailable);
}

TEST(Treasury, RefusalsEndTheSessionOrCountAsFailures) {
  const std::pair<Cause, Errc> cases[] = {
      {Cause::InvalidSignature, Errc::Rejected},     {Cause::PaymentValueTooLow, Errc::Rejected},
      {Cause::PromiseValueTooLow, Errc::Rejected},   {Cause::Overspend, Errc::Rejected},
      {Cause::ConsumerUnregistered, Errc::Rejected}, {Cause::Internal, Errc::Unavailable},
      {Cause::HashlockMismatch, Errc::Unavailable},  {Cause::MalformedJson, Errc::Unavailable},
      {Cause::NotFound, Errc::Unavailable},          {Cause::NoPreviousPromise, Errc::Unavailable},
  };
  for (const auto& [cause, code] : cases) {
    World w;
    w.start();
    w.unlock();
    w.refusals.push_back({cause, "why", ""});
    w.exchange(1, U256(11), Wei(500));
    EXPECT_EQ(outcome(w, 1).error().code, code) << hermes::wire_text(cause);
    EXPECT_TRUE(w.disk.empty());
  }
}

TEST(Treasury, AHermesThatIsAwayCountsAsAFailure) {
  World w;
  w.start();
  w.unlock();
  w.silent = true;
  w.exchange(1, U256(11), Wei(500));
  EXPECT_EQ(outcome(w, 1).error().code, Errc::Unavailable);
}

TEST(Treasury, ALockedIdentityExchangesNothing) {
  World w;
  w.start();
  w.exchange(1, U256(11), Wei(500));
  EXPECT_EQ(outcome(w, 1).error().code, Errc::Unavailable);
  EXPECT_TRUE(w.log.empty());
}

TEST(Treasury, PaymentsOfARunThatEndedAreExchangedAtTheNextUnlock) {
  World w;
  const Secret<32> r = payment::make_r(w.rng);
  w.claims.push_back(
      {w.provider->address(), U256(11), Wei(500), w.payment(U256(11), Wei(500), r), r});
  w.start();
  EXPECT_TRUE(w.log.empty());
  w.unlock();
  EXPECT_EQ(w.promised, Wei(500));
  EXPECT_TRUE(w.claims.empty());
}

TEST(Treasury, PaymentsThatFailedAreTriedAgainMinutesLater) {
  World w;
  w.start();
  w.unlock();
  w.silent = true;
  const Secret<32> r = w.exchange(1, U256(11), Wei(500));
  w.claims.push_back(
      {w.provider->address(), U256(11), Wei(500), w.payment(U256(11), Wei(500), r), r});
  w.silent = false;
  w.pass(std::chrono::minutes{6});
  EXPECT_EQ(w.promised, Wei(500));
}

TEST(Treasury, ALostDatabaseIsMadeGoodByHermes) {
  World w;
  w.promised = Wei(900);
  hermes::AccountData account;
  account.chain = World::kChain;
  account.identity = w.provider->address();
  account.latest = w.promise_of(w.promised, {}, Wei());
  w.provider_data = {account};
  w.start();
  w.unlock();
  EXPECT_EQ(w.log, (Log{"refresh", "store", "reveal", "store revealed"}));
  EXPECT_EQ(w.disk.at(w.channel()).promise.promise.amount, Wei(900));
  EXPECT_EQ(w.treasury->earnings(w.provider->address())[0].earnings.lifetime(), Wei(900));
}

TEST(Treasury, AnRThatWasNotRevealedIsRevealedAtTheNextUnlock) {
  World w;
  const Secret<32> r = payment::make_r(w.rng);
  w.lock = payment::hashlock_of(r.bytes());
  w.promised = Wei(500);
  w.revealed = false;
  w.disk[w.channel()] = StoredPromise{w.provider->address(),
                                      w.hermes,
                                      w.promise_of(Wei(500), w.lock, Wei()),
                                      r,
                                      U256(11),
                                      false,
                                      {}};
  w.start();
  w.unlock();
  EXPECT_EQ(w.log, (Log{"reveal", "store revealed"}));
  EXPECT_TRUE(w.disk.at(w.channel()).revealed);
}

// --- settlements

const Wei kToken = Wei(1000000000000000000u);

// A provider that is registered and has earned that much.
void earn(World& w, const Wei& amount) {
  w.start();
  w.unlock();
  w.treasury->handle_registered(w.now, w.provider->address());
  w.drain();
  w.exchange(1, U256(11), amount);
}

std::string settle(World& w) {
  w.treasury->settle(w.now, {77, w.provider->address(), {w.hermes}, false, {}});
  w.drain();
  SettlementRecord log;
  log.transaction.fill(0xaa);
  log.amount = Wei(400);
  w.queue.state = QueueState::Done;
  w.logs = {log};
  w.pass(std::chrono::minutes{4});
  for (const SettleDone& done : w.told<SettleDone>()) {
    if (done.request == 77) return done.ok ? "ok" : done.reason;
  }
  return "nothing told";
}

TEST(Treasury, SettlesWithTodaysFeeAndWritesHistory) {
  World w;
  earn(w, Wei(500));
  w.fee = Wei(20);
  w.log.clear();
  EXPECT_EQ(settle(w), "ok");
  EXPECT_EQ(w.log, (Log{"change fee", "store revealed"}));
  ASSERT_EQ(w.calls.size(), 1u);
  const auto& call = std::get<Settle>(w.calls[0]);
  EXPECT_EQ(call.body.promise.promise.amount, Wei(500));
  EXPECT_EQ(call.body.promise.promise.fee, Wei(20));
  EXPECT_EQ(payment::hashlock_of(call.body.r.bytes()), call.body.promise.promise.hashlock);
  ASSERT_EQ(w.history.size(), 1u);
  EXPECT_EQ(w.history[0].amount, Wei(400));
  EXPECT_EQ(w.history[0].beneficiary, w.beneficiary);
}

TEST(Treasury, WhatTheTransactorHasIsInSettlement) {
  World w;
  w.start();
  w.unlock();
  w.exchange(1, 7, 5000);
  const auto shown = [&] { return w.treasury->earnings(w.provider->address()).at(0); };
  EXPECT_EQ(shown().in_settlement, Wei());
  w.events.clear();
  w.treasury->settle(w.now, {2, w.provider->address(), {}, false, {}});
  w.drain();
  ASSERT_EQ(w.calls.size(), 1u);
  EXPECT_EQ(shown().in_settlement, Wei(5000));
  EXPECT_EQ(shown().earnings.unsettled(), Wei(5000)) << "a part of it, not taken from it";
  EXPECT_FALSE(w.told<EarningsChanged>().empty()) << "the owner's view is made anew";
  // The chain shows it before its line in the logs is found: it is not counted twice.
  w.settled = Wei(5000);
  w.treasury->refresh(w.now, w.provider->address());
  w.drain();
  EXPECT_EQ(shown().in_settlement, Wei());
  w.settled = Wei();
  w.treasury->refresh(w.now, w.provider->address());
  w.queue = {"q", "", "no gas", QueueState::Failed};
  w.drain();
  EXPECT_EQ(shown().in_settlement, Wei(5000));
  w.pass(seconds{10});
  EXPECT_EQ(shown().in_settlement, Wei()) << "it failed: it is promised as before";
  EXPECT_EQ(shown().earnings.unsettled(), Wei(5000));
}

TEST(Treasury, NothingIsSentWhenEverythingIsSettled) {
  World w;
  earn(w, Wei(500));
  w.settled = Wei(500);
  EXPECT_EQ(settle(w), "ok");
  EXPECT_TRUE(w.calls.empty());
}

TEST(Treasury, AnUntrueFeeChangeIsNotUsed) {
  World w;
  earn(w, Wei(500));
  w.fee = Wei(20);
  w.liar = LocalSigner::make(w.rng);
  EXPECT_EQ(settle(w), "ok");
  EXPECT_EQ(std::get<Settle>(w.calls.at(0)).body.promise.promise.fee, Wei(100));
}

TEST(Treasury, FeesAboveEarningsSettleNothing) {
  World w;
  earn(w, Wei(500));
  w.hermes_fee = Wei(401);
  EXPECT_EQ(settle(w), "fees exceed earnings");
  EXPECT_TRUE(w.calls.empty());
}

TEST(Treasury, AnotherPayoutWalletIsPutOnTheChainWithTheSettlement) {
  World w;
  earn(w, Wei(500));
  w.wallet = address(0x77);
  EXPECT_EQ(settle(w), "ok");
  const auto& call = std::get<SettleWithBeneficiary>(w.calls.at(0));
  EXPECT_EQ(call.beneficiary, w.wallet);
  EXPECT_EQ(call.nonce, U256(7));
  const payment::BeneficiaryTerms terms{World::kChain, w.registry, w.provider->address(), w.wallet,
                                        U256(7)};
  EXPECT_EQ(*payment::recover_terms_signer(terms, call.signature), w.provider->address());
}

TEST(Treasury, EarningsAreNotSettledIntoTheOwnPurse) {
  World w;
  earn(w, Wei(500));
  w.beneficiary =
      payment::consumer_channel(w.provider->address(), w.hermes, w.registry, w.implementation);
  EXPECT_NE(settle(w).find("own channel"), std::string::npos);
  w.wallet = address(0x77);
  w.events.clear();
  EXPECT_EQ(settle(w), "ok");
}

TEST(Treasury, TellsWhyTheTransactorRefuses) {
  World w;
  earn(w, Wei(500));
  w.refuse_call = "no gas left";
  EXPECT_EQ(settle(w), "the transactor refuses the settlement: no gas left");
  w.refuse_call.clear();
  w.events.clear();
  EXPECT_EQ(settle(w), "ok");  // and nothing stands in the way of the next one
}

TEST(Treasury, AFailedTransactionIsHistoryToo) {
  World w;
  earn(w, Wei(500));
  w.treasury->settle(w.now, {5, w.provider->address(), {w.hermes}, false, {}});
  w.drain();
  w.queue = {"q", "", "out of gas", QueueState::Failed};
  w.pass(seconds{10});
  ASSERT_EQ(w.told<SettleDone>().size(), 1u);
  EXPECT_FALSE(w.told<SettleDone>()[0].ok);
  ASSERT_EQ(w.history.size(), 1u);
  EXPECT_EQ(w.history[0].error, "out of gas");
}

TEST(Treasury, SettlesByItselfWithoutStakeFromFiveTokensOn) {
  for (const auto& [amount, calls] : {std::pair(4, 0u), std::pair(5, 1u)}) {
    World w;
    earn(w, Wei::saturating_mul(kToken, Wei(amount)));
    EXPECT_EQ(w.calls.size(), calls) << amount;
  }
}

TEST(Treasury, ASettlementThatCostsTooMuchWaits) {
  World w;
  w.fee = kToken;  // a fifth of it
  earn(w, Wei::saturating_mul(kToken, Wei(5)));
  EXPECT_TRUE(w.calls.empty());
  w.exchange(2, U256(12), Wei::saturating_mul(kToken, Wei(16)));  // 21 in all: whatever it costs
  EXPECT_EQ(w.calls.size(), 1u);
}

TEST(Treasury, NobodyUnregisteredIsSettled) {
  World w;
  w.start();
  w.unlock();
  w.exchange(1, U256(11), Wei::saturating_mul(kToken, Wei(50)));
  EXPECT_TRUE(w.calls.empty());
  w.treasury->handle_registered(w.now, w.provider->address());
  w.drain();
  EXPECT_EQ(w.calls.size(), 1u);
}

TEST(SettleRule, WithAStakeTheBalanceThatIsLeftDecides) {
  const SettleLimits limits;
  const auto verdict = [&](unsigned promised, unsigned settled, unsigned stake) {
    return should_settle({Wei(promised), Wei(settled), Wei(stake)}, limits);
  };
  EXPECT_EQ(verdict(10, 0, 100), SettleVerdict::No);  // 90 of 100 are left
  EXPECT_EQ(verdict(89, 0, 100), SettleVerdict::No);
  EXPECT_EQ(verdict(90, 0, 100), SettleVerdict::Yes);   // a tenth is left
  EXPECT_EQ(verdict(195, 190, 10), SettleVerdict::No);  // too little to settle
}

// --- registration

RegisterDone register_identity(World& w, Registrar::Order order = {}) {
  order.request = 9;
  order.identity = w.provider->address();
  w.treasury->register_identity(w.now, std::move(order));
  w.drain();
  return w.told<RegisterDone>().back();
}
std::optional<RegistrationChanged> last_phase(const World& w) {
  const auto all = w.told<RegistrationChanged>();
  return all.empty() ? std::nullopt : std::optional(all.back());
}

TEST(Registrar, RegistersForTheFeeOfTheTransactorAndFollowsTheChain) {
  World w;
  w.start();
  w.unlock();
  EXPECT_EQ(register_identity(w).problem, RegisterDone::Problem::None);
  const auto& call = std::get<RegisterIdentity>(w.calls.at(0));
  EXPECT_EQ(call.fee, Wei(100));
  EXPECT_EQ(
      Address::parse_lenient(call.beneficiary),
      payment::consumer_channel(w.provider->address(), w.hermes, w.registry, w.implementation));
  const payment::RegistrationTerms terms{World::kChain, w.registry,
                                         w.hermes,      Wei(),
                                         Wei(100),      Address::parse_lenient(call.beneficiary)};
  EXPECT_EQ(*payment::recover_terms_signer(terms, call.signature), w.provider->address());
  EXPECT_EQ(last_phase(w)->phase, RegistrationPhase::InProgress);
  w.registered = true;
  w.pass(seconds{30});
  EXPECT_EQ(last_phase(w)->phase, RegistrationPhase::Registered);
}

TEST(Registrar, EligibleIdentitiesAndTokensPayNothing) {
  World w;
  w.eligible = true;
  w.start();
  w.unlock();
  Registrar::Order order;
  order.fee = Wei(5);
  register_identity(w, order);
  EXPECT_TRUE(std::get<RegisterIdentity>(w.calls.at(0)).fee.is_zero());
  World v;
  v.start();
  v.unlock();
  order.referral_token = "token";
  register_identity(v, order);
  EXPECT_TRUE(std::get<RegisterIdentity>(v.calls.at(0)).fee.is_zero());
  EXPECT_EQ(std::get<RegisterIdentity>(v.calls.at(0)).referral_token, "token");
}

TEST(Registrar, RefusalsAreToldAtOnceAndLeaveNothingBehind) {
  World w;
  w.start();
  EXPECT_EQ(register_identity(w).reason, "the identity is locked: unlock it first");
  w.unlock();
  w.refuse_call = "no funds";
  EXPECT_EQ(register_identity(w).reason, "no funds");
  w.refuse_call.clear();
  Registrar::Order order;
  order.beneficiary = "0x12";
  EXPECT_EQ(register_identity(w, order).problem, RegisterDone::Problem::Refused);
  EXPECT_EQ(register_identity(w).problem, RegisterDone::Problem::None);
  EXPECT_EQ(register_identity(w).problem, RegisterDone::Problem::InProgress);
}

TEST(Registrar, AFailureOfTheTransactorIsTheEnd) {
  World w;
  w.start();
  w.unlock();
  register_identity(w);
  w.registrations = {{RegistrationProgress::Failed, "0xab", Wei(), World::kChain}};
  w.pass(seconds{30});
  EXPECT_EQ(last_phase(w)->phase, RegistrationPhase::Failed);
  EXPECT_NE(last_phase(w)->reason.find("0xab"), std::string::npos);
  EXPECT_EQ(register_identity(w).problem, RegisterDone::Problem::None);
}

TEST(Registrar, ItIsNeverInProgressForEver) {
  World w;
  w.start();
  w.unlock();
  register_identity(w);
  w.registrations = {{RegistrationProgress::Created, "", Wei(), World::kChain}};
  w.pass(std::chrono::minutes{30});
  EXPECT_EQ(last_phase(w)->phase, RegistrationPhase::Failed);
  EXPECT_NE(last_phase(w)->reason.find("too long"), std::string::npos);
}

TEST(Registrar, GoesOnWhereTheLastRunEnded) {
  World w;
  w.start();
  w.unlock();
  w.registered = true;
  w.treasury->resume_registration(w.now, w.provider->address());
  w.pass(seconds{5});
  EXPECT_EQ(last_phase(w)->phase, RegistrationPhase::Registered);
}

}  // namespace
}  // namespace myst::core::money::test
