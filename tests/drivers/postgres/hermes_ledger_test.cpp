#include "drivers/postgres/hermes_ledger.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/hermes_world.hpp"
#include "tests/support/ledger_conformance.hpp"
#include "tests/support/postgres_server.hpp"

namespace myst::test {
namespace {

using namespace core::hermes;  // NOLINT: every second word here is from there
using postgres::HermesLedger;

// One server for all tests of this program; each has a database of its own.
PostgresServer* server() {
  static const std::unique_ptr<PostgresServer> kServer =
      postgres::libpq() == nullptr ? nullptr : PostgresServer::start();
  return kServer.get();
}

class PostgresLedgers final : public LedgerFactory {
 public:
  PostgresLedgers() : url_(server()->make_database()) {}
  std::unique_ptr<Ledger> open() override {
    auto ledger = HermesLedger::open(url_);
    return ledger.ok() ? std::move(*ledger) : nullptr;
  }
  bool shared() const override { return true; }

 private:
  std::string url_;
};

std::unique_ptr<LedgerFactory> postgres_ledgers() {
  return server() == nullptr ? nullptr : std::make_unique<PostgresLedgers>();
}

class PostgresLedger : public testing::Test {
 protected:
  void SetUp() override {
    if (server() == nullptr) GTEST_SKIP() << "postgresql-15 or libpq5 is not installed";
    url_ = server()->make_database();
  }
  std::unique_ptr<HermesLedger> open() {
    auto ledger = HermesLedger::open(url_);
    EXPECT_TRUE(ledger.ok());
    return ledger.ok() ? std::move(*ledger) : nullptr;
  }
  static void expect_balanced(Ledger& ledger, const Wei& promised) {
    const auto audited = audit(ledger);
    ASSERT_TRUE(audited.ok());
    EXPECT_TRUE(audited->balanced()) << (audited->faults.empty() ? "" : audited->faults.front());
    EXPECT_EQ(audited->promised_to_providers, promised);
  }
  std::string url_;
};

TEST_F(PostgresLedger, WhatWasAnsweredSurvivesACrashOfTheServer) {
  const auto ledger = open();
  HermesWorld world;
  world.fund(world.consumer(), 1000000);
  HermesRunner runner(world, *ledger);
  Wei promised;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 10; ++i) {
      promised = Wei::saturating_add(promised, 10);
      auto message =
          world.message(world.consumer(), world.provider().address(), 1, promised, promised);
      ASSERT_NE(promise_in(runner.ask(message.request)), nullptr);
      ASSERT_TRUE(std::holds_alternative<Done>(
          runner.ask(RevealRequest{to_bytes(message.r.bytes()), world.provider().address()})));
    }
    ASSERT_TRUE(server()->restart(round != 1));
    // The same ledger connects anew by itself.
    expect_balanced(*ledger, promised);
  }
}

TEST_F(PostgresLedger, AServerThatIsGoneIsAnErrorWithItsWords) {
  EXPECT_FALSE(HermesLedger::open("host=/nowhere user=postgres dbname=x").ok());
  std::string problem;
  EXPECT_EQ(HermesLedger::open("host=/nowhere user=postgres", &problem).error().code,
            Errc::Unavailable);
  EXPECT_NE(problem.find("/nowhere"), std::string::npos);
}

// Hubs behind a load balancer: each request goes to another one, those of one consumer and those of
// one provider too.
TEST_F(PostgresLedger, HubsThatShareItNeverPromiseTwice) {
  constexpr int kHubs = 3, kPayments = 60;
  std::vector<std::unique_ptr<HermesLedger>> ledgers;
  for (int i = 0; i < kHubs; ++i) ledgers.push_back(open());
  // Each thread is one consumer in a session with one of two providers; requests that are refused
  // because the provider has another one's R to reveal are asked again.
  std::vector<std::thread> hubs;
  std::vector<Wei> paid(kHubs);
  std::vector<int> failures(kHubs);
  for (int h = 0; h < kHubs; ++h) {
    hubs.emplace_back([&, h] {
      const auto n = static_cast<std::size_t>(h);
      HermesWorld world;
      world.fund(world.consumer(static_cast<unsigned>(h)), 1000000);
      HermesRunner runner(world, *ledgers[n]);
      const Address provider = world.provider(static_cast<unsigned>(h) % 2).address();
      for (int i = 0; i < kPayments; ++i) {
        const Wei total = Wei::saturating_add(paid[n], 7);
        auto message = world.message(world.consumer(static_cast<unsigned>(h)), provider,
                                     U256(h + 1), total, total);
        for (int tries = 0;; ++tries) {
          const Answer answer = runner.ask(message.request);
          if (promise_in(answer) != nullptr) break;
          if (cause_in(answer) != Cause::RRecoveryRequired || tries > 10000) {
            ++failures[n];
            return;
          }
        }
        paid[n] = total;
        if (!std::holds_alternative<Done>(
                runner.ask(RevealRequest{to_bytes(message.r.bytes()), provider}))) {
          ++failures[n];
          return;
        }
      }
    });
  }
  for (std::thread& hub : hubs) hub.join();
  Wei sum;
  for (int h = 0; h < kHubs; ++h) {
    EXPECT_EQ(failures[static_cast<std::size_t>(h)], 0);
    sum = Wei::saturating_add(sum, paid[static_cast<std::size_t>(h)]);
  }
  expect_balanced(*ledgers[0], sum);
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Postgres, LedgerConformance, testing::Values(&postgres_ledgers));

}  // namespace myst::test
