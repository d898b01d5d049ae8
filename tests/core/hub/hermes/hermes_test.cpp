#include "core/hub/hermes/hermes.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "tests/support/hermes_world.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core::hermes {
namespace {

using test::cause_in;
using test::HermesWorld;
using test::promise_in;

constexpr std::uint64_t kChain = HermesWorld::kChain;

class HermesTest : public testing::Test {
 protected:
  void SetUp() override {
    world_.fund(world_.consumer(0), 1000000);
    world_.fund(world_.consumer(1), 1000000);
  }
  void TearDown() override { expect_balanced(); }
  void expect_balanced() {
    const auto audited = audit(ledger_);
    ASSERT_TRUE(audited.ok());
    EXPECT_TRUE(audited->balanced()) << (audited->faults.empty() ? "" : audited->faults.front());
  }
  // One payment with its reveal, as in a session.
  Answer pay(unsigned consumer, unsigned provider, const U256& agreement, const Wei& total,
             const Wei& amount) {
    auto message = world_.message(world_.consumer(consumer), world_.provider(provider).address(),
                                  agreement, total, amount);
    Answer answer = runner_.ask(message.request);
    if (promise_in(answer) != nullptr) {
      EXPECT_TRUE(reveal(provider, message.r));
    }
    return answer;
  }
  bool reveal(unsigned provider, const Secret<32>& r) {
    const Answer answer =
        runner_.ask(RevealRequest{to_bytes(r.bytes()), world_.provider(provider).address()});
    return std::holds_alternative<Done>(answer);
  }
  PromiseRequest request(const Wei& total, const Wei& amount, unsigned consumer = 0) {
    return world_.message(world_.consumer(consumer), world_.provider(0).address(), 7, total, amount)
        .request;
  }
  ConsumerKey payer(unsigned n = 0) { return {kChain, world_.consumer(n).address()}; }
  ProviderKey earner(unsigned n = 0) {
    return {kChain, world_.provider(n).address(), ChannelKind::Earnings};
  }

  HermesWorld world_;
  test::MemoryLedger ledger_;
  test::HermesRunner runner_{world_, ledger_};
};

TEST_F(HermesTest, TurnsConsumersPromisesIntoOneGrowingPromiseForTheProvider) {
  auto first = world_.message(world_.consumer(0), world_.provider(0).address(), 7, 10, 10);
  first.request.transactor_fee = 3;
  const Answer answer = runner_.ask(first.request);
  const SignedPromise* promise = promise_in(answer);
  ASSERT_NE(promise, nullptr);
  EXPECT_EQ(promise->promise.chain_id, kChain);
  EXPECT_EQ(promise->promise.amount, Wei(10));
  EXPECT_EQ(promise->promise.fee, Wei(3));
  EXPECT_EQ(promise->promise.hashlock, first.request.promise.promise.hashlock);
  EXPECT_EQ(promise->promise.channel,
            payment::provider_channel_id(world_.provider(0).address(),
                                         world_.terms().chain(kChain)->hermes));
  EXPECT_EQ(*payment::recover_promise_signer(promise->promise, promise->signature),
            world_.operator_key().address());
  ASSERT_TRUE(reveal(0, first.r));
  const Answer second = pay(0, 0, 7, 25, 25);
  ASSERT_NE(promise_in(second), nullptr);
  EXPECT_EQ(promise_in(second)->promise.amount, Wei(25));
  // Another consumer's payments and another agreement add up on the same channel.
  const Answer third = pay(1, 0, 8, 100, 100);
  ASSERT_NE(promise_in(third), nullptr);
  EXPECT_EQ(promise_in(third)->promise.amount, Wei(125));
}

TEST_F(HermesTest, ARevealedRMakesTheConsumersPromiseCashable) {
  auto message = world_.message(world_.consumer(0), world_.provider(0).address(), 7, 10, 10);
  ASSERT_NE(promise_in(runner_.ask(message.request)), nullptr);
  EXPECT_TRUE(ledger_.consumers[payer()].cashable.promise.amount.is_zero());
  ASSERT_TRUE(reveal(0, message.r));
  EXPECT_EQ(ledger_.consumers[payer()].cashable.promise, message.request.promise.promise);
  EXPECT_EQ(ledger_.consumers[payer()].cashable_r, message.r);
  EXPECT_TRUE(reveal(0, message.r)) << "again is no mistake";
}

TEST_F(HermesTest, AnotherPromiseNeedsThePreviousR) {
  auto first = world_.message(world_.consumer(0), world_.provider(0).address(), 7, 10, 10);
  ASSERT_NE(promise_in(runner_.ask(first.request)), nullptr);
  const Answer refused = runner_.ask(request(20, 20));
  ASSERT_EQ(cause_in(refused), Cause::RRecoveryRequired);
  EXPECT_EQ(std::get<Refusal>(refused).data, "00ff");
  ASSERT_TRUE(reveal(0, first.r));
  auto bare = world_.message(world_.consumer(0), world_.provider(0).address(), 7, 20, 20);
  bare.request.recovery_data.clear();
  ASSERT_NE(promise_in(runner_.ask(bare.request)), nullptr);
  EXPECT_EQ(cause_in(runner_.ask(request(30, 30))), Cause::PreviousRNotRevealed);
}

TEST_F(HermesTest, TheSameRequestAgainGetsTheSamePromise) {
  auto message = world_.message(world_.consumer(0), world_.provider(0).address(), 7, 10, 10);
  const Answer first = runner_.ask(message.request);
  ASSERT_NE(promise_in(first), nullptr);
  const Answer again = runner_.ask(message.request);
  ASSERT_NE(promise_in(again), nullptr);
  EXPECT_EQ(promise_in(again)->signature, promise_in(first)->signature);
  ASSERT_TRUE(reveal(0, message.r));
  message.request.transactor_fee = 4;
  const Answer other_fee = runner_.ask(message.request);
  ASSERT_NE(promise_in(other_fee), nullptr);
  EXPECT_EQ(promise_in(other_fee)->promise.amount, Wei(10));
  EXPECT_EQ(promise_in(other_fee)->promise.fee, Wei(4));
}

TEST_F(HermesTest, RefusesWhatDoesNotAddUp) {
  ASSERT_NE(promise_in(pay(0, 0, 7, 10, 10)), nullptr);
  EXPECT_EQ(cause_in(runner_.ask(request(9, 20))), Cause::PaymentValueTooLow);
  EXPECT_EQ(cause_in(runner_.ask(request(20, 19))), Cause::PromiseValueTooLow);
  EXPECT_EQ(cause_in(runner_.ask(request(20, 10))), Cause::PromiseValueTooLow);
  EXPECT_EQ(cause_in(runner_.ask(request(20, 5))), Cause::PromiseValueTooLow);
  EXPECT_EQ(cause_in(runner_.ask(request(Wei::max(), Wei::max()))), Cause::Overspend);
  EXPECT_EQ(cause_in(runner_.ask(request(1000001, 1000001))), Cause::Overspend);
  ASSERT_NE(promise_in(pay(0, 0, 7, 1000000, 1000000)), nullptr) << "to the last wei";
}

TEST_F(HermesTest, WhatIsPromisedBeyondTheAgreementsIsHeld) {
  ASSERT_NE(promise_in(pay(0, 0, 7, 10, 10)), nullptr);
  // A message over 50 for somebody else never arrived.
  const Answer answer = pay(0, 0, 7, 20, 70);
  ASSERT_NE(promise_in(answer), nullptr);
  EXPECT_EQ(promise_in(answer)->promise.amount, Wei(20));
  EXPECT_EQ(ledger_.consumers[payer()].held, Wei(50));
  // It arrives late: the later promise covers it.
  const Answer late = pay(0, 1, 9, 50, 60);
  ASSERT_NE(promise_in(late), nullptr);
  EXPECT_EQ(promise_in(late)->promise.amount, Wei(50));
  EXPECT_EQ(ledger_.consumers[payer()].held, Wei(0));
  EXPECT_EQ(ledger_.consumers[payer()].promised(), Wei(70));
  EXPECT_EQ(cause_in(pay(0, 1, 9, 51, 60)), Cause::PromiseValueTooLow) << "nothing is left";
}

TEST_F(HermesTest, ALateMessageWaitsForTheRThatCoversIt) {
  ASSERT_NE(promise_in(pay(0, 0, 7, 10, 10)), nullptr);
  auto late = world_.message(world_.consumer(0), world_.provider(1).address(), 9, 5, 15);
  auto early = world_.message(world_.consumer(0), world_.provider(0).address(), 7, 20, 25);
  ASSERT_NE(promise_in(runner_.ask(early.request)), nullptr);
  EXPECT_EQ(cause_in(runner_.ask(late.request)), Cause::TooManyRequests);
  ASSERT_TRUE(reveal(0, early.r));
  EXPECT_NE(promise_in(runner_.ask(late.request)), nullptr);
}

TEST_F(HermesTest, WhatWasPromisedBeforeTheLedgerBeganPaysForNothing) {
  world_.consumer_facts[payer()].settled = 400;
  EXPECT_EQ(cause_in(runner_.ask(request(10, 409))), Cause::PromiseValueTooLow);
  const Answer answer = pay(0, 0, 7, 10, 500);
  ASSERT_NE(promise_in(answer), nullptr);
  EXPECT_EQ(promise_in(answer)->promise.amount, Wei(10));
  EXPECT_EQ(ledger_.consumers[payer()].opening, Wei(490));
  EXPECT_EQ(cause_in(pay(0, 1, 9, 5, 450)), Cause::PromiseValueTooLow);
}

TEST_F(HermesTest, SignaturesMustHoldAndMeanUs) {
  const auto changed = [&](auto&& change, bool sign_again) {
    auto message = world_.message(world_.consumer(0), world_.provider(0).address(), 7, 10, 10);
    change(message.request);
    if (sign_again) HermesWorld::sign(world_.consumer(0), message.request);
    return cause_in(runner_.ask(message.request));
  };
  const auto bad = Cause::InvalidSignature;
  EXPECT_EQ(changed([](auto& r) { r.promise.promise.amount = 11; }, false), bad);
  EXPECT_EQ(changed([](auto& r) { r.message.agreement_total = 9; }, false), bad);
  EXPECT_EQ(changed([](auto& r) { r.promise.signature[64] = 29; }, false), bad);
  EXPECT_EQ(changed([](auto& r) { r.message_signature[0] ^= 1; }, false), bad);
  EXPECT_EQ(changed([](auto& r) { r.message.hermes.reset(); }, true), bad);
  EXPECT_EQ(changed([](auto& r) { r.message.hermes = Address(); }, true), bad);
  EXPECT_EQ(changed([](auto& r) { r.message.provider = Address(); }, true), bad);
  EXPECT_EQ(changed([](auto& r) { r.promise.promise.chain_id = 1; }, true), bad);
  EXPECT_EQ(changed([](auto& r) { r.message.chain_id = HermesWorld::kOtherChain; }, true), bad);
  EXPECT_EQ(changed([](auto& r) { r.promise.promise.channel[31] ^= 1; }, true), bad);
  EXPECT_EQ(changed([](auto& r) { r.promise.promise.fee = 1; }, true), Cause::PromiseValueTooLow);
  // Contracts take low s only: such a promise could not be cashed.
  EXPECT_EQ(changed(
                [](auto& r) {
                  for (std::size_t i = 32; i < 64; ++i) r.promise.signature[i] = 0xff;
                },
                false),
            bad);
  EXPECT_EQ(changed([](auto& r) { r.promise.signature[64] -= 27; }, false), std::nullopt);
  EXPECT_EQ(ledger_.consumers[payer()].latest.signature[64] / 2, 13) << "kept in contracts' form";
}

TEST_F(HermesTest, ConsumersMustBeRegisteredOrHaveABalanceHere) {
  const auto stranger = world_.message(world_.consumer(5), world_.provider(0).address(), 7, 10, 10);
  EXPECT_EQ(cause_in(runner_.ask(stranger.request)), Cause::ConsumerUnregistered);
  ASSERT_TRUE(std::holds_alternative<Done>(runner_.ask(OffchainCreditRequest{payer(5), 15})));
  EXPECT_NE(promise_in(pay(5, 0, 7, 10, 10)), nullptr);
  EXPECT_EQ(cause_in(pay(5, 0, 7, 16, 16)), Cause::Overspend);
  const Answer data = runner_.ask(ConsumerDataRequest{world_.consumer(5).address()});
  const auto& chains = std::get<std::vector<AccountData>>(data);
  ASSERT_EQ(chains.size(), 2u);
  EXPECT_TRUE(chains[0].offchain);
  EXPECT_EQ(chains[0].balance, Wei(5));
  EXPECT_EQ(chains[0].settled, Wei(10));
  EXPECT_EQ(chains[0].latest.promise.amount, Wei(10));
}

TEST_F(HermesTest, ABalanceThatGrewIsNoticedWhenItIsNeeded) {
  ASSERT_NE(promise_in(pay(0, 0, 7, 1000000, 1000000)), nullptr);
  world_.consumer_facts[payer()] = {true, 500, 1000000};
  EXPECT_EQ(cause_in(pay(0, 0, 7, 1000500, 1000500)), Cause::Overspend) << "read a moment ago";
  runner_.pass(std::chrono::seconds{2});
  EXPECT_NE(promise_in(pay(0, 0, 7, 1000500, 1000500)), nullptr);
}

TEST_F(HermesTest, AKnownConsumerPaysWhileTheChainIsSilent) {
  ASSERT_NE(promise_in(pay(0, 0, 7, 10, 10)), nullptr);
  world_.chain_answers = false;
  EXPECT_NE(promise_in(pay(0, 0, 7, 20, 20)), nullptr);
  EXPECT_EQ(cause_in(pay(1, 0, 8, 10, 10)), Cause::Internal) << "never looked up";
  const Answer data = runner_.ask(ConsumerDataRequest{world_.consumer(0).address()});
  EXPECT_TRUE(std::holds_alternative<std::vector<AccountData>>(data));
}

TEST_F(HermesTest, AChainThatNeverAnswersIsGivenUp) {
  const auto id = runner_.send(request(10, 10));
  auto batch = runner_.hermes().poll_batch();
  batch->run(ledger_);
  runner_.hermes().handle_batch_done(runner_.now(), std::move(batch));
  const auto query = runner_.hermes().poll_query();
  ASSERT_TRUE(query.has_value());
  const auto deadline = runner_.hermes().next_timeout();
  ASSERT_TRUE(deadline.has_value());
  runner_.pass(*deadline - runner_.now().instant);
  runner_.hermes().handle_timeout(runner_.now());
  runner_.run();
  EXPECT_EQ(cause_in(*runner_.take(id)), Cause::Internal);
  runner_.hermes().handle_facts(runner_.now(), query->id, Result<ConsumerFacts>(ConsumerFacts{}));
  EXPECT_EQ(runner_.hermes().waiting(), 0u);
}

TEST_F(HermesTest, TheFeeOfAPromiseCanBeChanged) {
  auto message = world_.message(world_.consumer(0), world_.provider(0).address(), 7, 100, 100);
  const SignedPromise issued = *promise_in(runner_.ask(message.request));
  ChangeFeeRequest change{issued, to_bytes(message.r.bytes()), 5};
  const Answer changed = runner_.ask(change);
  ASSERT_NE(promise_in(changed), nullptr);
  EXPECT_EQ(promise_in(changed)->promise.fee, Wei(5));
  EXPECT_EQ(promise_in(changed)->promise.amount, Wei(100));
  EXPECT_EQ(ledger_.providers[earner()].latest.promise.fee, Wei(5));
  EXPECT_TRUE(ledger_.providers[earner()].revealed) << "the request carried R";
  change.new_fee = 101;
  EXPECT_EQ(cause_in(runner_.ask(change)), Cause::PromiseValueTooLow);
  change.new_fee = 5;
  change.r[0] ^= 1;
  EXPECT_EQ(cause_in(runner_.ask(change)), Cause::HashlockMismatch);
  change.promise.promise.amount = 1000;
  EXPECT_EQ(cause_in(runner_.ask(change)), Cause::InvalidSignature);
}

TEST_F(HermesTest, AProviderThatLostItsDataGetsItsPromiseUnderANewLock) {
  ASSERT_NE(promise_in(pay(0, 0, 7, 100, 100)), nullptr);
  const Address provider = world_.provider(0).address();
  const Secret<32> r = payment::make_r(world_.rng());
  RefreshRequest ask{provider, kChain, provider, payment::hashlock_of(r.bytes()), "abcd"};
  const Answer fresh = runner_.ask(ask);
  ASSERT_NE(promise_in(fresh), nullptr);
  EXPECT_EQ(promise_in(fresh)->promise.amount, Wei(100));
  EXPECT_EQ(promise_in(fresh)->promise.hashlock, ask.hashlock);
  EXPECT_NE(promise_in(runner_.ask(ask)), nullptr) << "the answer may get lost";
  ask.hashlock[0] ^= 1;
  EXPECT_EQ(cause_in(runner_.ask(ask)), Cause::RRecoveryRequired);
  ASSERT_TRUE(reveal(0, r));
  EXPECT_NE(promise_in(pay(0, 0, 7, 110, 110)), nullptr);
  ask.signer = world_.provider(1).address();
  EXPECT_EQ(cause_in(runner_.ask(ask)), Cause::InvalidSignature);
  ask.identity = ask.signer;
  EXPECT_EQ(cause_in(runner_.ask(ask)), Cause::NoPreviousPromise);
}

TEST_F(HermesTest, AnUnrevealedPromiseIsNotRefreshed) {
  auto message = world_.message(world_.consumer(0), world_.provider(0).address(), 7, 10, 10);
  ASSERT_NE(promise_in(runner_.ask(message.request)), nullptr);
  const Address provider = world_.provider(0).address();
  EXPECT_EQ(cause_in(runner_.ask(RefreshRequest{provider, kChain, provider, Digest32{}, ""})),
            Cause::RRecoveryRequired);
}

TEST_F(HermesTest, AProviderBringsBackWhatALostLedgerPromised) {
  auto message = world_.message(world_.consumer(0), world_.provider(0).address(), 7, 100, 100);
  const SignedPromise lost = *promise_in(runner_.ask(message.request));
  ledger_.consumers.clear();
  ledger_.providers.clear();
  ledger_.agreements.clear();
  world_.provider_facts[earner()].settled = 60;
  world_.consumer_facts[payer()].settled = 60;
  runner_.pass(std::chrono::seconds{2});
  EXPECT_EQ(cause_in(runner_.ask(request(10, 110))), Cause::InvalidPreviousPromise);
  SyncRequest sync{world_.provider(1).address(), lost};
  EXPECT_EQ(cause_in(runner_.ask(sync)), Cause::InvalidSignature);
  sync.signer = world_.provider(0).address();
  ASSERT_TRUE(std::holds_alternative<Done>(runner_.ask(sync)));
  ASSERT_TRUE(reveal(0, message.r));
  const Answer next = runner_.ask(request(10, 110));
  ASSERT_NE(promise_in(next), nullptr);
  EXPECT_EQ(promise_in(next)->promise.amount, Wei(110));
  sync.promise.promise.amount = 1000;
  EXPECT_EQ(cause_in(runner_.ask(sync)), Cause::InvalidSignature) << "never signed by us";
}

TEST_F(HermesTest, WithdrawsToAnotherChain) {
  const auto& who = world_.consumer(0);
  auto message = world_.withdrawal(who, 300, 300, HermesWorld::kOtherChain);
  const Answer answer = runner_.ask(message.request);
  const SignedPromise* promise = promise_in(answer);
  ASSERT_NE(promise, nullptr);
  EXPECT_EQ(promise->promise.chain_id, HermesWorld::kOtherChain);
  EXPECT_EQ(promise->promise.channel,
            payment::withdrawal_channel_id(who.address(),
                                           world_.terms().chain(HermesWorld::kOtherChain)->hermes));
  EXPECT_EQ(promise->promise.amount, Wei(300));
  EXPECT_EQ(ledger_.consumers[payer()].cashable.promise.amount, Wei(300)) << "R came with it";
  EXPECT_TRUE(std::holds_alternative<Done>(
      runner_.ask(RevealRequest{to_bytes(message.r.bytes()), who.address()})));
  // The rest of the balance is what sessions can still promise.
  EXPECT_EQ(cause_in(runner_.ask(request(999701, 1000001))), Cause::Overspend);
  auto bad = world_.withdrawal(who, 10, 310, kChain);
  bad.request.r->mutable_bytes()[0] ^= 1;
  EXPECT_EQ(cause_in(runner_.ask(bad.request)), Cause::HashlockMismatch);
  bad = world_.withdrawal(who, 10, 310, kChain);
  bad.request.message.provider = world_.provider(0).address();
  HermesWorld::sign(who, bad.request);
  EXPECT_EQ(cause_in(runner_.ask(bad.request)), Cause::InvalidSignature);
}

TEST_F(HermesTest, DataOfStrangersIsNotFoundWithoutAskingTheChain) {
  EXPECT_EQ(cause_in(runner_.ask(ConsumerDataRequest{world_.consumer(0).address()})),
            Cause::NotFound);
  EXPECT_EQ(cause_in(runner_.ask(ProviderDataRequest{world_.provider(0).address()})),
            Cause::NotFound);
  EXPECT_EQ(runner_.hermes().counters().chain_queries, 0u);
}

TEST_F(HermesTest, DataShowTheLatestPromiseAndTheChainsFigures) {
  ASSERT_NE(promise_in(pay(0, 0, 7, 100, 100)), nullptr);
  runner_.pass(std::chrono::seconds{2});
  world_.consumer_facts[payer()] = {true, 999960, 40};
  world_.provider_facts[earner()] = {30, 7, world_.provider(0).address()};
  const Answer consumer = runner_.ask(ConsumerDataRequest{world_.consumer(0).address()});
  const AccountData payer_data = std::get<std::vector<AccountData>>(consumer)[0];
  EXPECT_EQ(payer_data.chain, kChain);
  EXPECT_EQ(payer_data.settled, Wei(40));
  EXPECT_EQ(payer_data.balance, Wei(999900)) << "what can still be promised";
  EXPECT_EQ(
      *payment::recover_promise_signer(payer_data.latest.promise, payer_data.latest.signature),
      world_.consumer(0).address());
  const Answer provider = runner_.ask(ProviderDataRequest{world_.provider(0).address()});
  const AccountData earner_data = std::get<std::vector<AccountData>>(provider)[0];
  EXPECT_EQ(earner_data.settled, Wei(30));
  EXPECT_EQ(earner_data.stake, Wei(7));
  EXPECT_EQ(earner_data.balance, Wei(70));
  EXPECT_EQ(earner_data.beneficiary, world_.provider(0).address());
  EXPECT_NE(earner_data.latest_settlement, 0);
}

TEST_F(HermesTest, AProviderWithTooMuchUnsettledIsToldToSettle) {
  Hermes::Config config = test::HermesRunner::default_config(world_);
  config.terms.max_unsettled = 50;
  test::HermesRunner strict(world_, ledger_, config);
  auto message = world_.message(world_.consumer(0), world_.provider(0).address(), 7, 50, 50);
  ASSERT_NE(promise_in(strict.ask(message.request)), nullptr);
  ASSERT_TRUE(std::holds_alternative<Done>(
      strict.ask(RevealRequest{to_bytes(message.r.bytes()), world_.provider(0).address()})));
  EXPECT_EQ(cause_in(strict.ask(request(51, 51))), Cause::ProviderBalanceExhausted);
  world_.provider_facts[earner()].settled = 30;
  strict.pass(std::chrono::seconds{2});
  EXPECT_NE(promise_in(strict.ask(request(51, 51))), nullptr);
}

TEST_F(HermesTest, AnswersNothingThatIsNotOnTheDisk) {
  ASSERT_NE(promise_in(pay(0, 0, 7, 10, 10)), nullptr);
  const auto before = ledger_.providers;
  ledger_.next_failure = Error{Errc::Full, 0, "the disk is full"};
  EXPECT_EQ(cause_in(runner_.ask(request(20, 20))), Cause::Internal);
  EXPECT_EQ(ledger_.providers.begin()->second.latest.promise.amount,
            before.begin()->second.latest.promise.amount);
  EXPECT_NE(promise_in(runner_.ask(request(20, 20))), nullptr);
}

TEST_F(HermesTest, RequestsThatComeTogetherShareATransaction) {
  for (unsigned n = 0; n < 20; ++n) {
    const auto m = world_.message(world_.consumer(0), world_.provider(n).address(), 7, 1, n + 1);
    (void)runner_.send(m.request);
  }
  runner_.run();
  EXPECT_EQ(runner_.hermes().counters().promises, 20u);
  EXPECT_LE(runner_.hermes().counters().batches, 3u);
}

TEST_F(HermesTest, TooMuchAtOnceIsTurnedAway) {
  Hermes::Config config = test::HermesRunner::default_config(world_);
  config.max_waiting = 10;
  config.max_per_identity = 4;
  test::HermesRunner small(world_, ledger_, config);
  std::vector<RequestId> ids;
  for (int n = 0; n < 6; ++n) ids.push_back(small.send(ProviderDataRequest{earner().identity}));
  for (unsigned n = 1; n < 10; ++n) {
    ids.push_back(small.send(ProviderDataRequest{world_.provider(n).address()}));
  }
  small.run();
  int turned_away = 0;
  for (const RequestId id : ids) {
    turned_away += cause_in(*small.take(id)) == Cause::TooManyRequests ? 1 : 0;
  }
  EXPECT_EQ(turned_away, 2 + 3);
  EXPECT_EQ(small.hermes().waiting(), 0u);
  EXPECT_EQ(cause_in(small.ask(ProviderDataRequest{earner().identity})), Cause::NotFound);
}

TEST_F(HermesTest, RevealsOfStrangersAndWrongSecretsAreTold) {
  EXPECT_EQ(cause_in(runner_.ask(RevealRequest{Bytes(32), world_.provider(3).address()})),
            Cause::NoPreviousPromise);
  auto message = world_.message(world_.consumer(0), world_.provider(0).address(), 7, 10, 10);
  ASSERT_NE(promise_in(runner_.ask(message.request)), nullptr);
  for (const std::size_t size : {0u, 31u, 32u, 33u}) {
    EXPECT_EQ(cause_in(runner_.ask(RevealRequest{Bytes(size), world_.provider(0).address()})),
              Cause::HashlockMismatch);
  }
}

TEST(HermesCauses, AreTheWireTexts) {
  const auto document = test::vectors("promises.json");
  std::size_t seen = 0;
  for (const auto& [index, item] : document.root()["hermes_error_causes"]["cases"]) {
    const std::string text = item["cause"].string_or("");
    bool found = false;
    for (int cause = 0; cause <= static_cast<int>(Cause::ConsumerUnregistered); ++cause) {
      found = found || text == wire_text(static_cast<Cause>(cause));
      const int status = http_status(static_cast<Cause>(cause));
      EXPECT_TRUE(status < 200 || status > 300);
    }
    EXPECT_TRUE(found) << text;
    ++seen;
  }
  EXPECT_EQ(seen, 15u);
}

}  // namespace
}  // namespace myst::core::hermes
