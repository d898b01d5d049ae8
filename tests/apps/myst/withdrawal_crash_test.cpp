// An identity withdraws what is in its channel, and its node is killed at every point where it or
// its Hermes writes or sends. The next life of the node goes on by itself: the owner asks again
// only when nothing of the order was on the disk. The chain is memory that survives.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <variant>

#include "core/base/text.hpp"
#include "core/money/treasury.hpp"
#include "core/payment/payment_check.hpp"
#include "core/payment/signed_requests.hpp"
#include "drivers/storage/hermes_ledger.hpp"
#include "drivers/storage/schema.hpp"
#include "drivers/storage/store.hpp"
#include "tests/support/hermes_world.hpp"
#include "tests/support/kill_points.hpp"

namespace myst::test {
namespace {

using namespace core::money;  // NOLINT: every action is from there
using std::chrono::seconds;

constexpr std::uint64_t kChain = HermesWorld::kChain;
constexpr std::uint64_t kFee = 7, kPurse = 5000;

struct Outside {
  std::uint64_t lives, orders;
  bool told;                                // the owner, that it is on its way
  std::uint64_t settled, payouts, refused;  // the contract's
  std::uint8_t settled_with[32];
  std::uint64_t tasks;  // of the transactor
  char failure[120];
};

class Life {
 public:
  // `locked`: a later life has no key, unless the owner has to ask again.
  Life(const std::string& folder, Outside& outside, bool locked)
      : outside_(outside), folder_(folder), locked_(locked) {}

  bool run() {
    ++outside_.lives;
    auto ledger = storage::HermesLedger::open(folder_ + "/hermes.db");
    auto mine =
        storage::Database::open_or_fail(folder_ + "/node.db", nullptr, storage::migrations());
    if (!ledger.ok() || !mine.ok()) return fail("a database does not open");
    parties_.fund(*key_, Wei(kPurse));
    HermesRunner hermes(parties_, **ledger);
    hermes_ = &hermes;
    storage::Tables tables(*mine);
    tables_ = &tables;
    Treasury treasury(config(), rng_);
    treasury_ = &treasury;
    treasury.start(now_);
    work();
    const bool goes_on_alone = locked_ && outside_.told;
    if (!goes_on_alone) treasury.handle_unlocked(now_, key_);
    pass();
    // Without a trace of the order its owner saw it fail.
    const auto own = tables.money.own_payment(key_->address());
    if (!own.ok()) return fail("own payments");
    if (!*own) {
      if (outside_.told) return fail("told and forgotten");
      ++outside_.orders;
      treasury.withdraw(now_, {1, key_->address(), {}, kChain, kChain, wallet_, {}});
      pass();
    }
    return outside_.failure[0] == 0;
  }

 private:
  bool fail(const char* why) {
    std::snprintf(outside_.failure, sizeof outside_.failure, "%s", why);
    return false;
  }
  Treasury::Config config() const {
    Treasury::Config out;
    const auto terms = parties_.terms();
    const auto* at = terms.chain(kChain);
    out.settler.chain = {
        kChain, at->registry, at->hermes, at->channel_implementation, {at->hermes}};
    out.chains = {out.settler.chain};
    return out;
  }
  void pass() {
    for (int i = 0; i < 12; ++i) {
      work();
      now_.instant += seconds{10};
      treasury_->handle_timeout(now_);
    }
    work();
  }
  void work() {
    for (;;) {
      if (auto action = treasury_->poll_action()) {
        std::visit([this](auto& a) { treasury_->handle_action_done(now_, a.id, execute(a)); },
                   *action);
      } else if (auto event = treasury_->poll_event()) {
        const auto* done = std::get_if<SettleDone>(&*event);
        if (done == nullptr) continue;
        if (!done->ok) (void)fail(done->reason.c_str());
        on_its_way();
        outside_.told = true;
      } else {
        return;
      }
    }
  }
  Result<Outcome> stored(const Status& status) {
    if (!status.ok()) return status.error();
    return Outcome(Done{});
  }
  template <typename T>
  Result<Outcome> read(Result<T> value) {
    if (!value.ok()) return value.error();
    return Outcome(std::move(*value));
  }

  // --- Hermes

  Result<Outcome> ask(core::hermes::Request request) {
    on_its_way();
    auto answer = std::make_shared<const core::hermes::Answer>(hermes_->ask(std::move(request)));
    on_its_way();  // back
    return Outcome(std::move(answer));
  }
  Result<Outcome> execute(CallHermes& a) {
    if (auto* call = std::get_if<AskPromise>(&a.call)) {
      return ask(request_of(*call));
    }
    if (auto* call = std::get_if<AskConsumerData>(&a.call)) {
      return ask(core::hermes::ConsumerDataRequest{call->identity});
    }
    if (auto* call = std::get_if<AskProviderData>(&a.call)) {
      return ask(core::hermes::ProviderDataRequest{call->identity});
    }
    return Error{Errc::Unsupported, 0, "not in this story"};
  }
  Result<Outcome> execute(FindOperator&) { return Outcome(parties_.operator_key().address()); }
  Result<Outcome> execute(FindFee&) { return Outcome(core::money::Fee{Wei(kFee), {}}); }

  // --- chain and transactor

  Result<Outcome> execute(ReadChannel& a) {
    return Outcome(ChannelAmounts{a.withdrawal ? Wei(outside_.settled) : Wei(), {}, {}});
  }
  Result<Outcome> execute(FindChannel& a) {
    return Outcome(parties_.channel_of(a.identity, a.chain));
  }
  Result<Outcome> execute(ReadPurse&) { return Outcome(Purse{Wei(kPurse), {}, true}); }
  // As payAndSettle: once for each amount, to whom the owner signed for. A second task for what is
  // paid already fails.
  Result<Outcome> execute(CallTransactor& a) {
    on_its_way();
    const auto& call = std::get<PayAndSettle>(a.call);
    const payment::Promise& promise = call.body.promise.promise;
    const auto signer = payment::recover_promise_signer(promise, call.body.promise.signature);
    payment::WithdrawalTerms terms{kChain, promise.channel, promise.amount, {}, call.beneficiary};
    const ByteSpan r = call.body.r.bytes();
    std::copy(r.begin(), r.end(), terms.r.begin());
    const auto owner = payment::recover_terms_signer(terms, call.signature);
    if (!signer.ok() || *signer != parties_.operator_key().address() || !owner.ok() ||
        *owner != key_->address() || call.beneficiary != wallet_ ||
        payment::hashlock_of(r) != promise.hashlock) {
      (void)fail("a withdrawal that the contract refuses");
    }
    ++outside_.tasks;
    const std::uint64_t amount = small(promise.amount);
    if (amount > outside_.settled) {
      outside_.payouts += amount - outside_.settled;
      outside_.settled = amount;
      std::copy(r.begin(), r.end(), outside_.settled_with);
      on_its_way();
      return Outcome(Queued{"paid"});
    }
    ++outside_.refused;
    on_its_way();
    return Outcome(Queued{"failed"});
  }
  Result<Outcome> execute(ReadQueue& a) {
    const bool good = a.queue_id == "paid";
    return Outcome(QueueEntry{a.queue_id, "", good ? "" : "it would revert",
                              good ? QueueState::Done : QueueState::Failed});
  }
  Result<Outcome> execute(FindSettlements& a) {
    std::vector<SettlementRecord> out;
    if (equal_constant_time(a.r.bytes(), ByteSpan(outside_.settled_with, 32))) {
      out.emplace_back();
      out.back().transaction[0] = 1;
      out.back().amount = Wei(outside_.payouts);
    }
    return Outcome(std::move(out));
  }

  // --- disk

  Result<Outcome> execute(LoadPromises&) { return read(tables_->promises.all()); }
  Result<Outcome> execute(LoadClaims& a) { return read(tables_->promises.claims(a.provider)); }
  Result<Outcome> execute(StorePromise& a) {
    return stored(tables_->promises.put(a.promise, a.claimed, now_.wall));
  }
  Result<Outcome> execute(StoreSettlement& a) { return stored(tables_->settlements.put(a.record)); }
  Result<Outcome> execute(StoreOwnPayment& a) {
    return stored(
        tables_->money.put_payment(a.record, a.chain, a.hermes, a.grand_total, &a.withdrawal));
  }
  Result<Outcome> execute(LoadOwnPayment& a) {
    const auto one = tables_->money.own_payment(a.provider);
    if (!one.ok()) return one.error();
    std::vector<Claim> own;
    if (*one) {
      own.push_back({a.provider, (*one)->agreement, (*one)->total, (*one)->message, (*one)->r});
    }
    return Outcome(std::move(own));
  }
  Result<Outcome> execute(LoadPromised& a) {
    return read(tables_->money.grand_total(a.chain, a.identity, a.hermes));
  }
  Result<Outcome> execute(StoreWithdrawal& a) {
    return stored(tables_->withdrawals.put(a.withdrawal));
  }
  Result<Outcome> execute(EndWithdrawal& a) {
    return stored(tables_->withdrawals.remove(a.provider));
  }
  Result<Outcome> execute(LoadWithdrawals&) { return read(tables_->withdrawals.all()); }
  template <typename Action>
  Result<Outcome> execute(Action&) {
    return Error{Errc::Unsupported, 0, "not in this story"};
  }

  Outside& outside_;
  std::string folder_;
  bool locked_;
  HermesWorld parties_;
  std::shared_ptr<const LocalSigner> key_ =
      std::make_shared<const LocalSigner>(parties_.consumer());
  const Address wallet_ = parties_.provider(9).address();
  SeededRng rng_{2000 + outside_.lives};
  Now now_{Instant{} + seconds{100},
           WallTime{} + seconds{1700000000 + static_cast<std::int64_t>(outside_.lives) * 1000}};
  HermesRunner* hermes_ = nullptr;
  storage::Tables* tables_ = nullptr;
  Treasury* treasury_ = nullptr;
};

void kill_everywhere(bool locked) {
  auto* outside = static_cast<Outside*>(shared_memory(sizeof(Outside)));
  ASSERT_NE(outside, nullptr);
  const std::string place = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  std::size_t kills = 0, gone_on = 0;
  for (std::size_t point = 0;; ++point) {
    SCOPED_TRACE("point " + std::to_string(point));
    std::string name = place + "/myst-withdrawal-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    *outside = Outside{};
    const auto life = [&] { return Life(name, *outside, locked).run(); };
    const RunEnd first = run_until_point(point, life);
    ASSERT_NE(first, RunEnd::Failed) << outside->failure;
    if (first == RunEnd::Killed) {
      ++kills;
      const bool paid_before = outside->payouts != 0;
      ASSERT_EQ(run_until_point(1000000, life), RunEnd::Completed) << outside->failure;
      if (!paid_before && outside->orders == 1) ++gone_on;
    }
    // Everything, once, to the owner's wallet.
    EXPECT_EQ(outside->payouts, kPurse);
    EXPECT_EQ(outside->settled, kPurse);
    {
      auto mine =
          storage::Database::open_or_fail(name + "/node.db", nullptr, storage::migrations());
      ASSERT_TRUE(mine.ok());
      const auto history = storage::SettlementStore(*mine).list({}, 10, 0);
      ASSERT_TRUE(history.ok());
      ASSERT_EQ(history->total, 1u);
      EXPECT_EQ(history->items[0].error, "");
      EXPECT_EQ(history->items[0].amount, Wei(kPurse));
      const auto open = storage::WithdrawalStore(*mine).all();
      ASSERT_TRUE(open.ok());
      EXPECT_TRUE(open->empty());
    }
    {
      auto ledger = storage::HermesLedger::open(name + "/hermes.db");
      ASSERT_TRUE(ledger.ok());
      const auto audit = core::hermes::audit(**ledger);
      ASSERT_TRUE(audit.ok());
      EXPECT_TRUE(audit->balanced()) << audit->faults.front();
      EXPECT_EQ(small(audit->promised_to_providers), kPurse);
    }
    (void)std::system(("rm -rf " + name).c_str());
    if (testing::Test::HasFailure() || first == RunEnd::Completed) break;
  }
  EXPECT_GT(kills, 25u) << "the points were not found";
  EXPECT_GT(gone_on, 5u) << "nothing went on by itself";
}

TEST(WithdrawalCrash, GoesOnByItselfAndPaysOnceWhereverTheProcessIsKilled) {
  kill_everywhere(false);
}

// Once the owner was told, the next life needs no key.
TEST(WithdrawalCrash, WhatItsOwnerWasToldGoesOnWhileTheIdentityIsLocked) { kill_everywhere(true); }

}  // namespace
}  // namespace myst::test
