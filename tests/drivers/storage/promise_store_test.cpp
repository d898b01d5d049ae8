#include "drivers/storage/promise_store.hpp"

#include <gtest/gtest.h>

#include "drivers/storage/money_store.hpp"
#include "drivers/storage/open_settlement_store.hpp"
#include "tests/support/support.hpp"

namespace myst::storage {
namespace {

using core::money::SettlementRecord;
using core::money::StoredPromise;

Address address(std::uint8_t byte) {
  ByteArray<20> bytes;
  bytes.fill(byte);
  return Address(bytes);
}
Secret<32> secret(std::uint8_t byte) {
  ByteArray<32> bytes;
  bytes.fill(byte);
  return Secret<32>(bytes);
}
WallTime at(int seconds) { return WallTime(std::chrono::seconds(seconds)); }

StoredPromise promise(const Wei& amount) {
  StoredPromise out;
  out.provider = address(1);
  out.hermes = address(2);
  out.promise.promise.chain_id = 80001;
  out.promise.promise.channel.fill(3);
  out.promise.promise.amount = amount;
  out.promise.promise.fee = Wei(7);
  out.promise.promise.hashlock.fill(4);
  out.promise.signature.fill(5);
  out.r = secret(6);
  out.agreement = U256(11);
  return out;
}

struct Tables {
  Database database = *Database::open(":memory:");
  PromiseStore promises{database};
  SettlementStore settlements{database};
  MoneyStore money{database};

  void accept(const U256& agreement, const Wei& total) {
    core::PaymentRecord record;
    record.agreement = agreement;
    record.provider = address(1);
    record.consumer = address(9);
    record.session_id = "session";
    record.total = total;
    record.message = {1, 2, 3};
    record.r = secret(6);
    ASSERT_TRUE(money.put_accepted(record).ok());
  }
  std::vector<core::money::Claim> claims() { return *promises.claims(address(1)); }
};

TEST(PromiseStore, APromiseComesBackWhole) {
  Tables t;
  StoredPromise given = promise(*U256::parse("123456789012345678901234567890"));
  given.revealed = true;
  ASSERT_TRUE(t.promises.put(given, {}, at(100)).ok());
  const auto all = t.promises.all();
  ASSERT_TRUE(all.ok() && all->size() == 1);
  const StoredPromise& read = all->front();
  EXPECT_TRUE(read.promise.promise == given.promise.promise);
  EXPECT_EQ(read.promise.signature, given.promise.signature);
  EXPECT_TRUE(read.r == given.r);
  EXPECT_EQ(read.provider, given.provider);
  EXPECT_EQ(read.hermes, given.hermes);
  EXPECT_EQ(read.agreement, given.agreement);
  EXPECT_TRUE(read.revealed);
  EXPECT_EQ(read.updated, at(100));
}

TEST(PromiseStore, OnlyASmallerPromiseIsLeftOut) {
  Tables t;
  ASSERT_TRUE(t.promises.put(promise(Wei(500)), {}, at(1)).ok());
  EXPECT_TRUE(t.promises.put(promise(Wei(499)), {}, at(2)).ok());
  EXPECT_EQ(t.promises.all()->front().promise.promise.amount, Wei(500));
  StoredPromise same = promise(Wei(500));
  same.promise.promise.fee = Wei(8);
  ASSERT_TRUE(t.promises.put(same, {}, at(3)).ok());
  EXPECT_EQ(t.promises.all()->front().promise.promise.fee, Wei(8));
  // Words are compared as numbers, not as texts.
  ASSERT_TRUE(t.promises.put(promise(Wei(1000)), {}, at(4)).ok());
  EXPECT_EQ(t.promises.all()->front().promise.promise.amount, Wei(1000));
  EXPECT_EQ(t.promises.all()->size(), 1u);
}

TEST(PromiseStore, AnAcceptedPaymentIsAClaimUntilItIsExchanged) {
  Tables t;
  t.accept(U256(11), Wei());
  EXPECT_TRUE(t.claims().empty());  // nothing was paid
  t.accept(U256(11), Wei(300));
  t.accept(U256(11), Wei(500));
  ASSERT_EQ(t.claims().size(), 1u);
  EXPECT_EQ(t.claims()[0].total, Wei(500));
  EXPECT_EQ(t.claims()[0].message, (Bytes{1, 2, 3}));
  EXPECT_TRUE(t.claims()[0].r == secret(6));
  // The promise for an older payment leaves the claim of the newer one.
  ASSERT_TRUE(t.promises.put(promise(Wei(300)), Wei(300), at(1)).ok());
  EXPECT_EQ(t.claims().size(), 1u);
  ASSERT_TRUE(t.promises.put(promise(Wei(500)), Wei(500), at(2)).ok());
  EXPECT_TRUE(t.claims().empty());
  EXPECT_TRUE(t.promises.claims(address(8))->empty());
}

TEST(MoneyStore, WhatHermesKnowsRaisesTheGrandTotalAndNeverLowersIt) {
  Tables t;
  const auto total = [&] { return *t.money.grand_total(80001, address(1), address(2)); };
  ASSERT_TRUE(t.money.raise_grand_total(80001, address(1), address(2), Wei(500)).ok());
  EXPECT_EQ(total(), Wei(500));
  ASSERT_TRUE(t.money.raise_grand_total(80001, address(1), address(2), Wei(400)).ok());
  EXPECT_EQ(total(), Wei(500));
}

SettlementRecord settlement(std::uint8_t transaction, int seconds) {
  SettlementRecord out;
  out.transaction.fill(transaction);
  out.provider = address(1);
  out.hermes = address(2);
  out.beneficiary = address(3);
  out.channel.fill(4);
  out.chain = 80001;
  out.at = at(seconds);
  out.amount = Wei(400);
  out.fees = Wei(5);
  out.total_settled = Wei(900);
  return out;
}

TEST(SettlementStore, ListsNewestFirstByPagesAndFilters) {
  Tables t;
  for (int i = 1; i <= 5; ++i) {
    SettlementRecord one = settlement(static_cast<std::uint8_t>(i), i * 100);
    one.withdrawal = i > 3;
    if (i == 2) one.provider = address(8);
    ASSERT_TRUE(t.settlements.put(one).ok());
  }
  const auto first = t.settlements.list({}, 2, 0);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->total, 5u);
  EXPECT_EQ(first->withdrawn, Wei(800));
  ASSERT_EQ(first->items.size(), 2u);
  EXPECT_EQ(first->items[0].at, at(500));
  EXPECT_EQ(first->items[0].total_settled, Wei(900));
  EXPECT_EQ(first->items[0].beneficiary, address(3));
  EXPECT_EQ(t.settlements.list({}, 2, 4)->items.size(), 1u);
  SettlementStore::Filter filter;
  filter.provider = address(8);
  EXPECT_EQ(t.settlements.list(filter, 10, 0)->total, 1u);
  filter = {};
  filter.withdrawal = false;
  EXPECT_EQ(t.settlements.list(filter, 10, 0)->total, 3u);
  filter = {};
  filter.from = at(200);
  filter.to = at(400);
  EXPECT_EQ(t.settlements.list(filter, 10, 0)->total, 3u);
}

TEST(SettlementStore, ATransactionIsRecordedOnceAndFailuresAreKept) {
  Tables t;
  ASSERT_TRUE(t.settlements.put(settlement(1, 100)).ok());
  ASSERT_TRUE(t.settlements.put(settlement(1, 200)).ok());
  EXPECT_EQ(t.settlements.list({}, 10, 0)->total, 1u);
  SettlementRecord failed = settlement(0, 300);
  failed.error = "out of gas";
  ASSERT_TRUE(t.settlements.put(failed).ok());
  ASSERT_TRUE(t.settlements.put(failed).ok());
  EXPECT_EQ(t.settlements.list({}, 10, 0)->total, 3u);
  EXPECT_EQ(t.settlements.list({}, 10, 0)->items[0].error, "out of gas");
}

TEST(OpenSettlementStore, KeepsOneOfEachPromiseUntilItIsRemoved) {
  Tables t;
  OpenSettlementStore store(t.database);
  core::money::OpenSettlement one;
  one.chain = 137;
  one.provider = address(1);
  one.hermes = address(2);
  one.beneficiary = address(3);
  one.channel.fill(4);
  one.amount = Wei::max();
  one.settled = Wei(5);
  one.r = secret(6);
  one.begun = at(7);
  ASSERT_TRUE(store.put(one).ok());
  one.queue_id = "queue";
  ASSERT_TRUE(store.put(one).ok());
  core::money::OpenSettlement smaller = one;
  smaller.amount = Wei(9);
  smaller.begun = at(6);
  ASSERT_TRUE(store.put(smaller).ok());
  auto all = *store.all();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].amount, Wei(9)) << "the oldest first";
  EXPECT_EQ(all[1].chain, 137u);
  EXPECT_EQ(all[1].provider, address(1));
  EXPECT_EQ(all[1].hermes, address(2));
  EXPECT_EQ(all[1].beneficiary, address(3));
  EXPECT_EQ(all[1].channel, one.channel);
  EXPECT_EQ(all[1].amount, Wei::max());
  EXPECT_EQ(all[1].settled, Wei(5));
  EXPECT_TRUE(all[1].r == one.r);
  EXPECT_EQ(all[1].queue_id, "queue");
  EXPECT_EQ(all[1].begun, at(7));
  ASSERT_TRUE(store.remove(1, address(1), address(2), Wei(9)).ok());  // of another chain
  EXPECT_EQ(store.all()->size(), 2u);
  ASSERT_TRUE(store.remove(137, address(1), address(2), Wei(9)).ok());
  all = *store.all();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].amount, Wei::max());
}

TEST(SettlementStore, APayoutWalletIsRemembered) {
  Tables t;
  EXPECT_TRUE(t.settlements.wallet(address(1))->is_zero());
  ASSERT_TRUE(t.settlements.put_wallet(address(1), address(7)).ok());
  ASSERT_TRUE(t.settlements.put_wallet(address(1), address(8)).ok());
  EXPECT_EQ(*t.settlements.wallet(address(1)), address(8));
}

}  // namespace
}  // namespace myst::storage
