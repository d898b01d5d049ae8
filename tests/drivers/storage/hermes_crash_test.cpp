// The process that keeps the ledger is killed at every point where it writes.
#include <gtest/gtest.h>

#include <cstdlib>

#include "drivers/storage/hermes_ledger.hpp"
#include "tests/support/hermes_world.hpp"
#include "tests/support/kill_points.hpp"

namespace myst::test {
namespace {

using namespace core::hermes;  // NOLINT: every second word here is from there
using storage::HermesLedger;

constexpr std::uint64_t kStep = 10;
constexpr std::uint64_t kPayments = 3;  // a run

// What the outside world was told.
struct Told {
  std::uint64_t promised;  // amount of the last promise that was answered
  Digest32 hashlock;       // of it
  Signature signature;     // of it
  std::uint64_t revealed;  // amount of the last promise whose reveal was answered
  std::uint64_t starts;
};

HermesWorld::Message payment(std::uint64_t amount) {
  // The same amount gives the same message, whichever process makes it.
  HermesWorld world(amount);
  return world.message(world.consumer(), world.provider().address(), 1, amount, amount);
}

// A hub's life: opens the ledger, goes on where the ledger says it is.
bool run_hub(const std::string& path, Told* told) {
  ++told->starts;
  auto ledger = HermesLedger::open(path);
  if (!ledger.ok()) return false;
  HermesWorld world;
  world.fund(world.consumer(), 1u << 30);
  HermesRunner runner(world, **ledger);
  const std::uint64_t end = told->revealed + kPayments * kStep;
  for (std::uint64_t amount = told->revealed + kStep; amount <= end; amount += kStep) {
    const auto message = payment(amount);
    const Answer answer = runner.ask(message.request);
    const SignedPromise* promise = promise_in(answer);
    if (promise == nullptr || promise->promise.amount != Wei(amount)) return false;
    // Told once before the kill, and now again: it must be the very same promise.
    if (told->promised == amount && told->signature != promise->signature) return false;
    told->signature = promise->signature;
    told->hashlock = promise->promise.hashlock;
    told->promised = amount;
    const Answer revealed =
        runner.ask(RevealRequest{to_bytes(message.r.bytes()), world.provider().address()});
    if (!std::holds_alternative<Done>(revealed)) return false;
    told->revealed = amount;
  }
  return true;
}

TEST(HermesCrash, NoAnsweredPromiseIsMissingWhereverTheHubIsKilled) {
  char name[] = "/tmp/myst-crash-XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  const std::string folder = name, path = folder + "/hermes.db";
  auto* told = static_cast<Told*>(shared_memory(sizeof(Told)));
  ASSERT_NE(told, nullptr);
  std::size_t kills = 0;
  for (std::size_t point = 0;; ++point) {
    const RunEnd end = run_until_point(point, [&] { return run_hub(path, told); });
    ASSERT_NE(end, RunEnd::Failed) << "at point " << point;
    if (end == RunEnd::Killed) ++kills;
    const auto ledger = HermesLedger::open(path);
    ASSERT_TRUE(ledger.ok()) << "at point " << point;
    const auto audited = audit(**ledger);
    ASSERT_TRUE(audited.ok());
    ASSERT_TRUE(audited->balanced()) << audited->faults.front() << " at point " << point;
    ASSERT_GE(audited->promised_to_providers, Wei(told->promised)) << "at point " << point;
    ASSERT_LE(audited->promised_to_providers, Wei(told->promised + kStep)) << "at point " << point;
    ASSERT_GE(audited->cashable, Wei(told->revealed)) << "at point " << point;
    if (end == RunEnd::Completed) break;
  }
  EXPECT_GT(kills, 20u) << "the points were not found";
  EXPECT_GT(told->revealed, 5 * kStep);
  (void)std::system(("rm -rf " + folder).c_str());
}

}  // namespace
}  // namespace myst::test
