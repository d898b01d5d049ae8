// What the transactor has is in settlement until a fact ends it: over the three minutes somebody
// waits, over restarts, and never longer than the fact.
#include "core/money/settlement_watch.hpp"

#include <gtest/gtest.h>

#include "tests/core/money/world.hpp"

namespace myst::core::money::test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class SettlementWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    w.now.wall = WallTime(hours{24 * 365 * 50});
    w.start();
    w.unlock();
    w.exchange(1, U256(11), Wei(5000));
  }
  void settle() {
    w.treasury->settle(w.now, {77, w.provider->address(), {}, false, {}});
    w.drain();
  }
  void refresh() {
    w.treasury->refresh(w.now, w.provider->address());
    w.drain();
  }
  Wei shown() { return w.treasury->earnings(w.provider->address()).at(0).in_settlement; }
  // As the log of the contract says it.
  void mine(const Wei& amount) {
    SettlementRecord log;
    log.transaction.fill(0xaa);
    log.amount = amount;
    w.logs = {log};
    w.settled = amount;
  }
  World w;
};

TEST_F(SettlementWatchTest, StaysInSettlementWhenNobodyWaitsAnyMore) {
  settle();
  w.pass(minutes{4});
  ASSERT_EQ(w.told<SettleDone>().size(), 1u) << "the one who asked is told";
  EXPECT_TRUE(w.told<SettleDone>()[0].ok);
  EXPECT_EQ(shown(), Wei(5000));
  w.pass(hours{72});
  EXPECT_EQ(shown(), Wei(5000)) << "the transactor still has it";
  EXPECT_EQ(w.open_settlements.size(), 1u);
  mine(Wei(5000));
  w.queue.state = QueueState::Done;
  w.pass(minutes{11});
  EXPECT_EQ(shown(), Wei());
  EXPECT_TRUE(w.open_settlements.empty());
  ASSERT_EQ(w.history.size(), 1u);
  EXPECT_EQ(w.history[0].amount, Wei(5000));
  EXPECT_EQ(w.history[0].total_settled, Wei(5000));
  EXPECT_FALSE(w.treasury->next_timeout().has_value()) << "nothing is left to look for";
}

TEST_F(SettlementWatchTest, IsOnTheDiskBeforeTheTransactorIsAsked) {
  w.call_error = Error{Errc::Timeout, 0, "killed here"};
  settle();
  ASSERT_EQ(w.calls.size(), 1u);
  ASSERT_EQ(w.open_settlements.size(), 1u);
  const OpenSettlement& kept = w.open_settlements.begin()->second;
  EXPECT_EQ(kept.amount, Wei(5000));
  EXPECT_TRUE(kept.queue_id.empty());
  EXPECT_EQ(payment::hashlock_of(kept.r.bytes()), w.lock);
}

TEST_F(SettlementWatchTest, GoesOnAfterARestart) {
  settle();
  EXPECT_EQ(w.open_settlements.begin()->second.queue_id, "q");
  w.start();  // and nobody unlocks
  EXPECT_EQ(shown(), Wei(5000));
  w.queue = {"q", "", "out of gas", QueueState::Failed};
  w.pass(minutes{1});
  EXPECT_EQ(shown(), Wei());
  EXPECT_TRUE(w.open_settlements.empty());
  ASSERT_EQ(w.history.size(), 1u);
  EXPECT_EQ(w.history[0].error, "out of gas");
  w.start();
  EXPECT_EQ(shown(), Wei());
}

TEST_F(SettlementWatchTest, AFailureIsBelievedOnlyWhenTheChainDoesNotShowIt) {
  settle();
  mine(Wei(5000));
  w.queue = {"q", "", "out of gas", QueueState::Failed};
  w.pass(minutes{1});
  ASSERT_EQ(w.history.size(), 1u);
  EXPECT_TRUE(w.history[0].error.empty());
  ASSERT_EQ(w.told<SettleDone>().size(), 1u);
  EXPECT_TRUE(w.told<SettleDone>()[0].ok);
}

TEST_F(SettlementWatchTest, WhatWaitsToBeMinedIsNoFact) {
  settle();
  w.pending_only = true;
  w.settled = Wei(5000);
  refresh();
  w.pass(hours{1});
  EXPECT_EQ(shown(), Wei()) << "as the channel is shown";
  EXPECT_EQ(w.open_settlements.size(), 1u);
  w.settled = Wei();  // dropped from the pool
  refresh();
  EXPECT_EQ(shown(), Wei(5000));
}

TEST_F(SettlementWatchTest, ALargerSettlementTakesItAlong) {
  settle();
  w.pass(minutes{4});
  w.exchange(2, U256(12), Wei(3000));
  settle();
  EXPECT_EQ(w.open_settlements.size(), 2u);
  EXPECT_EQ(shown(), Wei(8000));
  w.settled = Wei(5000);
  refresh();
  EXPECT_EQ(shown(), Wei(3000));
  w.settled = Wei(8000);
  w.logs.clear();  // further back than is looked through
  w.pass(minutes{30});
  EXPECT_TRUE(w.open_settlements.empty());
  EXPECT_EQ(shown(), Wei());
}

TEST_F(SettlementWatchTest, ATransactorThatForgotItIsAFactToo) {
  settle();
  w.queue_error = Error{Errc::Rejected, 404, "refused"};
  w.pass(minutes{2});
  EXPECT_EQ(shown(), Wei(5000)) << "it may not have come to all its parts";
  w.pass(minutes{15});
  EXPECT_EQ(shown(), Wei());
  ASSERT_EQ(w.history.size(), 1u);
  EXPECT_NE(w.history[0].error.find("does not know it"), std::string::npos);
}

TEST_F(SettlementWatchTest, ATransactorThatDoesNotAnswerIsNone) {
  settle();
  w.queue_error = Error{Errc::Unavailable, 0, "nobody there"};
  w.pass(hours{72});
  EXPECT_EQ(shown(), Wei(5000));
  w.queue_error = Error{Errc::Rejected, 503, "refused"};
  w.pass(hours{1});
  EXPECT_EQ(shown(), Wei(5000));
}

TEST_F(SettlementWatchTest, ARefusalLeavesNothingBehind) {
  w.refuse_call = "no gas left";
  settle();
  EXPECT_EQ(shown(), Wei());
  EXPECT_TRUE(w.open_settlements.empty());
}

TEST_F(SettlementWatchTest, AGatewayThatGaveUpIsNoRefusal) {
  for (const auto& [status, left] : {std::pair(400, 0u), {500, 0u}, {502, 1u}, {504, 1u}}) {
    w.open_settlements.clear();
    w.start();
    w.call_error = Error{Errc::Rejected, status, "refused"};
    settle();
    EXPECT_EQ(w.open_settlements.size(), left) << status;
  }
}

TEST_F(SettlementWatchTest, ARefusedRepetitionDoesNotEndTheFirst) {
  settle();
  w.pass(minutes{4});
  w.refuse_call = "it is under way";
  settle();
  EXPECT_EQ(shown(), Wei(5000));
  EXPECT_EQ(w.open_settlements.begin()->second.queue_id, "q");
}

TEST_F(SettlementWatchTest, AnOrderThatWasNeverAnsweredIsDroppedAfterADay) {
  w.call_error = Error{Errc::Timeout, 0, "nobody there"};
  settle();
  EXPECT_FALSE(w.told<SettleDone>().at(0).ok);
  EXPECT_EQ(shown(), Wei(5000)) << "it may have heard of it";
  w.now.wall += hours{23};
  w.pass(minutes{11});
  EXPECT_EQ(shown(), Wei(5000));
  w.start();
  EXPECT_EQ(shown(), Wei(5000));
  w.now.wall += hours{2};
  w.pass(minutes{11});
  EXPECT_EQ(shown(), Wei());
  EXPECT_TRUE(w.open_settlements.empty());
}

TEST_F(SettlementWatchTest, AFullDiskKeepsNoEarningsBack) {
  w.disk_full = true;
  settle();
  EXPECT_EQ(w.calls.size(), 1u);
  EXPECT_EQ(shown(), Wei(5000));
}

TEST_F(SettlementWatchTest, IsNotSettledByItselfAgainWhileTheTransactorHasIt) {
  const Wei token(1000000000000000000u);
  w.exchange(2, U256(12), Wei::saturating_mul(token, Wei(50)));
  w.treasury->handle_registered(w.now, w.provider->address());
  w.drain();
  ASSERT_EQ(w.calls.size(), 1u);
  w.pass(minutes{4});
  refresh();
  EXPECT_EQ(w.calls.size(), 1u);
  w.start();
  w.unlock();
  w.treasury->handle_registered(w.now, w.provider->address());
  w.drain();
  EXPECT_EQ(w.calls.size(), 1u);
}

TEST_F(SettlementWatchTest, SoManyOfAChannelAreFollowedAndTheLargestStays) {
  settle();
  for (std::uint64_t i = 1; i <= SettlementWatch::kMaxOfChannel; ++i) {
    w.pass(minutes{4});
    w.exchange(1 + i, U256(20 + i), Wei(100));
    settle();
  }
  EXPECT_EQ(w.open_settlements.size(), SettlementWatch::kMaxOfChannel);
  EXPECT_EQ(w.open_settlements.count(Wei(5000)), 0u);
  EXPECT_EQ(shown(), Wei(5000 + 100 * SettlementWatch::kMaxOfChannel));
}

}  // namespace
}  // namespace myst::core::money::test
