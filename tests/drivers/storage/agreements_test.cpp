// Agreements of sessions that are long over are forgotten, and what money still rests on never is:
// also where the process is killed in between, and in a database of an earlier program.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "drivers/storage/money_store.hpp"
#include "drivers/storage/promise_store.hpp"
#include "drivers/storage/schema.hpp"
#include "drivers/storage/session_store.hpp"
#include "drivers/storage/withdrawal_store.hpp"
#include "tests/support/kill_points.hpp"

namespace myst::storage {
namespace {

using std::chrono::hours;

constexpr WallTime kStart{std::chrono::hours{24 * 365 * 50}};
constexpr auto kLater = MoneyStore::kKeepAgreements + hours{1};
constexpr std::uint64_t kChain = 137;

Address address(std::uint8_t byte) {
  ByteArray<20> bytes;
  bytes.fill(byte);
  return Address(bytes);
}
const Address kProvider = address(1), kConsumer = address(2), kHermes = address(3);

core::PaymentRecord payment(std::uint64_t agreement, WallTime at) {
  core::PaymentRecord out;
  out.agreement = U256(agreement);
  out.provider = kProvider;
  out.consumer = kConsumer;
  out.session_id = "session " + std::to_string(agreement);
  out.total = Wei(100);
  out.message = {1, 2, 3};
  out.r.mutable_bytes()[0] = static_cast<std::uint8_t>(agreement);
  out.updated = at;
  return out;
}

struct Tables {
  explicit Tables(Database& d) : database(d) {}
  Database& database;
  MoneyStore money{database};
  PromiseStore promises{database};
  WithdrawalStore withdrawals{database};
  SessionStore sessions{database};

  Status accept(std::uint64_t agreement, WallTime at) {
    return money.put_accepted(payment(agreement, at));
  }
  Status pay(std::uint64_t agreement, WallTime at) {
    MYST_TRY_ASSIGN(const Wei before, money.grand_total(kChain, kConsumer, kHermes));
    return money.put_payment(payment(agreement, at), kChain, kHermes,
                             Wei::saturating_add(before, Wei(100)));
  }
  Status pay_self(std::uint64_t agreement, WallTime at) {
    core::PaymentRecord record = payment(agreement, at);
    record.provider = record.consumer;
    MYST_TRY_ASSIGN(const Wei before, money.grand_total(kChain, kConsumer, kHermes));
    return money.put_payment(record, kChain, kHermes, Wei::saturating_add(before, Wei(100)));
  }
  // Hermes' promise for it, as core/money stores it.
  Status exchange(std::uint64_t agreement, std::uint64_t amount) {
    core::money::StoredPromise promise;
    promise.provider = kProvider;
    promise.hermes = kHermes;
    promise.promise.promise.chain_id = kChain;
    promise.promise.promise.amount = Wei(amount);
    promise.agreement = U256(agreement);
    return promises.put(promise, Wei(100), kStart);
  }
  bool known(Role role, std::uint64_t agreement, const Address& provider = kProvider) {
    const auto found = money.payment(role, U256(agreement), provider);
    return found.ok() && found->has_value();
  }
  std::int64_t count(const std::string& table) {
    auto query = database.prepare("SELECT count(*) FROM " + table);
    EXPECT_TRUE(query.ok() && *query->step());
    return query->integer(0);
  }
};

class Agreements : public testing::Test {
 protected:
  Database database_ = *Database::open(":memory:");
  Tables t{database_};
};

TEST_F(Agreements, AProvidersGoWhenTheyAreExchangedAndOld) {
  ASSERT_TRUE(t.accept(1, kStart).ok());
  ASSERT_TRUE(t.exchange(1, 100).ok());
  ASSERT_TRUE(t.accept(2, kStart + kLater - hours{2}).ok());
  ASSERT_TRUE(t.exchange(2, 200).ok());
  EXPECT_TRUE(t.known(Role::Provider, 1));
  ASSERT_TRUE(t.accept(3, kStart + kLater).ok());
  EXPECT_FALSE(t.known(Role::Provider, 1));
  EXPECT_TRUE(t.known(Role::Provider, 2)) << "not old enough";
  EXPECT_TRUE(t.known(Role::Provider, 3));
  EXPECT_EQ(t.promises.all()->at(0).promise.promise.amount, Wei(200)) << "what was earned stays";
}

TEST_F(Agreements, WhatHermesHasNotExchangedStaysForEver) {
  ASSERT_TRUE(t.accept(1, kStart).ok());
  ASSERT_TRUE(t.accept(2, kStart + 100 * kLater).ok());
  const auto claims = *t.promises.claims(kProvider);
  ASSERT_EQ(claims.size(), 2u);
  EXPECT_EQ(claims[0].agreement, U256(1));
  EXPECT_EQ(claims[0].message, (Bytes{1, 2, 3}));
  EXPECT_EQ(claims[0].r.bytes()[0], 1);
  ASSERT_TRUE(t.exchange(1, 100).ok());
  ASSERT_TRUE(t.accept(3, kStart + 101 * kLater).ok());
  EXPECT_FALSE(t.known(Role::Provider, 1)) << "until it is";
}

TEST_F(Agreements, AConsumersGoAndItsGrandTotalStays) {
  ASSERT_TRUE(t.pay(1, kStart).ok());
  ASSERT_TRUE(t.pay(2, kStart + kLater).ok());
  EXPECT_FALSE(t.known(Role::Consumer, 1));
  EXPECT_TRUE(t.known(Role::Consumer, 2));
  EXPECT_EQ(*t.money.grand_total(kChain, kConsumer, kHermes), Wei(200));
}

TEST_F(Agreements, ASessionThatIsNotOverKeepsIts) {
  core::SessionRecord session;
  session.id = "session 1";
  session.provided = true;
  session.consumer = kConsumer;
  session.provider = kProvider;
  ASSERT_TRUE(t.sessions.put(session).ok());
  ASSERT_TRUE(t.accept(1, kStart).ok());
  ASSERT_TRUE(t.exchange(1, 100).ok());
  ASSERT_TRUE(t.accept(2, kStart + kLater).ok());
  EXPECT_TRUE(t.known(Role::Provider, 1));
  session.completed = true;
  ASSERT_TRUE(t.sessions.put(session).ok());
  ASSERT_TRUE(t.accept(3, kStart + kLater).ok());
  EXPECT_FALSE(t.known(Role::Provider, 1));
  EXPECT_EQ(t.sessions.list({}, 10, 0)->total, 1u) << "the history is another table";
}

TEST_F(Agreements, TheLatestPaymentToOneselfAndThoseOfWithdrawalsStay) {
  core::money::OpenWithdrawal withdrawal;
  withdrawal.provider = kConsumer;
  withdrawal.agreement = U256(2);
  ASSERT_TRUE(t.pay_self(1, kStart).ok());
  ASSERT_TRUE(t.pay_self(2, kStart + hours{1}).ok());
  ASSERT_TRUE(t.pay_self(3, kStart + hours{2}).ok());
  ASSERT_TRUE(t.withdrawals.put(withdrawal).ok());
  ASSERT_TRUE(t.pay(4, kStart + 100 * kLater).ok());
  EXPECT_FALSE(t.known(Role::Consumer, 1, kConsumer));
  EXPECT_TRUE(t.known(Role::Consumer, 2, kConsumer)) << "a withdrawal goes on with it";
  EXPECT_TRUE(t.known(Role::Consumer, 3, kConsumer)) << "the latest";
  EXPECT_EQ((**t.money.own_payment(kConsumer)).agreement, U256(3));
}

TEST_F(Agreements, InvoicesNobodyPaidGoToo) {
  core::InvoiceRecord invoice;
  invoice.provider = kProvider;
  for (int n = 0; n < 20; ++n) {
    invoice.agreement = U256(static_cast<std::uint64_t>(n));
    invoice.hashlock[0] = static_cast<std::uint8_t>(n);
    invoice.created = kStart + std::chrono::minutes{n};
    ASSERT_TRUE(t.money.put_invoice(invoice).ok());
  }
  EXPECT_EQ(t.count("invoices"), 20);
  invoice.hashlock[0] = 100;
  invoice.created = kStart + kLater;
  ASSERT_TRUE(t.money.put_invoice(invoice).ok());
  EXPECT_EQ(t.count("invoices"), 21 - MoneyStore::kForgetAtOnce);
  invoice.hashlock[0] = 101;
  ASSERT_TRUE(t.money.put_invoice(invoice).ok());
  EXPECT_EQ(t.count("invoices"), 2);
}

// Twenty sessions a day for 100 days: the table holds those of the time that is kept.
TEST_F(Agreements, TheTableDoesNotGrowWithTheSessions) {
  std::int64_t most = 0;
  const int days = 100, a_day = 20;
  for (int n = 0; n < days * a_day; ++n) {
    const auto id = static_cast<std::uint64_t>(n + 1);
    const WallTime at = kStart + std::chrono::minutes{n * 24 * 60 / a_day};
    ASSERT_TRUE((n % 2 == 0 ? t.accept(id, at) : t.pay(id, at)).ok());
    if (n % 2 == 0) {
      ASSERT_TRUE(t.exchange(id, 100 * id).ok());
    }
    if (n % 50 == 0) most = std::max(most, t.count("agreements"));
  }
  EXPECT_LE(most, 30 * a_day + 2);
  EXPECT_GE(most, 29 * a_day);
}

class AgreementsOnDisk : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/myst-agreements-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    path_ = folder_ + "/myst.db";
  }
  void TearDown() override { (void)std::system(("rm -rf " + folder_).c_str()); }
  std::string folder_, path_;
};

TEST_F(AgreementsOnDisk, OfAnEarlierProgramAreForgottenAFewAtATime) {
  constexpr std::uint64_t kOld = 100;
  std::vector<const char*> before = migrations();
  before.pop_back();
  {
    auto database = Database::open(path_, nullptr, before);
    ASSERT_TRUE(database.ok());
    Tables old(*database);
    for (std::uint64_t n = 1; n <= kOld; ++n) {
      ASSERT_TRUE(old.accept(n, kStart).ok());
      if (n > 2) {
        ASSERT_TRUE(old.exchange(n, 100 * n).ok());
      }
    }
  }
  Database::Opened opened;
  auto database = Database::open(path_, &opened);
  ASSERT_TRUE(database.ok());
  EXPECT_EQ(opened.migrated_from, static_cast<int>(before.size()));
  Tables t(*database);
  EXPECT_EQ(t.count("agreements"), static_cast<std::int64_t>(kOld));
  for (std::uint64_t n = 1; n <= 7; ++n) {
    ASSERT_TRUE(t.accept(kOld + n, kStart + kLater).ok());
    EXPECT_GE(t.count("agreements"), static_cast<std::int64_t>(kOld + n) -
                                         MoneyStore::kForgetAtOnce * static_cast<std::int64_t>(n));
  }
  EXPECT_EQ(t.count("agreements"), 7 + 2);
  EXPECT_EQ(t.promises.claims(kProvider)->size(), 7u + 2u) << "all that is not exchanged";
}

TEST_F(AgreementsOnDisk, AKillLosesNothingThatIsNotExchanged) {
  struct Told {
    std::uint64_t accepted;  // of new agreements: said to be on the disk
  };
  auto* told = static_cast<Told*>(test::shared_memory(sizeof(Told)));
  ASSERT_NE(told, nullptr);
  {
    auto database = Database::open(path_);
    ASSERT_TRUE(database.ok());
    Tables t(*database);
    for (std::uint64_t n = 1; n <= 40; ++n) {
      ASSERT_TRUE(t.accept(n, kStart).ok());
      if (n % 4 != 0) {
        ASSERT_TRUE(t.exchange(n, 100 * n).ok());
      }
    }
  }
  std::size_t kills = 0;
  for (std::size_t point = 0;; ++point) {
    const auto end = test::run_until_point(point, [&] {
      auto database = Database::open(path_);
      if (!database.ok()) return false;
      Tables t(*database);
      for (int i = 0; i < 3; ++i) {
        if (!t.accept(1001 + told->accepted, kStart + kLater).ok()) return false;
        ++told->accepted;
      }
      return true;
    });
    ASSERT_NE(end, test::RunEnd::Failed) << "at point " << point;
    if (end == test::RunEnd::Killed) ++kills;
    auto database = Database::open(path_);
    ASSERT_TRUE(database.ok()) << "at point " << point;
    Tables t(*database);
    for (std::uint64_t n = 4; n <= 40; n += 4) {
      ASSERT_TRUE(t.known(Role::Provider, n)) << "at point " << point;
    }
    for (std::uint64_t n = 1; n <= told->accepted; ++n) {
      ASSERT_TRUE(t.known(Role::Provider, 1000 + n)) << "at point " << point;
    }
    // Each claim has its payment with it: neither went without the other.
    auto joined = t.database.prepare(
        "SELECT count(*) FROM claims c JOIN agreements a ON a.role = 0 AND"
        " a.agreement = c.agreement AND a.provider = c.provider");
    ASSERT_TRUE(joined.ok() && *joined->step());
    ASSERT_EQ(joined->integer(0), t.count("claims")) << "at point " << point;
    ASSERT_GE(t.count("claims"), static_cast<std::int64_t>(10 + told->accepted));
    if (end == test::RunEnd::Completed) break;
  }
  EXPECT_GT(kills, 5u);
  auto database = Database::open(path_);
  Tables t(*database);
  EXPECT_FALSE(t.known(Role::Provider, 1)) << "and what is exchanged is gone";
}

}  // namespace
}  // namespace myst::storage
