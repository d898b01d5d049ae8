// A consumer, a provider and their Hermes, each with its database, in one process that is killed at
// every point where any of them writes or sends; the chain is memory that survives. Whatever was
// reached, the next life goes on, and then everything has to add up.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <variant>

#include "core/base/text.hpp"
#include "core/money/treasury.hpp"
#include "core/payment/invoice_payer.hpp"
#include "core/payment/invoice_tracker.hpp"
#include "drivers/storage/hermes_ledger.hpp"
#include "drivers/storage/schema.hpp"
#include "drivers/storage/store.hpp"
#include "tests/support/hermes_world.hpp"
#include "tests/support/kill_points.hpp"

namespace myst::test {
namespace {

using namespace core::money;  // NOLINT: every action is from there
using core::InvoicePayer;
using core::InvoiceTracker;
using std::chrono::seconds;

constexpr std::uint64_t kChain = HermesWorld::kChain;
constexpr std::uint64_t kFee = 7, kHermesFee = 3;

// What the outside world saw, and the chain. Survives every kill.
struct World {
  std::uint64_t lives;
  std::uint64_t sent;              // the highest promise that left the consumer
  std::uint64_t paid;              // agreement total of it; in this agreement
  std::uint64_t acknowledged;      // what the provider said it earned, over all agreements
  std::uint64_t acknowledged_now;  // of that, in the agreement of this life
  std::uint64_t settled, payouts, transactions;  // the contract's
  std::uint8_t settled_with[32];                 // R of the last settlement
  int twice;                                     // promises that were signed for two amounts
  char failure[120];
};

class Life {
 public:
  Life(const std::string& folder, World& world) : world_(world), folder_(folder) {}

  bool run() {
    ++world_.lives;
    world_.acknowledged += world_.acknowledged_now;
    world_.acknowledged_now = world_.paid = 0;
    auto ledger = storage::HermesLedger::open(folder_ + "/hermes.db");
    auto mine =
        storage::Database::open_or_fail(folder_ + "/provider.db", nullptr, storage::migrations());
    auto theirs =
        storage::Database::open_or_fail(folder_ + "/consumer.db", nullptr, storage::migrations());
    if (!ledger.ok() || !mine.ok() || !theirs.ok()) return fail("a database does not open");
    parties_.fund(parties_.consumer(), Wei(1u << 30));
    HermesRunner hermes(parties_, **ledger);
    hermes_ = &hermes;
    storage::Tables provider_tables(*mine), consumer_tables(*theirs);
    provider_ = &provider_tables;
    consumer_ = &consumer_tables;
    Treasury treasury(config(), rng_);
    treasury_ = &treasury;
    treasury.start(now_);
    work();
    treasury.handle_unlocked(now_, provider_key_);
    work();
    if (!session()) return false;
    treasury.settle(now_, {1, provider_key_->address(), {}, false, {}});
    for (int i = 0; i < 20; ++i) {
      work();
      now_.instant += seconds{10};
      treasury.handle_timeout(now_);
    }
    return world_.failure[0] == 0;
  }

 private:
  bool fail(const char* why) {
    std::snprintf(world_.failure, sizeof world_.failure, "%s", why);
    return false;
  }
  core::ChainConfig chain() const {
    const auto terms = parties_.terms();
    const auto* at = terms.chain(kChain);
    return {true, kChain, at->registry, at->hermes, at->channel_implementation};
  }
  Treasury::Config config() const {
    Treasury::Config out;
    const auto at = chain();
    out.settler.chain = {kChain, at.registry, at.hermes, at.channel_implementation, {at.hermes}};
    return out;
  }

  // --- a session of some seconds

  bool session() {
    InvoiceTracker::Config sell;
    sell.chain = chain();
    sell.provider = provider_key_->address();
    sell.consumer = parties_.consumer().address();
    sell.hermes = sell.chain.hermes;
    sell.session_id = "session";
    sell.price.per_gib = Wei(1u << 30);
    sell.price.per_hour = Wei(3600u);
    InvoicePayer::Config buy;
    buy.chain = sell.chain;
    buy.provider = sell.provider;
    buy.hermes = sell.hermes;
    buy.price = sell.price;
    const core::GrandTotals::Key key{kChain, sell.consumer, sell.hermes};
    if (!totals_.load(key, promised_before(sell.consumer, sell.hermes))) return fail("no total");
    InvoiceTracker tracker(sell, rng_, now_);
    InvoicePayer payer(buy, std::make_shared<LocalSigner>(parties_.consumer()), totals_, now_);
    tracker_ = &tracker;
    payer_ = &payer;
    for (std::uint64_t s = 1; s <= 12; ++s) {
      trade();
      now_.instant += seconds{1};
      tracker.handle_data(now_, 0, s * 1000);
      payer.handle_data(0, s * 1000);
      tracker.handle_timeout(now_);
      payer.handle_timeout(now_);
    }
    trade();
    if (tracker.failed() || payer.failed()) return fail("the session failed");
    return world_.failure[0] == 0;
  }
  // As apps/myst/treasurer: our own books, and what Hermes knows.
  Wei promised_before(const Address& consumer, const Address& hermes) {
    const auto answer = hermes_->ask(core::hermes::ConsumerDataRequest{consumer});
    if (const auto* all = std::get_if<std::vector<core::hermes::AccountData>>(&answer)) {
      for (const auto& one : *all) {
        if (one.chain != kChain) continue;
        (void)consumer_->money.raise_grand_total(kChain, consumer, hermes,
                                                 one.latest.promise.amount);
      }
    }
    return *consumer_->money.grand_total(kChain, consumer, hermes);
  }
  void trade() {
    for (bool any = true; any;) {
      any = false;
      while (auto action = tracker_->poll_action()) {
        any = true;
        sell(*action);
      }
      while (auto action = payer_->poll_action()) {
        any = true;
        buy(*action);
      }
      work();
    }
  }
  void sell(InvoiceTracker::Action& action) {
    if (auto* store = std::get_if<InvoiceTracker::Store>(&action)) {
      tracker_->handle_stored(now_, store->token, provider_->money.put_invoice(store->record));
    } else if (auto* send = std::get_if<InvoiceTracker::Send>(&action)) {
      on_its_way();
      tracker_->handle_sent(now_, send->token,
                            payer_->handle_invoice(now_, send->invoice.encode()));
    } else if (auto* kept = std::get_if<InvoiceTracker::StoreAccepted>(&action)) {
      tracker_->handle_accepted_stored(now_, kept->token,
                                       provider_->money.put_accepted(kept->record));
    } else if (auto* earned = std::get_if<InvoiceTracker::Earned>(&action)) {
      world_.acknowledged_now = small(earned->total);
    } else if (auto* ask = std::get_if<InvoiceTracker::AskHermes>(&action)) {
      treasury_->submit(now_, {0, provider_key_->address(), ask->message, ask->r, ask->agreement});
      tracker_->handle_hermes(now_, ask->token, {});
    }
  }
  void buy(InvoicePayer::Action& action) {
    if (auto* store = std::get_if<InvoicePayer::Store>(&action)) {
      const auto at = chain();
      payer_->handle_stored(
          now_, store->token,
          consumer_->money.put_payment(store->record, kChain, at.hermes, store->grand_total));
      Now later = now_;
      later.instant += seconds{1};
      payer_->handle_timeout(later);
    } else if (auto* send = std::get_if<InvoicePayer::Send>(&action)) {
      on_its_way();
      const auto payment = core::parse_payment(send->message);
      const std::uint64_t amount = small(payment->promise.amount);
      const std::uint64_t total = small(payment->message.agreement_total);
      // A larger promise for more, or nothing new at all.
      if (amount < world_.sent || (amount == world_.sent && total != world_.paid)) ++world_.twice;
      world_.sent = amount;
      world_.paid = total;
      (void)tracker_->handle_exchange(now_, send->message);
    }
  }

  // --- what the treasury wants

  void work() {
    for (;;) {
      if (auto action = treasury_->poll_action()) {
        std::visit([this](auto& a) { treasury_->handle_action_done(now_, a.id, execute(a)); },
                   *action);
      } else if (!treasury_->poll_event()) {
        return;
      }
    }
  }
  Result<Outcome> stored(const Status& status) {
    if (!status.ok()) return status.error();
    return Outcome(Done{});
  }
  Result<Outcome> ask(core::hermes::Request request) {
    on_its_way();
    auto answer = std::make_shared<const core::hermes::Answer>(hermes_->ask(std::move(request)));
    on_its_way();  // back
    return Outcome(std::move(answer));
  }
  Result<Outcome> execute(CallHermes& a) {
    return std::visit([&](auto& call) { return serve(call); }, a.call);
  }
  Result<Outcome> serve(AskPromise& call) { return ask(request_of(call)); }
  Result<Outcome> serve(RevealR& call) {
    return ask(core::hermes::RevealRequest{call.r, call.provider});
  }
  Result<Outcome> serve(ChangeFee& call) {
    return ask(
        core::hermes::ChangeFeeRequest{call.promise, to_bytes(call.r.bytes()), call.new_fee});
  }
  Result<Outcome> serve(SyncPromise& call) {
    return ask(core::hermes::SyncRequest{provider_key_->address(), call.promise});
  }
  Result<Outcome> serve(RefreshPromise& call) {
    return ask(core::hermes::RefreshRequest{call.identity, call.chain, call.identity, call.hashlock,
                                            call.recovery});
  }
  Result<Outcome> serve(AskConsumerData& call) {
    return ask(core::hermes::ConsumerDataRequest{call.identity});
  }
  Result<Outcome> serve(AskProviderData& call) {
    return ask(core::hermes::ProviderDataRequest{call.identity});
  }
  Result<Outcome> execute(FindOperator&) { return Outcome(parties_.operator_key().address()); }
  Result<Outcome> execute(FindFee&) { return Outcome(core::money::Fee{Wei(kFee), {}}); }
  Result<Outcome> execute(ReadChannel&) {
    return Outcome(ChannelAmounts{Wei(world_.settled), {}, {}});
  }
  Result<Outcome> execute(ReadHermesFee&) { return Outcome(Wei(kHermesFee)); }
  Result<Outcome> execute(CheckOwnChannel&) { return Outcome(Yes{false}); }
  Result<Outcome> execute(ReadBeneficiary&) { return Outcome(parties_.provider(9).address()); }
  // The contract: pays what the promise is above what was settled, once, to who shows R.
  Result<Outcome> execute(CallTransactor& a) {
    on_its_way();
    const auto& settle = std::get<Settle>(a.call);
    const payment::Promise& promise = settle.body.promise.promise;
    const auto signer = payment::recover_promise_signer(promise, settle.body.promise.signature);
    if (!signer.ok() || *signer != parties_.operator_key().address() ||
        payment::hashlock_of(settle.body.r.bytes()) != promise.hashlock) {
      (void)fail("a settlement that the contract refuses");
      return Error{Errc::Rejected, 0, "refused"};
    }
    const std::uint64_t amount = small(promise.amount);
    if (amount <= world_.settled) {
      (void)fail("a settlement of nothing new");
      return Error{Errc::Rejected, 0, "refused"};
    }
    world_.payouts += amount - world_.settled;
    world_.settled = amount;
    ++world_.transactions;
    const ByteSpan r = settle.body.r.bytes();
    std::copy(r.begin(), r.end(), world_.settled_with);
    on_its_way();
    return Outcome(Queued{"q"});
  }
  Result<Outcome> execute(ReadQueue&) { return Outcome(QueueEntry{"q", "", "", QueueState::Done}); }
  Result<Outcome> execute(FindSettlements& a) {
    std::vector<SettlementRecord> out;
    if (equal_constant_time(a.r.bytes(), ByteSpan(world_.settled_with, 32))) {
      out.emplace_back();
      out.back().transaction[0] = static_cast<std::uint8_t>(world_.transactions);
    }
    return Outcome(std::move(out));
  }
  Result<Outcome> execute(LoadPromises&) {
    auto all = provider_->promises.all();
    if (!all.ok()) return all.error();
    return Outcome(std::move(*all));
  }
  Result<Outcome> execute(LoadClaims& a) {
    auto all = provider_->promises.claims(a.provider);
    if (!all.ok()) return all.error();
    return Outcome(std::move(*all));
  }
  Result<Outcome> execute(StorePromise& a) {
    return stored(provider_->promises.put(a.promise, a.claimed, now_.wall));
  }
  Result<Outcome> execute(StoreSettlement& a) {
    return stored(provider_->settlements.put(a.record));
  }
  Result<Outcome> execute(StoreOpenSettlement& a) {
    return stored(provider_->open_settlements.put(a.settlement));
  }
  Result<Outcome> execute(EndOpenSettlement& a) {
    return stored(provider_->open_settlements.remove(a.chain, a.provider, a.hermes, a.amount));
  }
  Result<Outcome> execute(LoadOpenSettlements&) {
    auto all = provider_->open_settlements.all();
    if (!all.ok()) return all.error();
    return Outcome(std::move(*all));
  }
  Result<Outcome> execute(LoadPayoutWallet&) { return Outcome(Address()); }
  template <typename Action>
  Result<Outcome> execute(Action&) {
    return Error{Errc::Unsupported, 0, "not in this story"};
  }

  World& world_;
  std::string folder_;
  HermesWorld parties_;
  std::shared_ptr<const LocalSigner> provider_key_ =
      std::make_shared<const LocalSigner>(parties_.provider());
  SeededRng rng_{1000 + world_.lives};
  Now now_{Instant{} + seconds{100},
           WallTime{} + seconds{1700000000 + static_cast<std::int64_t>(world_.lives) * 1000}};
  core::GrandTotals totals_;
  HermesRunner* hermes_ = nullptr;
  storage::Tables* provider_ = nullptr;
  storage::Tables* consumer_ = nullptr;
  Treasury* treasury_ = nullptr;
  InvoiceTracker* tracker_ = nullptr;
  InvoicePayer* payer_ = nullptr;
};

TEST(MoneyCrash, NothingIsLostOrPaidTwiceWhereverTheProcessIsKilled) {
  auto* world = static_cast<World*>(shared_memory(sizeof(World)));
  ASSERT_NE(world, nullptr);
  // Memory where there is some: the power stays on here (power_cut_test has that case).
  std::string place = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  std::size_t kills = 0;
  for (std::size_t point = 0;; ++point) {
    SCOPED_TRACE("point " + std::to_string(point));
    std::string name = place + "/myst-money-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    *world = World{};
    const auto life = [&] { return Life(name, *world).run(); };
    const RunEnd first = run_until_point(point, life);
    ASSERT_NE(first, RunEnd::Failed) << world->failure;
    if (first == RunEnd::Killed) {
      ++kills;
      ASSERT_EQ(run_until_point(1000000, life), RunEnd::Completed) << world->failure;
    }
    EXPECT_EQ(world->twice, 0) << "a consumer signed one amount twice";
    const std::uint64_t acknowledged = world->acknowledged + world->acknowledged_now;
    EXPECT_GE(acknowledged, 12000u);
    // What the provider said it earned is settled, to the wei, and paid out once.
    EXPECT_EQ(world->settled, world->payouts);
    EXPECT_GE(world->settled, acknowledged);
    EXPECT_LE(world->settled, world->sent);
    EXPECT_LE(world->transactions, world->lives);
    {
      // Each settlement has its line in the history, also one that a kill followed.
      auto mine =
          storage::Database::open_or_fail(name + "/provider.db", nullptr, storage::migrations());
      ASSERT_TRUE(mine.ok());
      const auto history = storage::SettlementStore(*mine).list({}, 10, 0);
      ASSERT_TRUE(history.ok());
      EXPECT_EQ(history->total, world->transactions);
      const auto open = storage::OpenSettlementStore(*mine).all();
      ASSERT_TRUE(open.ok());
      EXPECT_TRUE(open->empty()) << "a settlement that is over is still followed";
    }
    {
      auto ledger = storage::HermesLedger::open(name + "/hermes.db");
      ASSERT_TRUE(ledger.ok());
      const auto audit = core::hermes::audit(**ledger);
      ASSERT_TRUE(audit.ok());
      EXPECT_TRUE(audit->balanced()) << audit->faults.front();
      EXPECT_EQ(small(audit->promised_to_providers), world->settled);
      // Every R is known to Hermes: it can cash all that it promised.
      EXPECT_EQ(audit->revealed_to_providers, audit->promised_to_providers);
    }
    (void)std::system(("rm -rf " + name).c_str());
    if (HasFailure() || first == RunEnd::Completed) break;
  }
  EXPECT_GT(kills, 60u) << "the points were not found";
  RecordProperty("points", static_cast<int>(kills));
}

}  // namespace
}  // namespace myst::test
