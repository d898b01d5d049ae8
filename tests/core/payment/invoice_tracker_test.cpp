#include "core/payment/invoice_tracker.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "core/payment/invoice_payer.hpp"
#include "tests/support/support.hpp"

namespace myst::core {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// A provider's tracker and, for its answers, a real payer.
struct Rig {
  test::SeededRng rng{1};
  Now now{Instant{} + seconds{100}, WallTime{} + seconds{1000}};
  std::shared_ptr<LocalSigner> consumer = std::make_shared<LocalSigner>(LocalSigner::make(rng));
  LocalSigner provider = LocalSigner::make(rng);
  GrandTotals totals;
  InvoiceTracker::Config config;
  std::optional<InvoiceTracker> tracker;
  std::optional<InvoicePayer> payer;
  std::size_t invoices = 0, accepted_stored = 0;
  bool first_paid = false;
  std::optional<Error> failed;
  bool answer_invoices = true, pay = true;
  Status disk;

  void start() {
    config.provider = provider.address();
    config.consumer = consumer->address();
    tracker.emplace(config, rng, now);
    (void)totals.load({0, consumer->address(), config.hermes}, Wei{});
    payer.emplace(InvoicePayer::Config{config.chain, config.payment, config.provider, config.hermes,
                                       config.price},
                  consumer, totals, now);
    drain();
  }
  void drain() {
    while (auto action = tracker->poll_action()) {
      if (auto* a = std::get_if<InvoiceTracker::Store>(&*action)) {
        tracker->handle_stored(now, a->token, disk);
      } else if (auto* b = std::get_if<InvoiceTracker::Send>(&*action)) {
        ++invoices;
        if (!answer_invoices) {
          tracker->handle_sent(now, b->token, Error{Errc::Timeout, 0, "test"});
          continue;
        }
        tracker->handle_sent(now, b->token, {});
        if (pay) answer(b->invoice);
      } else if (auto* c = std::get_if<InvoiceTracker::StoreAccepted>(&*action)) {
        ++accepted_stored;
        tracker->handle_accepted_stored(now, c->token, disk);
      } else if (std::holds_alternative<InvoiceTracker::FirstPaid>(*action)) {
        first_paid = true;
      } else if (auto* f = std::get_if<InvoiceTracker::Failed>(&*action)) {
        failed = f->why;
      }
    }
  }
  void answer(const pb::Invoice& invoice) {
    ASSERT_TRUE(payer->handle_invoice(now, invoice.encode()).ok());
    while (auto action = payer->poll_action()) {
      if (auto* store = std::get_if<InvoicePayer::Store>(&*action)) {
        payer->handle_stored(now, store->token, {});
        Now later = now;
        later.instant += config.payment.consumer_pause;
        payer->handle_timeout(later);
      } else if (auto* send = std::get_if<InvoicePayer::Send>(&*action)) {
        EXPECT_TRUE(tracker->handle_exchange(now, send->message).ok());
      }
    }
  }
  void advance(Duration by) {
    const Instant end = now.instant + by;
    for (int turns = 0; turns < 100000; ++turns) {
      const auto due = tracker->next_timeout();
      if (!due || *due > end) break;
      now.instant = std::max(now.instant, *due);
      tracker->handle_timeout(now);
      drain();
    }
    now.instant = end;
    tracker->handle_timeout(now);
    drain();
  }
};

TEST(InvoiceTracker, AFreeSessionIsInvoicedPaidAndLeftAloneMoreAndMore) {
  Rig rig;
  rig.start();
  EXPECT_EQ(rig.invoices, 1u);
  EXPECT_TRUE(rig.first_paid);
  rig.advance(seconds{5});
  EXPECT_EQ(rig.invoices, 2u);
  rig.advance(minutes{60});
  const std::size_t after_an_hour = rig.invoices;
  rig.advance(minutes{60});
  EXPECT_EQ(rig.invoices - after_an_hour, 12u);  // every five minutes
  EXPECT_FALSE(rig.failed);
}

TEST(InvoiceTracker, PaymentsThatPromiseNothingNewAreNotStoredAgain) {
  Rig free;
  free.start();
  free.advance(minutes{30});
  EXPECT_GT(free.invoices, 5u);
  EXPECT_EQ(free.accepted_stored, 1u);
  EXPECT_FALSE(free.failed);
  Rig paid;
  paid.config.price.per_hour = Wei{3'600'000'000};
  paid.start();
  paid.advance(minutes{30});
  EXPECT_EQ(paid.accepted_stored, paid.invoices);
  EXPECT_FALSE(paid.failed);
}

TEST(InvoiceTracker, NothingIsSentBeforeItIsStored) {
  Rig rig;
  rig.disk = Error{Errc::Full, 0, "disk"};
  rig.start();
  EXPECT_EQ(rig.invoices, 0u);
  EXPECT_TRUE(rig.failed);
}

TEST(InvoiceTracker, AFirstInvoiceThatIsNotPaidEndsTheSession) {
  Rig rig;
  rig.pay = false;
  rig.start();
  rig.advance(seconds{49});
  EXPECT_FALSE(rig.failed);
  rig.advance(seconds{2});
  ASSERT_TRUE(rig.failed);
  EXPECT_EQ(rig.failed->code, Errc::Timeout);
}

TEST(InvoiceTracker, AConsumerThatStopsPayingAFreeSessionIsEndedAfterTwentyFourMisses) {
  Rig rig;
  rig.start();
  rig.pay = false;
  std::size_t sent = rig.invoices;
  rig.advance(minutes{300});
  ASSERT_TRUE(rig.failed);
  EXPECT_GE(rig.invoices - sent, 24u);
}

TEST(InvoiceTracker, InvoicesThatCannotBeDeliveredEndTheSession) {
  Rig rig;
  rig.start();
  rig.answer_invoices = false;
  rig.advance(minutes{300});
  EXPECT_TRUE(rig.failed);
}

TEST(InvoiceTracker, APaidSessionStartsWithOneWeiAndFollowsTheTraffic) {
  Rig rig;
  rig.config.price = {Wei{60000000000000u}, Wei{100000000000000000u}};
  rig.start();
  EXPECT_TRUE(rig.first_paid);
  EXPECT_EQ(rig.tracker->earned(), Wei{1});
  rig.advance(seconds{6});
  EXPECT_GT(rig.tracker->earned(), Wei{1});
  // 40 MiB are 0.0039 MYST, more than may stay unpaid.
  const std::size_t before = rig.invoices;
  rig.now.instant += seconds{6};
  rig.payer->handle_data(0, 40u << 20);
  rig.tracker->handle_data(rig.now, 40u << 20, 0);
  rig.drain();
  EXPECT_EQ(rig.invoices, before + 1);
  EXPECT_GT(rig.tracker->earned(), Wei{3000000000000000u});
  rig.advance(minutes{10});
  EXPECT_FALSE(rig.failed) << rig.failed->what;
}

// Made and invoiced in the same instant: one wei all the same, so that the invoice after it is
// whole.
TEST(InvoiceTracker, TheFirstInvoiceIsOneWeiAlsoWhenNoTimeHasPassed) {
  Rig rig;
  rig.config.price = {Wei{60000000000000u}, Wei{100000000000000000u}};
  rig.config.provider = rig.provider.address();
  rig.config.consumer = rig.consumer->address();
  InvoiceTracker tracker(rig.config, rig.rng, rig.now);
  const auto first = tracker.poll_action();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(std::get<InvoiceTracker::Store>(*first).record.total, Wei{1});
}

TEST(InvoiceTracker, AnExchangeMessageOfAnotherIdentityEndsTheSession) {
  Rig rig;
  rig.pay = false;
  rig.start();
  auto stranger = std::make_shared<LocalSigner>(LocalSigner::make(rig.rng));
  (void)rig.totals.load({0, stranger->address(), rig.config.hermes}, Wei{});
  rig.payer.emplace(InvoicePayer::Config{rig.config.chain, rig.config.payment, rig.config.provider,
                                         rig.config.hermes, rig.config.price},
                    stranger, rig.totals, rig.now);
  rig.pay = true;
  rig.advance(seconds{5});
  ASSERT_TRUE(rig.failed);
  EXPECT_EQ(rig.failed->code, Errc::Rejected);
}

TEST(InvoiceTracker, LatePaymentsAndRubbishAreAnsweredButChangeNothing) {
  Rig rig;
  rig.start();
  EXPECT_FALSE(rig.tracker->handle_exchange(rig.now, as_bytes("\xff")).ok());
  pb::ExchangeMessage late;
  late.promise = pb::Promise{};
  late.promise->amount = late.promise->fee = late.agreement_id = late.agreement_total = "0";
  late.promise->hashlock = Bytes(32, 1);
  EXPECT_TRUE(rig.tracker->handle_exchange(rig.now, late.encode()).ok());
  rig.drain();
  EXPECT_FALSE(rig.failed);
}

}  // namespace
}  // namespace myst::core
