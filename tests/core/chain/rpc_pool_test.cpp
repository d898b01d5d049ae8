#include "core/chain/rpc_pool.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/support.hpp"

namespace myst::chain {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Failure = RpcPool::Failure;

RpcPool::Config config(std::size_t endpoints, std::uint64_t chain_id = 0) {
  RpcPool::Config out;
  out.endpoints = endpoints;
  out.chain_id = chain_id;
  out.rounds = 1;
  return out;
}

RpcPool::Call call(const char* method = "eth_call") { return {method, "[]", std::nullopt}; }

std::vector<RpcPool::Answer> all(const RpcPool::Exchange& exchange, const std::string& result) {
  std::vector<RpcPool::Answer> out;
  for (const auto& item : exchange.items) {
    out.push_back({item.id, std::nullopt, item.method == "eth_chainId" ? "\"0x89\"" : result});
  }
  return out;
}

std::vector<RpcPool::Answer> error(const RpcPool::Exchange& exchange, std::int64_t code,
                                   const char* message) {
  std::vector<RpcPool::Answer> out;
  for (const auto& item : exchange.items) out.push_back({item.id, RpcError{code, message, {}}, ""});
  return out;
}

TEST(RpcPool, CallsThatWaitTravelTogether) {
  RpcPool pool(config(2));
  const Instant now{};
  const auto a = pool.call(now, call()), b = pool.call(now, call());
  const auto exchange = pool.poll_exchange(now);
  ASSERT_TRUE(exchange);
  EXPECT_EQ(exchange->items.size(), 2u);
  EXPECT_EQ(exchange->endpoint, 0u);
  EXPECT_FALSE(pool.poll_exchange(now));
  pool.handle_answers(now, exchange->id, all(*exchange, "\"0x1\""));
  std::set<RpcPool::CallId> ids;
  while (const auto done = pool.poll_done()) {
    EXPECT_EQ(done->result, "\"0x1\"");
    ids.insert(done->id);
  }
  EXPECT_EQ(ids, (std::set<RpcPool::CallId>{*a, *b}));
  EXPECT_EQ(pool.calls(), 0u);
  EXPECT_FALSE(pool.next_timeout());
}

TEST(RpcPool, AnyFailureMovesOnToTheNextEndpoint) {
  for (const Failure failure : {Failure::Transport, Failure::Timeout, Failure::Status,
                                Failure::RateLimited, Failure::Malformed}) {
    RpcPool pool(config(2));
    Instant now{};
    ASSERT_TRUE(pool.call(now, call()).ok());
    const auto first = pool.poll_exchange(now);
    ASSERT_TRUE(first);
    pool.handle_failure(now, first->id, failure, "gone");
    const auto second = pool.poll_exchange(now);
    ASSERT_TRUE(second);
    EXPECT_EQ(second->endpoint, 1u);
    pool.handle_answers(now, second->id, all(*second, "1"));
    EXPECT_EQ(pool.poll_done()->result, "1");
    EXPECT_TRUE(pool.any_healthy());
    EXPECT_FALSE(pool.healthy(0));
    // The good one is first from now on, also when the other has rested.
    now += seconds{60};
    pool.handle_timeout(now);
    ASSERT_TRUE(pool.call(now, call()).ok());
    EXPECT_EQ(pool.poll_exchange(now)->endpoint, 1u);
  }
}

TEST(RpcPool, AnErrorOfTheServerMovesOnAnAnswerOfTheChainDoesNot) {
  const struct {
    std::int64_t code;
    const char* message;
    bool final;
  } kCases[] = {
      {3, "execution reverted: no", true},
      {-32000, "execution reverted", true},
      {-32000, "nonce too low: next nonce 4, tx nonce 3", true},
      {-32000, "already known", true},
      {-32000, "replacement transaction underpriced", true},
      {-32000, "insufficient funds for gas * price + value", true},
      {-32602, "invalid argument 0: hex string", true},
      {-32005, "daily request count exceeded", false},
      {-32603, "internal error", false},
      {-32601, "the method eth_call does not exist", false},
      {-32000, "header not found", false},
      {-32005, "query returned more than 10000 results", false},
      {-32000, "too many requests, try again later", false},
      {429, "slow down", false},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(is_final(RpcError{c.code, c.message, {}}), c.final) << c.message;
    RpcPool pool(config(2));
    const Instant now{};
    ASSERT_TRUE(pool.call(now, call()).ok());
    const auto first = pool.poll_exchange(now);
    pool.handle_answers(now, first->id, error(*first, c.code, c.message));
    const auto second = pool.poll_exchange(now);
    EXPECT_EQ(second.has_value(), !c.final) << c.message;
    if (second) {
      pool.handle_answers(now, second->id, error(*second, c.code, c.message));
    }
    const auto done = pool.poll_done();
    ASSERT_TRUE(done) << c.message;
    ASSERT_TRUE(done->refused);
    EXPECT_EQ(done->refused->message, c.message);
    EXPECT_EQ(pool.healthy(0), c.final || is_unsupported(RpcError{c.code, c.message, {}}));
  }
}

TEST(RpcPool, OneBadAnswerOfABatchIsAskedElsewhereTheOthersCount) {
  RpcPool pool(config(2));
  const Instant now{};
  ASSERT_TRUE(pool.call(now, call("a")).ok());
  ASSERT_TRUE(pool.call(now, call("b")).ok());
  ASSERT_TRUE(pool.call(now, call("c")).ok());
  const auto first = pool.poll_exchange(now);
  auto answers = all(*first, "7");
  answers.erase(answers.begin() + 1);               // left out
  answers[1].error = RpcError{-32603, "oops", {}};  // the third
  answers.push_back({4711, std::nullopt, "stranger"});
  pool.handle_answers(now, first->id, std::move(answers));
  EXPECT_EQ(pool.poll_done()->result, "7");
  EXPECT_FALSE(pool.poll_done());
  const auto second = pool.poll_exchange(now);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->endpoint, 1u);
  ASSERT_EQ(second->items.size(), 2u);
  EXPECT_EQ(second->items[0].method, "b");
  EXPECT_EQ(second->items[1].method, "c");
}

TEST(RpcPool, TheChainIdIsAskedWithTheFirstCallsOnly) {
  RpcPool pool(config(1, 137));
  Instant now{};
  ASSERT_TRUE(pool.call(now, call()).ok());
  const auto first = pool.poll_exchange(now);
  ASSERT_EQ(first->items.size(), 2u);
  EXPECT_EQ(first->items[0].method, "eth_chainId");
  pool.handle_answers(now, first->id, all(*first, "1"));
  EXPECT_TRUE(pool.poll_done()->result);
  ASSERT_TRUE(pool.call(now, call()).ok());
  const auto second = pool.poll_exchange(now);
  EXPECT_EQ(second->items.size(), 1u);
  pool.handle_answers(now, second->id, all(*second, "1"));
  now += std::chrono::hours{2};
  ASSERT_TRUE(pool.call(now, call()).ok());
  EXPECT_EQ(pool.poll_exchange(now)->items.size(), 2u);
}

TEST(RpcPool, NothingIsBelievedThatAnotherChainSays) {
  RpcPool pool(config(2, 80002));
  const Instant now{};
  ASSERT_TRUE(pool.call(now, call()).ok());
  const auto first = pool.poll_exchange(now);
  pool.handle_answers(now, first->id, all(*first, "\"all yours\""));  // says 0x89
  EXPECT_FALSE(pool.poll_done());
  const auto event = pool.poll_event();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, RpcPool::Event::Kind::WrongChain);
  EXPECT_EQ(event->detail, "chain 137 instead of 80002");
  const auto second = pool.poll_exchange(now);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->endpoint, 1u);
  // One that hides its chain is not believed either.
  auto answers = all(*second, "1");
  answers.front() = {RpcPool::kChainIdCall, RpcError{-32601, "no such method", {}}, ""};
  pool.handle_answers(now, second->id, std::move(answers));
  const auto done = pool.poll_done();
  ASSERT_TRUE(done);
  EXPECT_FALSE(done->result);
  EXPECT_EQ(done->failure.code, Errc::Unavailable);
}

TEST(RpcPool, AServerWithoutBatchesGetsCallsOneByOne) {
  RpcPool pool(config(1, 137));
  const Instant now{};
  ASSERT_TRUE(pool.call(now, call("a")).ok());
  ASSERT_TRUE(pool.call(now, call("b")).ok());
  pool.handle_no_batches(now, pool.poll_exchange(now)->id);
  const auto check = pool.poll_exchange(now);
  ASSERT_EQ(check->items.size(), 1u);
  EXPECT_EQ(check->items[0].method, "eth_chainId");
  EXPECT_FALSE(pool.poll_exchange(now));  // first that answer
  pool.handle_answers(now, check->id, all(*check, ""));
  std::set<std::string> methods;
  while (const auto exchange = pool.poll_exchange(now)) {
    ASSERT_EQ(exchange->items.size(), 1u);
    methods.insert(exchange->items[0].method);
    pool.handle_answers(now, exchange->id, all(*exchange, "1"));
  }
  EXPECT_EQ(methods, (std::set<std::string>{"a", "b"}));
  EXPECT_TRUE(pool.poll_done() && pool.poll_done());
}

TEST(RpcPool, AFailedEndpointRestsLongerEachTimeAndCallsDoNotWaitForIt) {
  RpcPool pool(config(1));
  Instant now{};
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(pool.call(now, call()).ok());
    const auto exchange = pool.poll_exchange(now);
    ASSERT_TRUE(exchange) << i;
    pool.handle_failure(now, exchange->id, Failure::Transport, "refused");
    ASSERT_TRUE(pool.poll_done());
    now += seconds{1 << i};
    pool.handle_timeout(now);
  }
  // Rested 32 s by now. The next failure rests 60 s; a call in that time is told at once.
  ASSERT_TRUE(pool.call(now, call()).ok());
  pool.handle_failure(now, pool.poll_exchange(now)->id, Failure::Transport, "refused");
  ASSERT_TRUE(pool.poll_done());
  ASSERT_TRUE(pool.call(now, call()).ok());
  const auto done = pool.poll_done();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->failure.code, Errc::Unavailable);
  EXPECT_FALSE(pool.poll_exchange(now));
  // One event for the whole time of trouble, one for its end.
  EXPECT_EQ(pool.poll_event()->kind, RpcPool::Event::Kind::Failed);
  EXPECT_FALSE(pool.poll_event());
  now += seconds{60};
  pool.handle_timeout(now);
  ASSERT_TRUE(pool.call(now, call()).ok());
  const auto exchange = pool.poll_exchange(now);
  pool.handle_answers(now, exchange->id, all(*exchange, "1"));
  EXPECT_EQ(pool.poll_event()->kind, RpcPool::Event::Kind::Recovered);
  EXPECT_TRUE(pool.healthy(0));
}

TEST(RpcPool, AStumbleOfTheOnlyEndpointIsNoAnswer) {
  auto settings = config(1);
  settings.rounds = 2;
  RpcPool pool(settings);
  Instant now{};
  ASSERT_TRUE(pool.call(now, call()).ok());
  pool.handle_failure(now, pool.poll_exchange(now)->id, Failure::Transport, "reset");
  EXPECT_FALSE(pool.poll_done());
  EXPECT_FALSE(pool.poll_exchange(now));
  now = *pool.next_timeout();
  pool.handle_timeout(now);
  const auto again = pool.poll_exchange(now);
  ASSERT_TRUE(again);
  pool.handle_failure(now, again->id, Failure::Transport, "reset");
  EXPECT_TRUE(pool.poll_done());
}

TEST(RpcPool, AShortRestIsWaitedFor) {
  RpcPool pool(config(1));
  Instant now{};
  ASSERT_TRUE(pool.call(now, call()).ok());
  pool.handle_failure(now, pool.poll_exchange(now)->id, Failure::Transport, "refused");
  ASSERT_TRUE(pool.poll_done());
  ASSERT_TRUE(pool.call(now, call()).ok());
  EXPECT_FALSE(pool.poll_exchange(now));
  ASSERT_TRUE(pool.next_timeout());
  now = *pool.next_timeout();
  EXPECT_EQ(now, Instant{} + seconds{1});
  pool.handle_timeout(now);
  EXPECT_TRUE(pool.poll_exchange(now));
}

TEST(RpcPool, RetryAfterIsRespectedWithinReason) {
  RpcPool pool(config(1));
  Instant now{};
  ASSERT_TRUE(pool.call(now, call()).ok());
  pool.handle_failure(now, pool.poll_exchange(now)->id, Failure::RateLimited, "429", seconds{30});
  ASSERT_TRUE(pool.poll_done());
  now += seconds{29};
  pool.handle_timeout(now);
  ASSERT_TRUE(pool.call(now, call()).ok());
  EXPECT_FALSE(pool.poll_exchange(now));
  now += seconds{1};
  pool.handle_timeout(now);
  EXPECT_TRUE(pool.poll_exchange(now));
}

TEST(RpcPool, DeadlinesAreSharedOutAndKept) {
  RpcPool pool(config(4));
  Instant now{};
  RpcPool::Call limited = call();
  limited.limit = seconds{8};
  ASSERT_TRUE(pool.call(now, limited).ok());
  for (int i = 0; i < 4; ++i) {
    const auto exchange = pool.poll_exchange(now);
    ASSERT_TRUE(exchange);
    EXPECT_LE(exchange->limit, seconds{2});
    now += exchange->limit;
    pool.handle_failure(now, exchange->id, Failure::Timeout, "late");
  }
  const auto done = pool.poll_done();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->failure.code, Errc::Timeout);
  EXPECT_LE(now, Instant{} + seconds{8});
}

TEST(RpcPool, ACallBehindFullExchangesTimesOut) {
  auto settings = config(1);
  settings.max_exchanges = 1;
  settings.max_batch = 1;
  RpcPool pool(settings);
  Instant now{};
  ASSERT_TRUE(pool.call(now, call("a")).ok());
  ASSERT_TRUE(pool.call(now, call("b")).ok());
  ASSERT_TRUE(pool.poll_exchange(now));
  EXPECT_FALSE(pool.poll_exchange(now));
  ASSERT_EQ(pool.next_timeout(), now + seconds{20});
  now += seconds{20};
  pool.handle_timeout(now);
  const auto done = pool.poll_done();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->failure.code, Errc::Timeout);
  EXPECT_EQ(pool.calls(), 1u);
}

TEST(RpcPool, FullIsSaidAndNothingKept) {
  auto settings = config(1);
  settings.max_calls = 2;
  RpcPool pool(settings);
  const Instant now{};
  ASSERT_TRUE(pool.call(now, call()).ok());
  ASSERT_TRUE(pool.call(now, call()).ok());
  const auto third = pool.call(now, call());
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.error().code, Errc::Full);
  EXPECT_EQ(RpcPool(config(0)).call(now, call()).error().code, Errc::Unavailable);
}

TEST(RpcPool, CancelledCallsAreNeverHeardOfAgain) {
  RpcPool pool(config(2));
  const Instant now{};
  const auto id = pool.call(now, call());
  const auto exchange = pool.poll_exchange(now);
  pool.cancel(*id);
  pool.handle_answers(now, exchange->id, all(*exchange, "1"));
  EXPECT_FALSE(pool.poll_done());
  pool.handle_answers(now, exchange->id, all(*exchange, "1"));  // twice: nothing
  EXPECT_FALSE(pool.poll_done());
}

TEST(RpcPool, ANewNetworkWakesEverybody) {
  RpcPool pool(config(1));
  const Instant now{};
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(pool.call(now, call()).ok());
    pool.handle_failure(now, pool.poll_exchange(now)->id, Failure::Transport, "refused");
    ASSERT_TRUE(pool.poll_done());
    pool.handle_network_change(now);
  }
  EXPECT_TRUE(pool.any_healthy());
}

// Whatever the endpoints do, every call is answered exactly once and by its deadline.
TEST(RpcPool, EveryCallIsAnsweredOnceWhateverHappens) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    test::SeededRng rng(seed);
    auto settings = config(1 + rng.below(4), rng.below(2) == 0 ? 137 : 0);
    settings.max_batch = 1 + rng.below(5);
    settings.max_exchanges = 1 + rng.below(3);
    settings.rounds = 1 + static_cast<int>(rng.below(2));
    RpcPool pool(settings);
    Instant now{};
    std::map<RpcPool::CallId, Instant> open;
    std::vector<RpcPool::Exchange> under_way;
    std::size_t answered = 0, asked = 0;
    const auto drain = [&] {
      while (const auto done = pool.poll_done()) {
        ASSERT_EQ(open.erase(done->id), 1u) << seed;
        ++answered;
      }
    };
    for (int step = 0; step < 400; ++step) {
      if (step < 300 && rng.below(2) == 0) {
        const auto id = pool.call(now, call());
        if (id.ok()) {
          open[*id] = now;
          ++asked;
        }
      }
      while (auto exchange = pool.poll_exchange(now)) under_way.push_back(std::move(*exchange));
      if (!under_way.empty() && rng.below(3) != 0) {
        const std::size_t i = static_cast<std::size_t>(rng.below(under_way.size()));
        const RpcPool::Exchange exchange = std::move(under_way[i]);
        under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(i));
        switch (rng.below(6)) {
          case 0:
            pool.handle_failure(now, exchange.id, Failure::Transport, "x");
            break;
          case 1:
            pool.handle_no_batches(now, exchange.id);
            break;
          case 2:
            pool.handle_answers(now, exchange.id, error(exchange, -32603, "internal"));
            break;
          case 3: {
            auto answers = all(exchange, "1");
            answers.pop_back();
            pool.handle_answers(now, exchange.id, std::move(answers));
            break;
          }
          default:
            pool.handle_answers(now, exchange.id, all(exchange, "1"));
        }
      }
      drain();
      now += milliseconds(rng.below(700));
      pool.handle_timeout(now);
      drain();
      if (const auto at = pool.next_timeout()) {
        ASSERT_GT(*at, now) << seed;
      }
    }
    for (const auto& exchange : under_way) {
      pool.handle_failure(now, exchange.id, Failure::Timeout, "late");
    }
    now += seconds{21};
    pool.handle_timeout(now);
    while (auto exchange = pool.poll_exchange(now)) {
      pool.handle_failure(now, exchange->id, Failure::Timeout, "late");
    }
    drain();
    EXPECT_TRUE(open.empty()) << seed;
    EXPECT_EQ(answered, asked) << seed;
  }
}

}  // namespace
}  // namespace myst::chain
