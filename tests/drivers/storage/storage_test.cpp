#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "drivers/storage/database.hpp"
#include "drivers/storage/money_store.hpp"
#include "drivers/storage/registration_store.hpp"
#include "drivers/storage/schema.hpp"
#include "drivers/storage/session_store.hpp"
#include "drivers/storage/store.hpp"

namespace myst::storage {
namespace {

class StorageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/myst-storage-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    path_ = folder_ + "/myst.db";
  }
  void TearDown() override { (void)std::system(("rm -rf " + folder_).c_str()); }
  std::string folder_, path_;
};

WallTime at(std::int64_t seconds) { return WallTime(std::chrono::seconds(seconds)); }

core::SessionRecord session(int n) {
  core::SessionRecord row;
  row.id = "session-" + std::to_string(n);
  ByteArray<20> consumer{};
  consumer[0] = static_cast<std::uint8_t>(n % 3);
  row.consumer = Address(consumer);
  row.service_type = n % 2 == 0 ? "wireguard" : "noop";
  row.bytes_sent = 1;
  row.bytes_received = 10;
  row.tokens = Wei::max().divided_by(1000);
  row.started = at(86400 * n + 100);
  row.updated = at(86400 * n + 160);
  row.completed = true;
  return row;
}

TEST_F(StorageTest, KeepsSessionsAndPagesThroughThemNewestFirst) {
  auto database = Database::open(path_);
  ASSERT_TRUE(database.ok());
  SessionStore store(*database);
  for (int n = 0; n < 25; ++n) ASSERT_TRUE(store.put(session(n)).ok());
  ASSERT_TRUE(store.put(session(24)).ok());  // the same key again replaces
  const auto page = store.list({}, 10, 10);
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->total, 25u);
  ASSERT_EQ(page->rows.size(), 10u);
  EXPECT_EQ(page->rows[0].id, "session-14");
  EXPECT_EQ(page->rows[0].tokens, Wei::max().divided_by(1000));
  SessionFilter filter;
  filter.service_type = "noop";
  filter.started_from = at(86400 * 20);
  EXPECT_EQ(store.list(filter, 50, 0)->total, 2u);
  filter.service_type = "noop' OR '1'='1";
  EXPECT_EQ(store.list(filter, 50, 0)->total, 0u);
  EXPECT_TRUE(store.list({}, 4000000000u, UINT64_MAX)->rows.empty());
}

TEST_F(StorageTest, SumsWiderThanSqlIntegersAndCountsOpenSessionsUpToNow) {
  auto database = Database::open(path_);
  SessionStore store(*database);
  for (int n = 0; n < 4; ++n) ASSERT_TRUE(store.put(session(n)).ok());
  core::SessionRecord open = session(4);
  open.updated = {};
  open.completed = false;
  ASSERT_TRUE(store.put(open).ok());
  const auto totals = store.totals({}, at(86400 * 4 + 200));
  ASSERT_TRUE(totals.ok());
  EXPECT_EQ(totals->count, 5u);
  EXPECT_EQ(totals->distinct_consumers, 3u);
  EXPECT_EQ(totals->duration_seconds, 4u * 60 + 100);
  EXPECT_EQ(totals->tokens, Wei::saturating_mul(Wei::max().divided_by(1000), Wei(5)));
  const auto days = store.totals_by_day({}, at(86400 * 4 + 200));
  ASSERT_EQ(days->size(), 5u);
  EXPECT_EQ(days->at(4).count, 1u);
  EXPECT_EQ(*store.complete_orphans(), 1u);
  EXPECT_EQ(*store.complete_orphans(), 0u);
}

TEST_F(StorageTest, MovesACorruptFileAsideAndBeginsANewOne) {
  {
    auto database = Database::open(path_);
    ASSERT_TRUE(SessionStore(*database).put(session(1)).ok());
  }
  std::FILE* file = std::fopen(path_.c_str(), "r+b");
  const std::string garbage(4096, 'x');
  std::fwrite(garbage.data(), 1, garbage.size(), file);
  std::fclose(file);
  Database::Opened opened;
  auto database = Database::open(path_, &opened);
  ASSERT_TRUE(database.ok());
  EXPECT_EQ(opened.moved_aside, path_ + ".corrupt.1");
  EXPECT_EQ(access(opened.moved_aside.c_str(), R_OK), 0);
  EXPECT_EQ(SessionStore(*database).list({}, 10, 0)->total, 0u);
}

TEST_F(StorageTest, RefusesADatabaseOfANewerProgram) {
  {
    auto database = Database::open(path_);
    ASSERT_TRUE(database->execute("PRAGMA user_version=9999").ok());
  }
  const auto again = Database::open(path_);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, Errc::Unsupported);
}

TEST_F(StorageTest, BacksUpBeforeItMigrates) {
  const std::vector<const char*> old_steps = {"CREATE TABLE t(a); INSERT INTO t VALUES(7);"};
  std::vector<const char*> new_steps = old_steps;
  new_steps.push_back("DELETE FROM t;");
  Database::Opened opened;
  ASSERT_TRUE(Database::open(path_, &opened, old_steps).ok());
  EXPECT_TRUE(opened.created);
  ASSERT_TRUE(Database::open(path_, &opened, new_steps).ok());
  EXPECT_EQ(opened.migrated_from, 1);
  auto backup = Database::open(opened.backup, nullptr, old_steps);
  ASSERT_TRUE(backup.ok());
  auto query = backup->prepare("SELECT a FROM t");
  ASSERT_TRUE(*query->step());
  EXPECT_EQ(query->integer(0), 7);
}

TEST_F(StorageTest, AFailedMigrationLeavesTheOldSchema) {
  const std::vector<const char*> old_steps = {"CREATE TABLE t(a);"};
  ASSERT_TRUE(Database::open(path_, nullptr, old_steps).ok());
  const std::vector<const char*> bad_steps = {old_steps[0], "CREATE TABLE u(a);", "no such word;"};
  EXPECT_FALSE(Database::open(path_, nullptr, bad_steps).ok());
  auto again = Database::open(path_, nullptr, old_steps);
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->prepare("SELECT a FROM u").ok());
}

TEST_F(StorageTest, AGrandTotalNeverShrinksAndNothingOfARefusedPaymentStays) {
  auto database = Database::open(path_);
  MoneyStore money(*database);
  const Address hermes(ByteArray<20>{1}), consumer(ByteArray<20>{2});
  core::PaymentRecord record;
  record.agreement = U256::max();
  record.consumer = consumer;
  record.total = 5;
  record.message = {1, 2, 3};
  ASSERT_TRUE(money.put_payment(record, 137, hermes, 100).ok());
  record.total = 6;
  const Status refused = money.put_payment(record, 137, hermes, 99);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::Rejected);
  EXPECT_EQ(*money.grand_total(137, consumer, hermes), Wei(100));
  const auto stored = money.payment(Role::Consumer, U256::max(), record.provider);
  ASSERT_TRUE(stored.ok() && stored->has_value());
  EXPECT_EQ((*stored)->total, Wei(5));
  EXPECT_EQ((*stored)->message, (Bytes{1, 2, 3}));
  record.total = 4;
  EXPECT_FALSE(money.put_payment(record, 137, hermes, 101).ok());
  EXPECT_EQ(*money.grand_total(1, consumer, hermes), Wei());
}

TEST_F(StorageTest, KeepsTheSecretsOfOpenInvoicesUntilOneIsPaid) {
  auto database = Database::open(path_);
  MoneyStore money(*database);
  core::InvoiceRecord invoice;
  invoice.agreement = 9;
  for (int n = 0; n < 40; ++n) {
    invoice.hashlock[0] = static_cast<std::uint8_t>(n);
    invoice.created = at(n);
    ASSERT_TRUE(money.put_invoice(invoice).ok());
  }
  EXPECT_EQ(*money.open_invoices(invoice.provider, 9), 32u);
  core::PaymentRecord paid;
  paid.agreement = 9;
  paid.r.mutable_bytes()[0] = 7;
  ASSERT_TRUE(money.put_accepted(paid).ok());
  EXPECT_EQ(*money.open_invoices(invoice.provider, 9), 0u);
  EXPECT_EQ((*money.payment(Role::Provider, 9, paid.provider))->r.bytes()[0], 7);
}

TEST_F(StorageTest, RunsWritesInOrderAndFinishesThemAtTheEnd) {
  platform::Loop loop;
  std::vector<int> order;
  {
    auto store = Store::open(loop, path_);
    ASSERT_TRUE(store.ok());
    for (int n = 0; n < 3; ++n) {
      (*store)->run<Status>([n](Tables& tables) { return tables.sessions.put(session(n)); },
                            [n, &order](const Status& status) {
                              EXPECT_TRUE(status.ok());
                              order.push_back(n);
                            });
    }
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
  auto database = Database::open(path_);
  EXPECT_EQ(SessionStore(*database).list({}, 10, 0)->total, 3u);
}

TEST_F(StorageTest, ReportsAReadOnlyDisk) {
  const auto database = Database::open("/proc/myst.db");
  ASSERT_FALSE(database.ok());
  EXPECT_EQ(database.error().code, Errc::Io);
}

TEST_F(StorageTest, KeepsConnectivityReportsForThirtyDays) {
  auto database = Database::open(path_);
  ConnectivityStore store(*database);
  core::ConnectivityRecord report;
  report.message = std::string(5000, 'm');
  report.created = at(1000);
  ASSERT_TRUE(store.add(report).ok());
  report.created = at(1000 + 31 * 86400);
  report.code = 2002;
  ASSERT_TRUE(store.add(report).ok());
  const auto list = store.list(10);
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->front().code, 2002u);
  EXPECT_EQ(list->front().message.size(), ConnectivityStore::kMaxMessage);
}

TEST_F(StorageTest, ARegistrationOnceDoneStaysDone) {
  using chain::RegistrationState;
  auto database = Database::open(path_);
  ASSERT_TRUE(database.ok());
  RegistrationStore store(*database);
  const RegistrationStore::Key key{137, Address(ByteArray<20>{1}), Address(ByteArray<20>{2})};
  EXPECT_FALSE(store.get(key)->has_value());
  ASSERT_TRUE(store.put(key, RegistrationState::InProgress, at(1)).ok());
  EXPECT_EQ((*store.get(key))->state, RegistrationState::InProgress);
  EXPECT_EQ(store.list(137, key.registry, RegistrationState::InProgress)->size(), 1u);
  ASSERT_TRUE(store.put(key, RegistrationState::Registered, at(2)).ok());
  ASSERT_TRUE(store.put(key, RegistrationState::Failed, at(3)).ok());
  EXPECT_EQ((*store.get(key))->state, RegistrationState::Registered);
  EXPECT_EQ((*store.get(key))->updated, at(2));
  RegistrationStore::Key other = key;
  other.registry = Address(ByteArray<20>{9});  // another deployment on the same chain
  EXPECT_FALSE(store.get(other)->has_value());
  EXPECT_TRUE(store.list(137, key.registry, RegistrationState::InProgress)->empty());
}

}  // namespace
}  // namespace myst::storage
