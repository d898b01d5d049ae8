#include "tests/support/ledger_conformance.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include "core/hub/hermes/pruning.hpp"
#include "tests/support/hermes_world.hpp"

namespace myst::test {

using namespace core::hermes;  // NOLINT: every second word here is from there

namespace {

ConsumerKey consumer_key(std::uint8_t n) {
  ByteArray<20> bytes{};
  bytes[19] = n;
  return {80001, Address(bytes)};
}
ProviderKey provider_key(std::uint8_t n, ChannelKind kind = ChannelKind::Earnings) {
  ByteArray<20> bytes{};
  bytes[0] = n;
  return {80001, Address(bytes), kind};
}

SignedPromise promise(std::uint64_t chain, std::uint8_t mark) {
  SignedPromise out;
  out.promise.chain_id = chain;
  out.promise.channel.fill(mark);
  out.promise.amount = Wei::max().divided_by(mark);
  out.promise.fee = mark;
  out.promise.hashlock.fill(static_cast<std::uint8_t>(mark + 1));
  out.signature.fill(static_cast<std::uint8_t>(mark + 2));
  return out;
}

ConsumerAccount full_consumer(std::uint8_t mark) {
  ConsumerAccount out;
  out.latest = promise(80001, mark);
  out.accounted = Wei::max().divided_by(3);
  out.held = 1;
  out.opening = 2;
  out.cashable = promise(80001, static_cast<std::uint8_t>(mark + 1));
  out.cashable_r.mutable_bytes()[5] = mark;
  out.capacity = Wei::max();
  out.settled = 77;
  out.registered = mark % 2 == 0;
  out.offchain = mark % 2 == 1;
  return out;
}

ProviderAccount full_provider(std::uint8_t mark) {
  ProviderAccount out;
  out.latest = promise(80001, mark);
  out.agreement = U256::max();
  out.revealed = mark % 2 == 0;
  out.r.mutable_bytes()[31] = mark;
  out.recovery = "00ff10";
  out.recovered = 12;
  out.payer = {5, consumer_key(9).identity};
  out.backing = promise(5, static_cast<std::uint8_t>(mark + 3));
  out.settled = 44;
  out.last_settlement = 1700000000123;
  return out;
}

void expect_equal(const SignedPromise& a, const SignedPromise& b) {
  EXPECT_EQ(a.promise, b.promise);
  EXPECT_EQ(a.signature, b.signature);
}
void expect_equal(const ConsumerAccount& a, const ConsumerAccount& b) {
  expect_equal(a.latest, b.latest);
  expect_equal(a.cashable, b.cashable);
  EXPECT_EQ(a.cashable_r, b.cashable_r);
  EXPECT_EQ(a.accounted, b.accounted);
  EXPECT_EQ(a.held, b.held);
  EXPECT_EQ(a.opening, b.opening);
  EXPECT_EQ(a.capacity, b.capacity);
  EXPECT_EQ(a.settled, b.settled);
  EXPECT_EQ(a.registered, b.registered);
  EXPECT_EQ(a.offchain, b.offchain);
}
void expect_equal(const ProviderAccount& a, const ProviderAccount& b) {
  expect_equal(a.latest, b.latest);
  expect_equal(a.backing, b.backing);
  EXPECT_EQ(a.agreement, b.agreement);
  EXPECT_EQ(a.revealed, b.revealed);
  EXPECT_EQ(a.r, b.r);
  EXPECT_EQ(a.recovery, b.recovery);
  EXPECT_EQ(a.recovered, b.recovered);
  EXPECT_EQ(a.payer, b.payer);
  EXPECT_EQ(a.settled, b.settled);
  EXPECT_EQ(a.last_settlement, b.last_settlement);
}

template <typename Key>
auto read(Ledger& ledger, const Key& key) {
  using Row = std::remove_cv_t<
      std::remove_pointer_t<decltype(std::declval<Book&>().find(std::declval<const Key&>()))>>;
  std::optional<Row> out;
  const Status status = ledger.transact({}, [&](Book& book) {
    const Row* row = book.find(key);
    out = row == nullptr ? std::nullopt : std::optional<Row>(*row);
  });
  EXPECT_TRUE(status.ok());
  return out;
}

template <typename Key, typename Row>
void write(Ledger& ledger, const Key& key, const Row& row) {
  EXPECT_TRUE(ledger.transact({}, [&](Book& book) { book.put(key, row); }).ok());
}

}  // namespace

LedgerFactory::~LedgerFactory() = default;

void LedgerConformance::SetUp() {
  ledgers_ = GetParam()();
  if (ledgers_ == nullptr) GTEST_SKIP() << "this database is not installed";
}

TEST_P(LedgerConformance, KeepsEveryFieldOfEveryRow) {
  const AgreementKey agreement{consumer_key(1), provider_key(2), U256::max()};
  {
    const auto ledger = ledgers_->open();
    ASSERT_NE(ledger, nullptr);
    EXPECT_FALSE(read(*ledger, consumer_key(1)).has_value());
    write(*ledger, consumer_key(1), full_consumer(1));
    write(*ledger, consumer_key(2), full_consumer(2));
    write(*ledger, provider_key(1), full_provider(5));
    write(*ledger, provider_key(1, ChannelKind::Withdrawal), full_provider(6));
    write(*ledger, agreement, AgreementAccount{Wei::max()});
    write(*ledger, provider_key(3), ProviderAccount{});
    write(*ledger, consumer_key(3), ConsumerAccount{});
  }
  const auto ledger = ledgers_->open();
  ASSERT_NE(ledger, nullptr);
  for (const std::uint8_t n : {std::uint8_t{1}, std::uint8_t{2}}) {
    const auto consumer = read(*ledger, consumer_key(n));
    ASSERT_TRUE(consumer.has_value());
    expect_equal(*consumer, full_consumer(n));
  }
  const auto earnings = read(*ledger, provider_key(1));
  const auto withdrawal = read(*ledger, provider_key(1, ChannelKind::Withdrawal));
  ASSERT_TRUE(earnings && withdrawal);
  expect_equal(*earnings, full_provider(5));
  expect_equal(*withdrawal, full_provider(6));
  const auto total = read(*ledger, agreement);
  ASSERT_TRUE(total.has_value());
  EXPECT_EQ(total->total, Wei::max());
  ASSERT_TRUE(read(*ledger, provider_key(3)).has_value());
  const auto empty = read(*ledger, consumer_key(3));
  ASSERT_TRUE(empty.has_value());
  EXPECT_TRUE(empty->promised().is_zero());
  EXPECT_FALSE(read(*ledger, provider_key(2)).has_value());
}

TEST_P(LedgerConformance, KeysAreWhole) {
  const auto ledger = ledgers_->open();
  ASSERT_NE(ledger, nullptr);
  const AgreementKey base{consumer_key(1), provider_key(2), 3};
  std::vector<AgreementKey> keys(6, base);
  keys[1].consumer.chain = 1;
  keys[2].consumer = consumer_key(8);
  keys[3].provider.chain = ~std::uint64_t{0};
  keys[4].provider.kind = ChannelKind::Withdrawal;
  keys[5].id = 4;
  for (std::size_t i = 0; i < keys.size(); ++i) write(*ledger, keys[i], AgreementAccount{Wei(i)});
  for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(read(*ledger, keys[i])->total, Wei(i));
  ConsumerKey other_chain = consumer_key(1);
  other_chain.chain = ~std::uint64_t{0};
  write(*ledger, other_chain, full_consumer(2));
  EXPECT_FALSE(read(*ledger, consumer_key(1)).has_value());
  EXPECT_TRUE(read(*ledger, other_chain).has_value());
}

TEST_P(LedgerConformance, FindsTheOwnerOfAChannel) {
  const auto ledger = ledgers_->open();
  ASSERT_NE(ledger, nullptr);
  write(*ledger, provider_key(1), full_provider(5));
  write(*ledger, provider_key(1, ChannelKind::Withdrawal), full_provider(6));
  const Status status = ledger->transact({}, [&](Book& book) {
    EXPECT_EQ(book.owner(80001, promise(80001, 5).promise.channel), provider_key(1));
    EXPECT_EQ(book.owner(80001, promise(80001, 6).promise.channel),
              provider_key(1, ChannelKind::Withdrawal));
    EXPECT_FALSE(book.owner(5, promise(80001, 5).promise.channel).has_value());
    EXPECT_FALSE(book.owner(80001, Digest32{}).has_value());
    book.put(provider_key(4), full_provider(9));
    EXPECT_EQ(book.owner(80001, promise(80001, 9).promise.channel), provider_key(4));
  });
  EXPECT_TRUE(status.ok());
}

TEST_P(LedgerConformance, LaterWorkOfATransactionSeesTheEarlier) {
  const auto ledger = ledgers_->open();
  ASSERT_NE(ledger, nullptr);
  for (int round = 0; round < 2; ++round) {
    const Status status = ledger->transact({}, [&](Book& book) {
      for (int i = 0; i < 10; ++i) {
        const AgreementKey key{consumer_key(1), provider_key(1), 1};
        const AgreementAccount* row = book.find(key);
        const Wei before = row == nullptr ? Wei() : row->total;
        book.put(key, AgreementAccount{Wei::saturating_add(before, 1)});
      }
    });
    ASSERT_TRUE(status.ok());
  }
  EXPECT_EQ(read(*ledger, AgreementKey{consumer_key(1), provider_key(1), 1})->total, Wei(20));
}

TEST_P(LedgerConformance, ForgetsAnAgreementThatIsRemoved) {
  const AgreementKey a{consumer_key(1), provider_key(1), 1}, b{consumer_key(1), provider_key(1), 2};
  {
    const auto ledger = ledgers_->open();
    ASSERT_NE(ledger, nullptr);
    for (const AgreementKey& key : {a, b})
      write(*ledger, key, AgreementAccount{7, 9, 1700000000123});
    Footprint footprint;
    footprint.agreements = {a};
    footprint.identities = {a.consumer.identity, a.provider.identity};
    const Status status = ledger->transact(footprint, [&](Book& book) {
      book.remove(a);
      EXPECT_EQ(book.find(a), nullptr) << "gone at once";
    });
    ASSERT_TRUE(status.ok());
  }
  const auto ledger = ledgers_->open();
  ASSERT_NE(ledger, nullptr);
  EXPECT_FALSE(read(*ledger, a).has_value());
  const auto other = read(*ledger, b);
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(other->promised, Wei(9));
  EXPECT_EQ(other->updated, 1700000000123);
}

TEST_P(LedgerConformance, OldAgreementsAreRolledUpAndEverythingAddsUp) {
  const auto ledger = ledgers_->open();
  ASSERT_NE(ledger, nullptr);
  HermesWorld world;
  HermesRunner runner(world, *ledger);
  std::vector<HermesWorld::Message> messages;
  Wei promised;
  const auto pay = [&](std::uint64_t agreement, const Wei& total, bool tell_r) {
    world.fund(world.consumer(), 1000000);
    promised = Wei::saturating_add(promised, 10);
    messages.push_back(
        world.message(world.consumer(), world.provider().address(), agreement, total, promised));
    const Answer answer = runner.ask(messages.back().request);
    ASSERT_NE(promise_in(answer), nullptr) << std::get<Refusal>(answer).message;
    if (!tell_r) return;
    const Answer told =
        runner.ask(RevealRequest{to_bytes(messages.back().r.bytes()), world.provider().address()});
    ASSERT_TRUE(std::holds_alternative<Done>(told));
  };
  for (std::uint64_t i = 1; i <= 300; ++i) pay(i, 10, true);
  pay(301, 10, false);  // its R is not known yet
  const auto before = audit(*ledger);
  ASSERT_TRUE(before.ok());
  EXPECT_EQ(before->agreements, 301u);
  const WallTime now = runner.now().wall;
  const auto none = roll_up(*ledger, now - std::chrono::hours{1}, now, 1000);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(*none, 0u) << "nothing is old yet";
  const auto some = roll_up(*ledger, now + std::chrono::hours{1}, now, 100);
  ASSERT_TRUE(some.ok());
  EXPECT_EQ(*some, 100u);
  const auto rest = roll_up(*ledger, now + std::chrono::hours{1}, now, 1000);
  ASSERT_TRUE(rest.ok());
  EXPECT_EQ(*rest, 200u) << "the last one is still open";
  const auto after = audit(*ledger);
  ASSERT_TRUE(after.ok());
  EXPECT_TRUE(after->balanced()) << after->faults.front();
  EXPECT_EQ(after->agreements, 2u);
  EXPECT_EQ(after->promised_to_providers, before->promised_to_providers);
  EXPECT_EQ(after->promised_by_consumers, before->promised_by_consumers);
  EXPECT_EQ(after->held, before->held);
  const AgreementKey pair{{HermesWorld::kChain, world.consumer().address()},
                          {HermesWorld::kChain, world.provider().address(), ChannelKind::Earnings},
                          U256()};
  const auto sum = read(*ledger, pair);
  ASSERT_TRUE(sum.has_value());
  EXPECT_EQ(sum->total, Wei(3000));
  EXPECT_EQ(sum->promised, Wei(3000));
  // The open one gets its promise again, and goes on.
  EXPECT_NE(promise_in(runner.ask(messages.back().request)), nullptr);
  ASSERT_TRUE(std::holds_alternative<Done>(
      runner.ask(RevealRequest{to_bytes(messages.back().r.bytes()), world.provider().address()})));
  // Messages of what was rolled up pay nobody twice, not even out of what the consumer has left.
  promised = Wei::saturating_add(promised, 500);
  pay(302, 10, true);
  const Wei to_provider = audit(*ledger)->promised_to_providers;
  EXPECT_EQ(audit(*ledger)->held, Wei(500));
  for (const std::size_t i : {std::size_t{0}, std::size_t{150}, std::size_t{299}}) {
    EXPECT_EQ(cause_in(runner.ask(messages[i].request)), Cause::PaymentValueTooLow) << i;
  }
  EXPECT_EQ(audit(*ledger)->promised_to_providers, to_provider);
  EXPECT_TRUE(audit(*ledger)->balanced());
}

TEST_P(LedgerConformance, RowsWithoutATimeGetOneBeforeTheyAreOld) {
  const auto ledger = ledgers_->open();
  ASSERT_NE(ledger, nullptr);
  const AgreementKey key{consumer_key(1), provider_key(1), 1};
  write(*ledger, key, AgreementAccount{7});
  write(*ledger, consumer_key(1), full_consumer(2));
  const WallTime now{std::chrono::milliseconds{1700000000000}};
  EXPECT_EQ(*roll_up(*ledger, now - std::chrono::hours{24}, now, 10), 0u);
  ASSERT_TRUE(read(*ledger, key).has_value());
  EXPECT_EQ(read(*ledger, key)->updated, 1700000000000);
  EXPECT_EQ(read(*ledger, key)->promised, full_consumer(2).promised());
  EXPECT_EQ(*roll_up(*ledger, now + std::chrono::hours{24}, now, 10), 1u);
}

TEST_P(LedgerConformance, ScansEverything) {
  const auto ledger = ledgers_->open();
  ASSERT_NE(ledger, nullptr);
  for (std::uint8_t n = 1; n <= 50; ++n) {
    write(*ledger, consumer_key(n), full_consumer(n));
    write(*ledger, provider_key(n), full_provider(n));
    write(*ledger, AgreementKey{consumer_key(n), provider_key(n), n}, AgreementAccount{n});
  }
  std::size_t consumers = 0, providers = 0, agreements = 0;
  Ledger::Visitors visitors;
  visitors.consumer = [&](const ConsumerKey& key, const ConsumerAccount& row) {
    ++consumers;
    expect_equal(row, full_consumer(key.identity.bytes()[19]));
  };
  visitors.provider = [&](const ProviderKey& key, const ProviderAccount& row) {
    ++providers;
    expect_equal(row, full_provider(key.identity.bytes()[0]));
  };
  visitors.agreement = [&](const AgreementKey& key, const AgreementAccount& row) {
    ++agreements;
    EXPECT_EQ(key.id, row.total);
    EXPECT_EQ(key.consumer, consumer_key(static_cast<std::uint8_t>(*key.id.to_u64())));
    EXPECT_EQ(key.provider, provider_key(static_cast<std::uint8_t>(*key.id.to_u64())));
  };
  ASSERT_TRUE(ledger->scan(visitors).ok());
  EXPECT_EQ(consumers, 50u);
  EXPECT_EQ(providers, 50u);
  EXPECT_EQ(agreements, 50u);
  EXPECT_TRUE(ledger->scan({}).ok());
}

TEST_P(LedgerConformance, SessionsAddUpAlsoAfterReopening) {
  HermesWorld world;
  std::map<unsigned, Wei> promised;
  std::map<std::pair<unsigned, unsigned>, Wei> totals;
  for (int run = 0; run < 3; ++run) {
    const auto ledger = ledgers_->open();
    ASSERT_NE(ledger, nullptr);
    HermesRunner runner(world, *ledger);
    for (int i = 0; i < 40; ++i) {
      const auto c = static_cast<unsigned>(world.rng().below(4));
      const auto p = static_cast<unsigned>(world.rng().below(3));
      world.fund(world.consumer(c), Wei::max().divided_by(2));
      const Wei step = Wei(world.rng().below(1000) + 1);
      Wei& total = totals[{c, p}];
      const Wei next = Wei::saturating_add(total, step);
      const Wei amount = Wei::saturating_add(promised[c], step);
      auto message =
          world.message(world.consumer(c), world.provider(p).address(), p + 1, next, amount);
      const Answer answer = runner.ask(message.request);
      ASSERT_NE(promise_in(answer), nullptr) << std::get<Refusal>(answer).message;
      total = next;
      promised[c] = amount;
      const Answer revealed =
          runner.ask(RevealRequest{to_bytes(message.r.bytes()), world.provider(p).address()});
      ASSERT_TRUE(std::holds_alternative<Done>(revealed));
    }
    const auto audited = audit(*ledger);
    ASSERT_TRUE(audited.ok());
    EXPECT_TRUE(audited->balanced()) << audited->faults.front();
    EXPECT_EQ(audited->cashable, audited->promised_by_consumers) << "every R is known";
    Wei sum;
    for (const auto& [c, amount] : promised) sum = Wei::saturating_add(sum, amount);
    EXPECT_EQ(audited->promised_to_providers, sum);
  }
}

TEST_P(LedgerConformance, SeveralHubsShareIt) {
  if (!ledgers_->shared()) return;  // one file, one hub: nothing to share
  constexpr int kHubs = 4, kRounds = 50;
  std::vector<std::unique_ptr<Ledger>> open;
  for (int i = 0; i < kHubs; ++i) {
    open.push_back(ledgers_->open());
    ASSERT_NE(open.back(), nullptr);
  }
  std::atomic<int> failures{0};
  std::vector<std::thread> hubs;
  for (int h = 0; h < kHubs; ++h) {
    hubs.emplace_back([&, h] {
      for (int i = 0; i < kRounds; ++i) {
        // Every hub adds one to the same two agreements, each naming them in its own order.
        const AgreementKey a{consumer_key(1), provider_key(1), 1};
        const AgreementKey b{consumer_key(2), provider_key(2), 2};
        Footprint footprint;
        for (const AgreementKey& key : {a, b}) {
          footprint.identities.insert(key.consumer.identity);
          footprint.identities.insert(key.provider.identity);
        }
        const Status status =
            open[static_cast<std::size_t>(h)]->transact(footprint, [&](Book& book) {
              for (const AgreementKey& key : h % 2 == 0 ? std::vector{a, b} : std::vector{b, a}) {
                const AgreementAccount* row = book.find(key);
                const Wei before = row == nullptr ? Wei() : row->total;
                book.put(key, AgreementAccount{Wei::saturating_add(before, 1)});
              }
            });
        if (!status.ok()) ++failures;
      }
    });
  }
  for (std::thread& hub : hubs) hub.join();
  EXPECT_EQ(failures, 0);
  const Wei expected(kHubs * kRounds);
  EXPECT_EQ(read(*open[0], AgreementKey{consumer_key(1), provider_key(1), 1})->total, expected);
  EXPECT_EQ(read(*open[1], AgreementKey{consumer_key(2), provider_key(2), 2})->total, expected);
}

}  // namespace myst::test
