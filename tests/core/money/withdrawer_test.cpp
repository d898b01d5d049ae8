#include "core/money/withdrawer.hpp"

#include <gtest/gtest.h>

#include "core/payment/payment_check.hpp"
#include "core/payment/signed_requests.hpp"
#include "tests/core/money/world.hpp"

namespace myst::core::money::test {
namespace {

using Log = std::vector<std::string>;

struct WithdrawalTest : testing::Test {
  World w;
  const Address wallet = address(0x77);

  void SetUp() override {
    w.purses[w.hermes] = Purse{Wei(1000), Wei(200), true};  // 200 are settled, 1000 are left
    w.grand_total = Wei(250);                               // 50 of them are promised to others
    w.start();
    w.unlock();
  }
  std::string withdraw(std::optional<Wei> amount = std::nullopt) {
    w.events.clear();
    w.treasury->withdraw(
        w.now, {9, w.provider->address(), w.hermes, World::kChain, World::kChain, wallet, amount});
    w.drain();
    const auto done = w.told<SettleDone>();
    if (done.size() != 1 || done[0].request != 9) return "no answer";
    return done[0].ok ? "" : done[0].reason;
  }
  const PayAndSettle* sent() const {
    return w.calls.empty() ? nullptr : std::get_if<PayAndSettle>(&w.calls.back());
  }
};

TEST_F(WithdrawalTest, EverythingThatIsLeftIsPromisedStoredAndCashed) {
  EXPECT_EQ(withdraw(), "");
  EXPECT_EQ(w.log, (Log{"store payment", "request", "store revealed"}));
  EXPECT_EQ(w.grand_total, Wei(1200));  // what was promised before, and 950 now
  const auto paid = parse_payment(w.own.at(0).message);
  ASSERT_TRUE(paid.ok());
  EXPECT_EQ(paid->promise.amount, Wei(1200));
  EXPECT_EQ(paid->message.agreement_total, Wei(950));
  EXPECT_EQ(paid->message.provider, w.provider->address());
  EXPECT_EQ(*payment::recover_promise_signer(paid->promise, paid->wire.promise->signature),
            w.provider->address());
  ASSERT_NE(sent(), nullptr);
  const payment::Promise& promise = sent()->body.promise.promise;
  EXPECT_EQ(promise.amount, Wei(950));
  payment::WithdrawalTerms terms{World::kChain, promise.channel, promise.amount, {}, wallet};
  for (std::size_t i = 0; i < terms.r.size(); ++i) terms.r[i] = sent()->body.r.bytes()[i];
  EXPECT_EQ(*payment::recover_terms_signer(terms, sent()->signature), w.provider->address());

  SettlementRecord mined;
  mined.transaction.fill(7);
  mined.amount = Wei(850);
  w.logs = {mined};
  w.queue.state = QueueState::Done;
  w.pass(seconds{10});
  ASSERT_EQ(w.history.size(), 1u);
  EXPECT_TRUE(w.history[0].withdrawal);
  EXPECT_EQ(w.history[0].beneficiary, wallet);
  EXPECT_EQ(w.history[0].amount, Wei(850));
}

TEST_F(WithdrawalTest, ThePromiseIsOverTheChannelThatThisHermesMakes) {
  w.implementations[w.hermes] = address(0x66);
  EXPECT_EQ(withdraw(), "");
  const auto paid = parse_payment(w.own.at(0).message);
  ASSERT_TRUE(paid.ok());
  EXPECT_EQ(paid->promise.channel, payment::to_word(w.own_channel(w.hermes)));
  EXPECT_NE(paid->promise.channel,
            payment::to_word(payment::consumer_channel(w.provider->address(), w.hermes, w.registry,
                                                       w.implementation)));
}

TEST_F(WithdrawalTest, MoreThanThereIsIsRefusedAndCommitsToNothing) {
  EXPECT_EQ(withdraw(Wei(951)), "the balance is smaller than that");
  EXPECT_EQ(withdraw(Wei(100)), "what can be withdrawn does not cover the settlement fee");
  EXPECT_EQ(w.log, Log{});
  EXPECT_EQ(w.grand_total, Wei(250));
  EXPECT_EQ(withdraw(Wei(101)), "");
}

// Hermes knows of a promise that our books lost: the next one covers it.
TEST_F(WithdrawalTest, WhatHermesKnowsCounts) {
  hermes::AccountData data;
  data.chain = World::kChain;
  data.identity = w.provider->address();
  data.latest.promise.chain_id = World::kChain;
  data.latest.promise.amount = Wei(600);
  data.latest.signature = *payment::sign_promise(*w.provider, data.latest.promise);
  w.consumer_data = {data};
  EXPECT_EQ(withdraw(), "");
  EXPECT_EQ(w.grand_total, Wei(1200));
  EXPECT_EQ(sent()->body.promise.promise.amount, Wei(600));
  data.latest.signature = *payment::sign_promise(w.consumer, data.latest.promise);
  w.consumer_data = {data};
  w.own.clear();
  EXPECT_EQ(withdraw(), "a withdrawal is already in progress");
}

TEST_F(WithdrawalTest, APromiseThatIsNotOursIsALie) {
  hermes::AccountData data;
  data.chain = World::kChain;
  data.latest.promise.amount = Wei(600);
  data.latest.signature = *payment::sign_promise(w.consumer, data.latest.promise);
  w.consumer_data = {data};
  EXPECT_EQ(withdraw(), "hermes shows a promise that is not ours");
}

TEST_F(WithdrawalTest, AForeignOperatorGetsNothingCashed) {
  w.liar = LocalSigner::make(w.rng);
  EXPECT_EQ(withdraw(), "hermes: promise not signed by hermes");
  EXPECT_EQ(sent(), nullptr);
  EXPECT_TRUE(w.disk.empty());
}

// The payment is on the disk, and whether Hermes saw it nobody knows: it gets the same again, and
// the money is not counted twice.
TEST_F(WithdrawalTest, AnInterruptedWithdrawalIsTakenUpAgain) {
  w.refusals.push_back({Cause::Internal, "out of order", ""});
  EXPECT_EQ(withdraw(), "hermes refuses: out of order");
  EXPECT_EQ(w.grand_total, Wei(1200));
  EXPECT_EQ(w.own.size(), 1u);
  EXPECT_EQ(sent(), nullptr);
  w.log.clear();
  EXPECT_EQ(withdraw(), "");  // nothing is left but what was promised then
  EXPECT_EQ(w.log, (Log{"request", "store revealed"}));
  EXPECT_EQ(w.grand_total, Wei(1200));
  ASSERT_NE(sent(), nullptr);
  EXPECT_EQ(sent()->body.promise.promise.amount, Wei(950));
}

// Hermes has promised it, the transactor was away for good: the next withdrawal pays it out.
TEST_F(WithdrawalTest, WhatWasPromisedAndNotPaidOutGoesWithTheNext) {
  w.refuse_call = "no gas";
  EXPECT_EQ(withdraw(Wei(400)), "");
  ASSERT_EQ(w.history.size(), 1u);
  EXPECT_EQ(w.history[0].error, "the transactor refuses the withdrawal: no gas");
  w.refuse_call.clear();
  EXPECT_EQ(withdraw(Wei(500)), "");
  ASSERT_NE(sent(), nullptr);
  EXPECT_EQ(sent()->body.promise.promise.amount, Wei(900));
}

// --- a restart in the middle

TEST_F(WithdrawalTest, TheNextRunFollowsItWithoutAKey) {
  EXPECT_EQ(withdraw(), "");
  ASSERT_EQ(w.withdrawals.size(), 1u);
  EXPECT_EQ(w.withdrawals.begin()->second.queue_id, "q");
  w.start();  // locked
  EXPECT_EQ(w.calls.size(), 1u) << "the transactor has it";
  SettlementRecord mined;
  mined.transaction.fill(7);
  w.logs = {mined};
  w.queue.state = QueueState::Done;
  w.pass(seconds{10});
  ASSERT_EQ(w.history.size(), 1u);
  EXPECT_EQ(w.history[0].error, "");
  EXPECT_TRUE(w.withdrawals.empty());
}

TEST_F(WithdrawalTest, WhatHermesHasNotSeenWaitsForTheKeyAndGoesOnWithIt) {
  EXPECT_EQ(withdraw(), "");
  w.disk.clear();  // as if it had ended before Hermes answered
  w.calls.clear();
  OpenWithdrawal& open = w.withdrawals.begin()->second;
  open.amount = Wei();
  open.queue_id.clear();
  w.events.clear();
  w.start();
  EXPECT_EQ(w.told<Note>().back().text, "a withdrawal goes on when its identity is unlocked");
  EXPECT_EQ(sent(), nullptr);
  w.silent = true;
  w.unlock();
  EXPECT_EQ(sent(), nullptr);
  EXPECT_EQ(w.withdrawals.size(), 1u) << "Hermes is away: it is not forgotten";
  w.silent = false;
  w.pass(seconds{60});
  ASSERT_NE(sent(), nullptr);
  EXPECT_EQ(sent()->body.promise.promise.amount, Wei(950));
  EXPECT_EQ(sent()->beneficiary, wallet);
}

TEST_F(WithdrawalTest, AFailureThatTheChainContradictsIsNone) {
  EXPECT_EQ(withdraw(), "");
  w.queue.state = QueueState::Failed;
  w.paid_out = Wei(950);  // by the task of an earlier run
  SettlementRecord mined;
  mined.transaction.fill(7);
  w.logs = {mined};
  w.pass(seconds{10});
  ASSERT_EQ(w.history.size(), 1u);
  EXPECT_EQ(w.history[0].error, "");
  EXPECT_TRUE(w.withdrawals.empty());
}

TEST_F(WithdrawalTest, ATransactorThatNeverEndsIsGivenUpAfterADay) {
  EXPECT_EQ(withdraw(), "");
  w.pass(std::chrono::hours{23});
  EXPECT_EQ(w.history.size(), 0u);
  EXPECT_EQ(withdraw(), "a withdrawal is already in progress");
  w.pass(std::chrono::hours{3});
  ASSERT_EQ(w.history.size(), 1u);
  EXPECT_EQ(w.history[0].error, "nobody says what came of the withdrawal");
  EXPECT_TRUE(w.withdrawals.empty());
  EXPECT_EQ(withdraw(), "");
}

TEST_F(WithdrawalTest, AFullDiskPromisesNothing) {
  w.disk_full = true;
  EXPECT_EQ(withdraw(), "payment not stored: disk");
  EXPECT_EQ(w.log, Log{});
}

TEST_F(WithdrawalTest, ALockedIdentityOrAnotherChainIsRefused) {
  w.treasury->handle_locked(w.provider->address());
  EXPECT_EQ(withdraw(), "the identity is locked: unlock it first");
  w.treasury->withdraw(w.now,
                       {9, w.provider->address(), w.hermes, World::kChain, 4711, wallet, {}});
  w.drain();
  EXPECT_EQ(w.told<SettleDone>().back().reason, "this node knows no such chain");
}

// --- stake

TEST_F(WithdrawalTest, AStakeIsDecreasedWithTheNextNonce) {
  w.stake = Wei(500);
  w.stake_nonce = U256(6);
  w.treasury->decrease_stake(w.now, 3, w.provider->address(), Wei(500));
  w.drain();
  ASSERT_EQ(w.calls.size(), 1u);
  const auto* call = std::get_if<DecreaseStake>(&w.calls[0]);
  ASSERT_NE(call, nullptr);
  EXPECT_EQ(call->nonce, U256(7));
  EXPECT_EQ(*payment::recover_terms_signer(
                payment::StakeDecreaseTerms{World::kChain, w.channel(), Wei(500), w.fee, U256(7)},
                call->signature),
            w.provider->address());
  EXPECT_TRUE(w.told<SettleDone>().back().ok);
  w.treasury->decrease_stake(w.now, 4, w.provider->address(), Wei(501));
  w.drain();
  EXPECT_EQ(w.told<SettleDone>().back().reason, "the stake is smaller than that");
}

// --- migration

struct MigrationTest : testing::Test {
  World w;
  const Address old = address(0x44);

  void SetUp() override {
    w.known = {w.hermes, old};
    w.registered = true;
    const Wei lot = Wei(1000000000000000000u);
    w.purses[old] = Purse{lot, {}, true};
    w.start();
    w.unlock();
  }
  bool needed() {
    w.treasury->check_migration(w.now, 5, w.provider->address());
    w.drain();
    const auto said = w.told<MigrationChecked>().back();
    EXPECT_EQ(said.problem, "");
    return said.needed;
  }
};

TEST_F(MigrationTest, IsNeededWhileMoneyIsWithTheOldHermes) {
  EXPECT_TRUE(needed());
  w.purses[w.hermes] = Purse{Wei(5), {}, true};
  EXPECT_FALSE(needed());  // it is in use already
  w.purses[w.hermes] = Purse{{}, {}, true};
  EXPECT_TRUE(needed());
  w.purses[old].tokens = Wei(7);  // less than it costs
  EXPECT_FALSE(needed());
  w.purses[old] = Purse{};
  EXPECT_FALSE(needed());  // there never was a channel
  w.registered = false;
  w.purses[old] = Purse{Wei(1000000000000000000u), {}, true};
  EXPECT_FALSE(needed());
}

TEST_F(MigrationTest, OpensTheNewChannelAndEmptiesTheOldOneIntoIt) {
  w.withdrawal_hermes = old;
  w.treasury->migrate(w.now, 5, w.provider->address());
  w.drain();
  ASSERT_EQ(w.calls.size(), 1u);
  const auto* open = std::get_if<OpenChannel>(&w.calls[0]);
  ASSERT_NE(open, nullptr);
  EXPECT_EQ(
      *payment::recover_terms_signer(
          payment::OpenChannelTerms{World::kChain, w.registry, w.hermes, Wei()}, open->signature),
      w.provider->address());
  w.pass(seconds{12});
  EXPECT_EQ(w.calls.size(), 1u);  // not open yet
  w.purses[w.hermes].open = true;
  w.pass(seconds{5});
  ASSERT_EQ(w.calls.size(), 2u);
  const auto* paid = std::get_if<PayAndSettle>(&w.calls[1]);
  ASSERT_NE(paid, nullptr);
  EXPECT_EQ(paid->body.hermes, old);
  EXPECT_EQ(paid->beneficiary, payment::consumer_channel(w.provider->address(), w.hermes,
                                                         w.registry, w.implementation));
  EXPECT_TRUE(w.told<SettleDone>().back().ok);
}

TEST_F(MigrationTest, ARefusalIsTold) {
  w.refuse_call = "no gas";
  w.treasury->migrate(w.now, 5, w.provider->address());
  w.drain();
  EXPECT_EQ(w.told<SettleDone>().back().reason, "the transactor opens no channel: no gas");
}

}  // namespace
}  // namespace myst::core::money::test
