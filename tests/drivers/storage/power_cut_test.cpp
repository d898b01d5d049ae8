// Power goes at every kind of moment, unsynced writes are lost, torn and reordered: what was
// answered is there afterwards, and nothing else than what was asked.
#include <gtest/gtest.h>

#include "drivers/storage/hermes_ledger.hpp"
#include "drivers/storage/money_store.hpp"
#include "drivers/storage/schema.hpp"
#include "drivers/storage/task_store.hpp"
#include "tests/support/hermes_world.hpp"
#include "tests/support/power_cut_disk.hpp"

namespace myst::test {
namespace {

using namespace core::hermes;  // NOLINT: every second word here is from there
using storage::HermesLedger;

constexpr std::uint64_t kSeeds = 60;
constexpr int kCuts = 8;  // a seed

TEST(PowerCut, NoAnsweredPromiseOfTheLedgerIsMissing) {
  std::uint64_t answered = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    PowerCutDisk disk;
    SeededRng rng(seed);
    HermesWorld world(seed);
    world.fund(world.consumer(), 1u << 30);
    Wei promised, revealed;
    for (int cut = 0; cut < kCuts; ++cut) {
      if (cut > 0) disk.power_off_after(rng.below(60));
      {
        auto ledger = HermesLedger::open("/disk/hermes.db");
        if (ledger.ok()) {
          HermesRunner runner(world, **ledger);
          for (int i = 0; i < 10 && !disk.is_off(); ++i) {
            const Wei next = Wei::saturating_add(promised, 10);
            auto message =
                world.message(world.consumer(), world.provider().address(), 1, next, next);
            const Answer answer = runner.ask(message.request);
            if (promise_in(answer) == nullptr) {
              // Before the power went its R may not have been told: that is told now.
              break;
            }
            promised = next;
            ++answered;
            if (std::holds_alternative<Done>(runner.ask(
                    RevealRequest{to_bytes(message.r.bytes()), world.provider().address()}))) {
              revealed = next;
            }
          }
        } else {
          ASSERT_TRUE(disk.is_off()) << ledger.error().what;
        }
      }
      disk.power_on(rng);
      const auto ledger = HermesLedger::open("/disk/hermes.db");
      ASSERT_TRUE(ledger.ok()) << ledger.error().what << " after cut " << cut;
      const auto audited = audit(**ledger);
      ASSERT_TRUE(audited.ok());
      ASSERT_TRUE(audited->balanced()) << audited->faults.front();
      ASSERT_GE(audited->promised_to_providers, promised);
      ASSERT_LE(audited->promised_to_providers, Wei::saturating_add(promised, 10));
      ASSERT_GE(audited->cashable, revealed);
      // A new provider account for the rest, should the last R have gone with the power.
      if (audited->promised_to_providers != revealed) break;
    }
  }
  EXPECT_GT(answered, kSeeds * 5) << "hardly anything was tried";
}

TEST(PowerCut, ANodesPromisesNeverShrink) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    PowerCutDisk disk;
    SeededRng rng(seed);
    const Address hermes = LocalSigner::make(rng).address();
    core::PaymentRecord record;
    record.consumer = LocalSigner::make(rng).address();
    record.provider = hermes;
    record.session_id = "session";
    Wei total;
    for (int cut = 0; cut < kCuts; ++cut) {
      if (cut > 0) disk.power_off_after(rng.below(60));
      {
        auto database =
            storage::Database::open_or_fail("/disk/myst.db", nullptr, storage::migrations());
        if (database.ok()) {
          storage::MoneyStore money(*database);
          for (int i = 0; i < 10 && !disk.is_off(); ++i) {
            record.total = Wei::saturating_add(total, 5);
            if (money.put_payment(record, 137, hermes, record.total).ok()) total = record.total;
          }
        } else {
          ASSERT_TRUE(disk.is_off()) << database.error().what;
        }
      }
      disk.power_on(rng);
      auto database =
          storage::Database::open_or_fail("/disk/myst.db", nullptr, storage::migrations());
      ASSERT_TRUE(database.ok()) << database.error().what << " after cut " << cut;
      const auto kept = storage::MoneyStore(*database).grand_total(137, record.consumer, hermes);
      ASSERT_TRUE(kept.ok());
      ASSERT_GE(*kept, total);
      ASSERT_LE(*kept, Wei::saturating_add(total, 5));
      total = *kept;
    }
  }
}

TEST(PowerCut, NoAcceptedTaskIsMissing) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    PowerCutDisk disk;
    SeededRng rng(seed);
    int accepted = 0;
    for (int cut = 0; cut < kCuts; ++cut) {
      if (cut > 0) disk.power_off_after(rng.below(40));
      {
        auto store = storage::TaskStore::open("/disk/transactor.db");
        if (store.ok()) {
          for (int i = 0; i < 10 && !disk.is_off(); ++i) {
            core::transactor::Task task;
            task.id = "task" + std::to_string(accepted);
            if (store->accept(task).ok()) ++accepted;
          }
        } else {
          ASSERT_TRUE(disk.is_off()) << store.error().what;
        }
      }
      disk.power_on(rng);
      auto store = storage::TaskStore::open("/disk/transactor.db");
      ASSERT_TRUE(store.ok()) << store.error().what << " after cut " << cut;
      for (int n = 0; n < accepted; ++n) {
        const auto found = store->find("task" + std::to_string(n));
        ASSERT_TRUE(found.ok() && found->has_value()) << n;
      }
      const auto queued = store->queued();
      ASSERT_TRUE(queued.ok());
      ASSERT_LE(queued->size(), static_cast<std::size_t>(accepted) + 1);
      accepted = static_cast<int>(queued->size());
    }
  }
}

TEST(PowerCut, AFullDiskRefusesAndLosesNothing) {
  PowerCutDisk disk;
  HermesWorld world;
  world.fund(world.consumer(), 1u << 30);
  auto ledger = HermesLedger::open("/disk/hermes.db");
  ASSERT_TRUE(ledger.ok());
  HermesRunner runner(world, **ledger);
  const auto pay = [&](std::uint64_t amount) {
    auto message = world.message(world.consumer(), world.provider().address(), 1, amount, amount);
    const Answer answer = runner.ask(message.request);
    if (promise_in(answer) == nullptr) return false;
    return std::holds_alternative<Done>(
        runner.ask(RevealRequest{to_bytes(message.r.bytes()), world.provider().address()}));
  };
  ASSERT_TRUE(pay(10));
  disk.set_full(true);
  EXPECT_FALSE(pay(20));
  EXPECT_FALSE(pay(20));
  disk.set_full(false);
  EXPECT_TRUE(pay(20)) << "as soon as there is room";
  const auto audited = audit(**ledger);
  ASSERT_TRUE(audited.ok());
  EXPECT_TRUE(audited->balanced());
  EXPECT_EQ(audited->promised_to_providers, Wei(20));
}

// The disk itself: without synced commits things are lost, so the tests above can fail.
TEST(PowerCut, WithoutSyncedCommitsMoneyIsLost) {
  bool lost = false;
  for (std::uint64_t seed = 1; seed <= 50 && !lost; ++seed) {
    PowerCutDisk disk;
    SeededRng rng(seed);
    int committed = 0;
    {
      auto store = storage::Database::open_or_fail("/disk/x.db", nullptr,
                                                   {"CREATE TABLE t(n INTEGER PRIMARY KEY);"});
      ASSERT_TRUE(store.ok());
      ASSERT_TRUE(store->execute("PRAGMA synchronous=OFF").ok());
      disk.power_off_after(20 + rng.below(20));
      while (store->execute(("INSERT INTO t VALUES(" + std::to_string(committed) + ")").c_str())
                 .ok()) {
        ++committed;
      }
    }
    disk.power_on(rng);
    auto store = storage::Database::open_or_fail("/disk/x.db", nullptr, {""});
    if (!store.ok()) {
      lost = true;
      break;
    }
    auto count = store->prepare("SELECT count(*) FROM t");
    const bool row = count.ok() && count->step().ok();
    lost = !row || count->integer(0) < committed;
  }
  EXPECT_TRUE(lost);
}

}  // namespace
}  // namespace myst::test
