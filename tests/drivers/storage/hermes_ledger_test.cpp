#include "drivers/storage/hermes_ledger.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/support/hermes_world.hpp"
#include "tests/support/ledger_conformance.hpp"

namespace myst::test {
namespace {

using namespace core::hermes;  // NOLINT: every second word here is from there
using storage::HermesLedger;

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/myst-ledger-XXXXXX";
    path_ = mkdtemp(name) == nullptr ? "/nowhere" : name;
  }
  ~Folder() { (void)std::system(("rm -rf " + path_).c_str()); }
  std::string file() const { return path_ + "/hermes.db"; }

 private:
  std::string path_;
};

class SqliteLedgers final : public LedgerFactory {
 public:
  std::unique_ptr<Ledger> open() override {
    auto ledger = HermesLedger::open(folder_.file());
    return ledger.ok() ? std::move(*ledger) : nullptr;
  }
  bool shared() const override { return false; }

 private:
  Folder folder_;
};

std::unique_ptr<LedgerFactory> sqlite_ledgers() { return std::make_unique<SqliteLedgers>(); }

}  // namespace

INSTANTIATE_TEST_SUITE_P(Sqlite, LedgerConformance, testing::Values(&sqlite_ledgers));

TEST(HermesLedger, WhatFailsAnywhereLeavesTheLedgerAsItWas) {
  const Folder folder;
  auto ledger = HermesLedger::open(folder.file());
  ASSERT_TRUE(ledger.ok());
  HermesWorld world;
  world.fund(world.consumer(), 1000);
  HermesRunner runner(world, **ledger);
  std::size_t points = 0;
  Wei promised;
  for (std::size_t fail_at = 0;; ++fail_at) {
    const Wei next = Wei::saturating_add(promised, 10);
    std::size_t reached = 0;
    bool failed = false;
    (*ledger)->set_checkpoint([&](const char* point) -> Status {
      if (reached++ != fail_at || std::string(point) == "committed") return {};
      failed = true;
      return Error{Errc::Full, 0, "the disk is full"};
    });
    auto message = world.message(world.consumer(), world.provider().address(), 1, next, next);
    const Answer answer = runner.ask(message.request);
    (*ledger)->set_checkpoint(nullptr);
    const auto audited = audit(**ledger);
    ASSERT_TRUE(audited.ok() && audited->balanced());
    if (!failed) {
      EXPECT_NE(promise_in(answer), nullptr);
      EXPECT_EQ(audited->promised_to_providers, next);
      break;
    }
    ++points;
    EXPECT_EQ(cause_in(answer), Cause::Internal);
    EXPECT_EQ(audited->promised_to_providers, promised);
    // The same request succeeds as soon as the disk does.
    ASSERT_NE(promise_in(runner.ask(message.request)), nullptr);
    ASSERT_TRUE(std::holds_alternative<Done>(
        runner.ask(RevealRequest{to_bytes(message.r.bytes()), world.provider().address()})));
    promised = next;
  }
  EXPECT_EQ(points, 4u) << "three rows and the commit";
}

TEST(HermesLedger, ACorruptFileIsNeverReplacedByAnEmptyLedger) {
  const Folder folder;
  { ASSERT_TRUE(HermesLedger::open(folder.file()).ok()); }
  std::ofstream(folder.file(), std::ios::binary | std::ios::in | std::ios::out)
      << "this is no database any more, it only has the name of one";
  const auto ledger = HermesLedger::open(folder.file());
  ASSERT_FALSE(ledger.ok());
  EXPECT_EQ(ledger.error().code, Errc::Malformed);
  EXPECT_TRUE(std::ifstream(folder.file()).good());
}

}  // namespace myst::test
