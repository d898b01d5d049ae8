// Peers that cheat, against the machines that handle money: a provider's tracker with a real Hermes
// and its ledger behind it, a consumer's payer. Each test says what we lose at most; the table in
// docs/hostile-peers.md repeats it.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/text.hpp"
#include "core/payment/invoice_payer.hpp"
#include "core/payment/invoice_tracker.hpp"
#include "core/payment/payment_message.hpp"
#include "tests/support/hermes_world.hpp"

namespace myst::test {
namespace {

using core::GrandTotals;
using core::InvoicePayer;
using core::InvoiceTracker;
namespace pb = core::pb;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint64_t kChain = HermesWorld::kChain;
constexpr std::uint64_t kBytesPerSecond = 1u << 20;
const Wei kToken{1000000000000000000u};

payment::Price price() {
  payment::Price out;
  out.per_hour = Wei{60000000000000u};
  out.per_gib = Wei{100000000000000000u};
  return out;
}

core::ChainConfig chain_of(const HermesWorld& world) {
  const auto terms = world.terms();
  const auto* chain = terms.chain(kChain);
  return {true, kChain, chain->registry, chain->hermes, chain->channel_implementation};
}

// What a consumer answers to an invoice: parts that a cheat changes before it signs.
struct Payment {
  payment::Promise promise;
  core::PaymentFor what;
  const Signer* signer = nullptr;
};

// Two ends of a market: one Hermes, its chain and ledger, and providers that sell.
struct Market {
  HermesWorld world;
  MemoryLedger ledger;
  HermesRunner hermes{world, ledger};
  std::uint64_t sessions = 5;  // each with secrets of its own

  void expect_balanced() {
    const auto audit = core::hermes::audit(ledger);
    ASSERT_TRUE(audit.ok());
    EXPECT_TRUE(audit->balanced()) << audit->faults.front();
  }
};

// One session of a provider. Traffic flows until the session is ended by the tracker; what it was
// worth less what Hermes promised is what the provider lost.
class Shop {
 public:
  using Cheat = std::function<std::vector<Bytes>(Shop&, const pb::Invoice&)>;

  Shop(Market& market, unsigned provider, Cheat cheat)
      : market_(market),
        provider_(market.world.provider(provider)),
        cheat_(std::move(cheat)),
        rng_(market.sessions++) {
    config_.chain = chain_of(market.world);
    config_.provider = provider_.address();
    config_.consumer = consumer().address();
    config_.hermes = config_.chain.hermes;
    config_.price = price();
    tracker_.emplace(config_, rng_, now_);
    drain();
  }
  const LocalSigner& consumer() const { return market_.world.consumer(); }
  const core::ChainConfig& chain() const { return config_.chain; }
  std::size_t invoices() const { return invoices_; }
  bool ended() const { return why_.has_value(); }
  std::string why() const { return why_ ? why_->what : ""; }
  const Wei& promised() const { return promised_; }

  void second() {
    now_.instant += seconds{1};
    if (ended()) return;
    bytes_ += kBytesPerSecond;
    tracker_->handle_data(now_, 0, bytes_);
    tracker_->handle_timeout(now_);
    drain();
  }
  void run(Duration time) {
    for (Duration t{}; t < time; t += seconds{1}) second();
  }
  Wei served() const {
    return payment::amount_due(seconds{bytes_ / kBytesPerSecond}, {0, bytes_}, config_.price);
  }
  Wei lost() const { return Wei::saturating_sub(served(), promised_); }

  // What an honest consumer signs; the cheat has changed it.
  Payment honest(const pb::Invoice& invoice) {
    Payment out;
    out.promise.chain_id = kChain;
    out.promise.channel = payment::to_word(market_.world.channel_of(consumer().address()));
    const Wei total = *U256::parse(invoice.agreement_total);
    amount_ = Wei::saturating_add(amount_, Wei::saturating_sub(total, last_total_));
    last_total_ = total;
    out.promise.amount = amount_;
    (void)from_hex(invoice.hashlock, out.promise.hashlock);
    out.what = {kChain, *U256::parse(invoice.agreement_id), total, provider_.address(),
                config_.hermes};
    out.signer = &consumer();
    return out;
  }
  static Bytes signed_by_cheat(const Payment& payment) {
    return core::signed_payment(*payment.signer, payment.promise, payment.what)->encode();
  }

 private:
  void drain() {
    while (auto action = tracker_->poll_action()) {
      if (auto* store = std::get_if<InvoiceTracker::Store>(&*action)) {
        tracker_->handle_stored(now_, store->token, {});
      } else if (auto* send = std::get_if<InvoiceTracker::Send>(&*action)) {
        ++invoices_;
        tracker_->handle_sent(now_, send->token, {});
        for (const Bytes& message : cheat_(*this, send->invoice)) {
          (void)tracker_->handle_exchange(now_, message);
        }
      } else if (auto* kept = std::get_if<InvoiceTracker::StoreAccepted>(&*action)) {
        tracker_->handle_accepted_stored(now_, kept->token, {});
      } else if (auto* ask = std::get_if<InvoiceTracker::AskHermes>(&*action)) {
        tracker_->handle_hermes(now_, ask->token, exchange(*ask));
      } else if (auto* failed = std::get_if<InvoiceTracker::Failed>(&*action)) {
        why_ = failed->why;
      }
    }
  }
  // As core/money's desk does: Hermes' promise, checked, then R.
  Status exchange(const InvoiceTracker::AskHermes& ask) {
    const auto parsed = core::parse_payment(ask.message);
    core::hermes::PromiseRequest request;
    request.promise.promise = parsed->promise;
    const Bytes& inner = parsed->wire.promise->signature;
    std::copy(inner.begin(), inner.end(), request.promise.signature.begin());
    request.message = parsed->message;
    (void)from_hex(parsed->wire.signature, request.message_signature);
    request.recovery_data = "00ff";
    const auto answer = market_.hermes.ask(request);
    const auto* promise = promise_in(answer);
    if (promise == nullptr) return Error{Errc::Rejected, 0, "hermes refuses"};
    const auto revealed = market_.hermes.ask(
        core::hermes::RevealRequest{to_bytes(ask.r.bytes()), provider_.address()});
    EXPECT_FALSE(cause_in(revealed));
    promised_ = promise->promise.amount;
    return {};
  }

  Market& market_;
  const LocalSigner& provider_;
  Cheat cheat_;
  SeededRng rng_;
  Now now_{Instant{} + seconds{100}, WallTime{} + seconds{1700000000}};
  InvoiceTracker::Config config_;
  std::optional<InvoiceTracker> tracker_;
  std::size_t invoices_ = 0;
  std::uint64_t bytes_ = 0;
  Wei promised_, amount_, last_total_;
  std::optional<Error> why_;
};

// The unpaid limit in force, and what flows while the last invoice may still be paid.
Wei most_a_consumer_can_take() {
  const core::PaymentConfig defaults;
  const seconds window{62};  // debounce, exchange wait, ticks of a second
  return Wei::saturating_add(defaults.max_unpaid_limit,
                             payment::amount_due(window, {0, 62 * kBytesPerSecond}, price()));
}

struct Trick {
  const char* name;
  std::function<void(Payment&)> change;
};

class HostileConsumer : public testing::TestWithParam<Trick> {};

// Honest until its fifth invoice, then this.
TEST_P(HostileConsumer, EndsTheSessionAndCostsLittle) {
  Market market;
  market.world.fund(market.world.consumer(), kToken);
  Shop shop(market, 0, [](Shop& self, const pb::Invoice& invoice) {
    Payment payment = self.honest(invoice);
    if (self.invoices() >= 5) GetParam().change(payment);
    return std::vector<Bytes>{Shop::signed_by_cheat(payment)};
  });
  shop.run(minutes{30});
  EXPECT_TRUE(shop.ended());
  EXPECT_LE(shop.lost(), most_a_consumer_can_take()) << shop.why();
  EXPECT_FALSE(shop.promised().is_zero());  // what was paid before stays ours
  market.expect_balanced();
}

const LocalSigner& stranger() {
  static SeededRng rng(99);
  static const LocalSigner key = LocalSigner::make(rng);
  return key;
}

INSTANTIATE_TEST_SUITE_P(
    Tricks, HostileConsumer,
    testing::Values(
        Trick{"promises_too_little",
              [](Payment& p) { p.promise.amount = Wei::saturating_sub(p.promise.amount, Wei(9)); }},
        Trick{"promises_nothing_new", [](Payment& p) { p.promise.amount = Wei(1); }},
        Trick{"names_another_hermes", [](Payment& p) { p.what.hermes = stranger().address(); }},
        Trick{"promises_on_another_chain", [](Payment& p) { p.promise.chain_id = 5; }},
        Trick{"writes_for_another_chain", [](Payment& p) { p.what.chain_id = 5; }},
        Trick{"pays_another_agreement", [](Payment& p) { p.what.agreement = U256(7u); }},
        Trick{"pays_another_total",
              [](Payment& p) { p.what.total = Wei::saturating_sub(p.what.total, Wei(1)); }},
        Trick{"pays_another_provider", [](Payment& p) { p.what.provider = stranger().address(); }},
        Trick{"lets_a_stranger_sign", [](Payment& p) { p.signer = &stranger(); }},
        Trick{"promises_from_a_foreign_channel",
              [](Payment& p) { p.promise.channel = payment::to_word(stranger().address()); }},
        Trick{"keeps_a_fee_for_who_cashes", [](Payment& p) { p.promise.fee = p.promise.amount; }},
        Trick{"answers_another_lock", [](Payment& p) { p.promise.hashlock[0] ^= 1; }}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(HostileConsumers, StoppingToPayCostsTheUnpaidLimit) {
  Market market;
  market.world.fund(market.world.consumer(), kToken);
  Shop shop(market, 0, [](Shop& self, const pb::Invoice& invoice) {
    if (self.invoices() >= 5) return std::vector<Bytes>{};
    return std::vector<Bytes>{Shop::signed_by_cheat(self.honest(invoice))};
  });
  shop.run(minutes{30});
  EXPECT_TRUE(shop.ended());
  EXPECT_LE(shop.lost(), most_a_consumer_can_take());
  market.expect_balanced();
}

TEST(HostileConsumers, NeverPayingAtAllGetsNoSession) {
  Market market;
  Shop shop(market, 0, [](Shop&, const pb::Invoice&) { return std::vector<Bytes>{}; });
  shop.run(minutes{5});
  EXPECT_TRUE(shop.ended());  // and session-create was never answered with success
  EXPECT_TRUE(shop.promised().is_zero());
}

// Always a minute late: the first late one ends it.
TEST(HostileConsumers, PayingLateIsNotPaying) {
  Market market;
  market.world.fund(market.world.consumer(), kToken);
  std::vector<Bytes> kept;
  Shop shop(market, 0, [&](Shop& self, const pb::Invoice& invoice) {
    kept.push_back(Shop::signed_by_cheat(self.honest(invoice)));
    std::vector<Bytes> out;
    if (self.invoices() < 5) {
      out.push_back(kept.back());
    } else if (kept.size() > 12) {
      out.push_back(kept[kept.size() - 12]);
    }
    return out;
  });
  shop.run(minutes{30});
  EXPECT_TRUE(shop.ended());
  EXPECT_LE(shop.lost(), most_a_consumer_can_take());
  market.expect_balanced();
}

TEST(HostileConsumers, StalePaymentsAndReplaysPayNothing) {
  Market market;
  market.world.fund(market.world.consumer(), kToken);
  Bytes first;
  Shop shop(market, 0, [&](Shop& self, const pb::Invoice& invoice) {
    if (first.empty()) first = Shop::signed_by_cheat(self.honest(invoice));
    return std::vector<Bytes>{first, first};
  });
  shop.run(minutes{30});
  EXPECT_TRUE(shop.ended());
  EXPECT_LE(shop.lost(), most_a_consumer_can_take());
  EXPECT_EQ(shop.promised(), Wei(1));
  // The same message in another session: nobody asked for it there.
  Shop other(market, 0, [&](Shop&, const pb::Invoice&) { return std::vector<Bytes>{first}; });
  other.run(minutes{5});
  EXPECT_TRUE(other.ended());
  EXPECT_TRUE(other.promised().is_zero());
  market.expect_balanced();
}

TEST(HostileConsumers, WithoutMoneyTheFirstPaymentIsTheLast) {
  Market market;
  Shop stranger_shop(market, 0, [](Shop& self, const pb::Invoice& invoice) {
    return std::vector<Bytes>{Shop::signed_by_cheat(self.honest(invoice))};
  });
  EXPECT_TRUE(stranger_shop.ended());  // not registered: Hermes says so at once
  EXPECT_EQ(stranger_shop.why(), "hermes refuses the promise");

  const Wei little{2000000000000000u};
  market.world.fund(market.world.consumer(), little);
  Shop shop(market, 0, [](Shop& self, const pb::Invoice& invoice) {
    return std::vector<Bytes>{Shop::signed_by_cheat(self.honest(invoice))};
  });
  shop.run(minutes{30});
  EXPECT_EQ(shop.why(), "hermes refuses the promise");
  EXPECT_LE(shop.promised(), little);
  EXPECT_LE(shop.lost(), most_a_consumer_can_take());
  market.expect_balanced();
}

// The same purse promised to two providers at once: together they get what is in it, no more is
// promised to them, and each loses one invoice at most.
TEST(HostileConsumers, OnePurseIsNotSpentTwice) {
  Market market;
  const Wei purse{20000000000000000u};
  market.world.fund(market.world.consumer(), purse);
  Wei together;  // what the consumer signs is right for both, until the purse is empty
  std::map<const Shop*, Wei> totals;
  const auto pay = [&](Shop& self, const pb::Invoice& invoice) {
    Payment payment = self.honest(invoice);
    Wei& total = totals[&self];
    together = Wei::saturating_add(together, Wei::saturating_sub(payment.what.total, total));
    total = payment.what.total;
    payment.promise.amount = together;
    return std::vector<Bytes>{Shop::signed_by_cheat(payment)};
  };
  Shop a(market, 0, pay), b(market, 1, pay);
  for (int s = 0; s < 1800; ++s) {
    a.second();
    b.second();
  }
  EXPECT_TRUE(a.ended());
  EXPECT_TRUE(b.ended());
  EXPECT_LE(Wei::saturating_add(a.promised(), b.promised()), purse);
  EXPECT_LE(a.lost(), most_a_consumer_can_take());
  EXPECT_LE(b.lost(), most_a_consumer_can_take());
  market.expect_balanced();
}

// Pays honestly: the control for all of the above, and what an honest consumer leaves unpaid.
TEST(HostileConsumers, AnHonestOneIsServedToTheEnd) {
  Market market;
  market.world.fund(market.world.consumer(), kToken);
  Shop shop(market, 0, [](Shop& self, const pb::Invoice& invoice) {
    return std::vector<Bytes>{Shop::signed_by_cheat(self.honest(invoice))};
  });
  shop.run(minutes{30});
  EXPECT_FALSE(shop.ended()) << shop.why();
  EXPECT_LE(shop.lost(), most_a_consumer_can_take());
  EXPECT_GT(shop.promised(), Wei(100000000000000000u));
  market.expect_balanced();
}

// --- providers

// A consumer's payer; the invoices come from a cheat, one a second at most.
struct Customer {
  HermesWorld world;
  Now now{Instant{} + seconds{100}, WallTime{} + seconds{1000}};
  std::shared_ptr<const LocalSigner> signer = std::make_shared<const LocalSigner>(world.consumer());
  GrandTotals totals;
  InvoicePayer::Config config;
  std::optional<InvoicePayer> payer;
  std::uint64_t bytes = 0;
  Instant start = now.instant;
  Wei promised;
  std::optional<Error> ended;

  Customer() {
    config.chain = chain_of(world);
    config.hermes = config.chain.hermes;
    config.provider = world.provider().address();
    config.price = price();
    (void)totals.load({kChain, signer->address(), config.hermes}, Wei());
    payer.emplace(config, signer, totals, now);
  }
  Wei due() const { return payment::amount_due(now.instant - start, {0, bytes}, config.price); }
  // The most this session may cost, whatever the provider invents.
  Wei bound() const {
    return payment::largest_acceptable_total(now.instant - start, {0, bytes}, config.price);
  }
  void pass(seconds time) {
    now.instant += time;
    bytes += static_cast<std::uint64_t>(time.count()) * kBytesPerSecond;
    payer->handle_data(0, bytes);
    payer->handle_timeout(now);
  }
  Status invoice(const Wei& total, std::uint64_t agreement = 7,
                 const std::function<void(pb::Invoice&)>& change = {}) {
    pb::Invoice wire;
    wire.agreement_id = std::to_string(agreement);
    wire.agreement_total = total.to_string();
    wire.transactor_fee = "0";
    wire.hashlock = std::string(64, 'a');
    wire.provider = config.provider.to_string();
    wire.chain_id = static_cast<std::int64_t>(kChain);
    if (change) change(wire);
    const Status status = payer->handle_invoice(now, wire.encode());
    while (auto action = payer->poll_action()) {
      if (const auto* store = std::get_if<InvoicePayer::Store>(&*action)) {
        promised = store->grand_total;
        payer->handle_stored(now, store->token, {});
      } else if (const auto* failed = std::get_if<InvoicePayer::Failed>(&*action)) {
        ended = failed->why;
      }
    }
    EXPECT_LE(promised, std::max(bound(), Wei(1)));
    return status;
  }
};

TEST(HostileProviders, AnHonestOneIsPaid) {
  Customer c;
  for (int i = 0; i < 120; ++i) {
    c.pass(seconds{5});
    EXPECT_TRUE(c.invoice(c.due()).ok());
  }
  EXPECT_FALSE(c.ended) << c.ended->what;
  EXPECT_EQ(c.promised, c.due());
}

TEST(HostileProviders, OverchargingEndsTheConnection) {
  Customer c;
  while (!c.ended && c.now.instant - c.start < minutes{30}) {
    c.pass(seconds{5});
    (void)c.invoice(Wei::saturating_mul(c.due(), Wei(3)));  // three times what is right, each time
  }
  ASSERT_TRUE(c.ended);
  EXPECT_STREQ(c.ended->what, "provider overcharges");
}

TEST(HostileProviders, AJumpIsNotPaid) {
  Customer c;
  c.pass(seconds{10});
  EXPECT_TRUE(c.invoice(c.due()).ok());
  const Wei before = c.promised;
  c.pass(seconds{10});
  (void)c.invoice(Wei::saturating_mul(c.due(), Wei(100)));
  EXPECT_TRUE(c.ended);
  EXPECT_EQ(c.promised, before);
}

TEST(HostileProviders, TheSameInvoiceAgainPaysNothingMore) {
  Customer c;
  c.pass(seconds{60});
  const Wei total = c.due();
  for (int i = 0; i < 60; ++i) {
    (void)c.invoice(total);
    c.pass(seconds{1});
  }
  EXPECT_EQ(c.promised, total);
}

// Each of them alone is within what may be asked for.
TEST(HostileProviders, EverNewAgreementsArePaidOnce) {
  Customer c;
  c.pass(seconds{60});
  for (std::uint64_t i = 0; i < 120 && !c.ended; ++i) {
    (void)c.invoice(c.due(), 100 + i);
    c.pass(seconds{1});
  }
  EXPECT_TRUE(c.ended);
  EXPECT_LE(c.promised, c.bound());
}

TEST(HostileProviders, TotalsThatFallAndRiseArePaidOnce) {
  Customer c;
  c.pass(seconds{60});
  for (int i = 0; i < 120 && !c.ended; ++i) {
    (void)c.invoice(i % 2 == 0 ? c.due() : Wei(1));
    c.pass(seconds{1});
  }
  EXPECT_TRUE(c.ended);
  EXPECT_LE(c.promised, c.bound());
}

TEST(HostileProviders, AFloodOfInvoicesCostsNoMoreThanTime) {
  Customer c;
  c.pass(seconds{10});
  std::size_t taken = 0;
  for (int i = 0; i < 1000; ++i) taken += c.invoice(c.due()).ok() ? 1 : 0;
  EXPECT_LE(taken, 8u);
}

TEST(HostileProviders, InvoicesOfOthersAndForOtherChainsPromiseNothingThere) {
  Customer c;
  c.pass(seconds{10});
  EXPECT_FALSE(c.invoice(Wei(1), 7, [](pb::Invoice& wire) {
                  wire.provider = stranger().address().to_string();
                }).ok());
  EXPECT_TRUE(c.promised.is_zero());
  // The promise stays on our chain and channel: for another one it is worth nothing.
  EXPECT_TRUE(c.invoice(Wei(1), 7, [](pb::Invoice& wire) { wire.chain_id = 5; }).ok());
  EXPECT_EQ(c.promised, Wei(1));
}

}  // namespace
}  // namespace myst::test
