#include "core/chain/log_scan.hpp"

#include <gtest/gtest.h>

#include <set>

#include "core/crypto/keccak.hpp"
#include "tests/support/support.hpp"

namespace myst::chain {
namespace {

using std::chrono::seconds;

const Address kHermes = *Address::parse("0x3333333333333333333333333333333333333333");

// Blocks with hashes and at most one log each; reorganisations replace the newest ones.
struct Chain {
  struct Item {
    Digest32 hash{};
    bool has_log = false;
  };
  std::vector<Item> blocks = std::vector<Item>(1);
  std::uint64_t salt = 0;

  void mine(bool with_log) {
    const ByteArray<32> word = U256(++salt).to_word();
    blocks.push_back({keccak256(word), with_log});
  }
  void reorganise(std::size_t depth, test::SeededRng& rng) {
    const std::size_t keep = blocks.size() - std::min(depth, blocks.size() - 1);
    const std::size_t size = blocks.size();
    blocks.resize(keep);
    while (blocks.size() < size) mine(rng.below(3) == 0);
  }
  Block block(std::uint64_t number) const {
    Block out;
    out.number = number;
    out.hash = blocks[number].hash;
    return out;
  }
  std::uint64_t head() const { return blocks.size() - 1; }
  std::vector<Log> logs(std::uint64_t from, std::uint64_t to) const {
    std::vector<Log> out;
    for (std::uint64_t i = from; i <= to && i < blocks.size(); ++i) {
      if (!blocks[i].has_log) continue;
      Log log;
      log.address = kHermes;
      log.topics = {topic::kNewStake, Word{}};
      log.block = i;
      log.block_hash = blocks[i].hash;
      out.push_back(log);
    }
    return out;
  }
};

LogScan::Config config() {
  LogScan::Config out;
  out.filter.addresses = {kHermes};
  out.filter.topics = {topic::kNewStake};
  out.confirmations = 3;
  out.max_window = 10;
  out.rewind = 8;
  return out;
}

// What the owner of a scan believes: logs by block, with the block they lay in.
struct Owner {
  std::map<std::uint64_t, Digest32> seen;
  std::uint64_t until = 0;
  std::size_t rewinds = 0;
  void take(LogScan& scan) {
    while (const auto event = scan.poll_event()) {
      if (event->kind == LogScan::Event::Kind::Logs) {
        for (const Log& log : event->logs) {
          EXPECT_TRUE(seen.emplace(log.block, log.block_hash).second) << "told twice " << log.block;
        }
        until = event->block;
      } else {
        ++rewinds;
        seen.erase(seen.lower_bound(event->block), seen.end());
      }
    }
  }
};

void answer(LogScan& scan, const Chain& chain, const LogScan::Action& action, Instant now) {
  if (const auto* head = std::get_if<LogScan::Head>(&action)) {
    scan.handle_block(now, head->id, chain.block(chain.head()));
  } else if (const auto* at = std::get_if<LogScan::BlockAt>(&action)) {
    if (at->number > chain.head()) return scan.handle_block(now, at->id, std::nullopt);
    scan.handle_block(now, at->id, chain.block(at->number));
  } else {
    const auto& window = std::get<LogScan::Window>(action);
    scan.handle_logs(now, window.id, chain.logs(window.from, window.to));
  }
}

void run(LogScan& scan, const Chain& chain, Owner& owner, Instant now) {
  while (const auto action = scan.poll_action()) {
    answer(scan, chain, *action, now);
    owner.take(scan);
  }
}

TEST(LogScan, ReadsInWindowsWhatIsDeepEnough) {
  Chain chain;
  for (int i = 0; i < 25; ++i) chain.mine(i % 4 == 0);
  LogScan scan(config());
  EXPECT_FALSE(scan.poll_action());
  Owner owner;
  scan.start({});
  run(scan, chain, owner, {});
  EXPECT_EQ(owner.until, 23u);  // 25, 24 and 23 are three
  EXPECT_EQ(owner.seen.size(), chain.logs(0, 23).size());
  ASSERT_TRUE(scan.next_timeout());
  EXPECT_EQ(*scan.next_timeout(), Instant{} + seconds{15});
  scan.handle_timeout(Instant{} + seconds{15});
  run(scan, chain, owner, Instant{} + seconds{15});  // nothing new, nothing told
  EXPECT_EQ(owner.until, 23u);
}

TEST(LogScan, StopsAndGoesOn) {
  Chain chain;
  chain.mine(true);
  LogScan scan(config());
  scan.start({});
  scan.stop();
  EXPECT_FALSE(scan.poll_action());
  EXPECT_FALSE(scan.next_timeout());
  for (int i = 0; i < 5; ++i) chain.mine(true);
  Owner owner;
  scan.start({});
  run(scan, chain, owner, {});
  EXPECT_EQ(owner.until, 4u);
}

TEST(LogScan, AWindowThatIsTooLargeShrinks) {
  Chain chain;
  for (int i = 0; i < 60; ++i) chain.mine(true);
  LogScan scan(config());
  Owner owner;
  scan.start({});
  while (const auto action = scan.poll_action()) {
    const auto* window = std::get_if<LogScan::Window>(&*action);
    if (window != nullptr && window->to - window->from >= 2) {
      scan.handle_failed({}, window->id, true);
      continue;
    }
    answer(scan, chain, *action, {});
    owner.take(scan);
  }
  EXPECT_EQ(owner.seen.size(), 58u);
  EXPECT_EQ(scan.window(), 2u);
}

TEST(LogScan, FailuresAreRetriedWithPauses) {
  Chain chain;
  for (int i = 0; i < 5; ++i) chain.mine(true);
  LogScan scan(config());
  scan.start({});
  scan.handle_failed({}, std::get<LogScan::Head>(*scan.poll_action()).id, false);
  EXPECT_EQ(*scan.next_timeout(), Instant{} + seconds{2});
  scan.handle_timeout(Instant{} + seconds{2});
  scan.handle_failed(Instant{} + seconds{2}, std::get<LogScan::Head>(*scan.poll_action()).id,
                     false);
  EXPECT_EQ(*scan.next_timeout(), Instant{} + seconds{6});
}

TEST(LogScan, ALiarIsNotBelieved) {
  Chain chain;
  for (int i = 0; i < 12; ++i) chain.mine(true);
  const auto lie = [&](const std::function<void(std::vector<Log>&)>& change) {
    LogScan scan(config());
    scan.start({});
    Owner owner;
    while (const auto action = scan.poll_action()) {
      if (const auto* window = std::get_if<LogScan::Window>(&*action)) {
        auto logs = chain.logs(window->from, window->to);
        change(logs);
        scan.handle_logs({}, window->id, std::move(logs));
      } else {
        answer(scan, chain, *action, {});
      }
      owner.take(scan);
    }
    return owner.seen.empty();
  };
  EXPECT_FALSE(lie([](auto&) {}));
  EXPECT_TRUE(lie([](auto& logs) { logs[0].address = Address(); }));
  EXPECT_TRUE(lie([](auto& logs) { logs[0].topics[0] = Word{}; }));
  EXPECT_TRUE(lie([](auto& logs) { logs[0].topics.clear(); }));
  EXPECT_TRUE(lie([](auto& logs) { logs[0].block = 1000; }));
  EXPECT_TRUE(lie([](auto& logs) { logs[0].removed = true; }));
  EXPECT_TRUE(lie([](auto& logs) { logs.push_back(logs[0]); }));
  EXPECT_TRUE(lie([](auto& logs) { logs.back().block_hash = Digest32{1}; }));
  // In any order is no lie.
  EXPECT_FALSE(lie([](auto& logs) { std::reverse(logs.begin(), logs.end()); }));
}

TEST(LogScan, AnAnswerToAnOldQuestionIsIgnored) {
  Chain chain;
  for (int i = 0; i < 12; ++i) chain.mine(true);
  LogScan scan(config());
  scan.start({});
  const auto head = std::get<LogScan::Head>(*scan.poll_action());
  scan.handle_block({}, head.id + 1, chain.block(5));
  scan.handle_logs({}, head.id, {});
  EXPECT_FALSE(scan.poll_action());
  scan.handle_block({}, head.id, chain.block(12));
  EXPECT_TRUE(scan.poll_action());
}

// Servers that lag, fail and lie about windows; reorganisations, some deeper than the depth that is
// waited for. In the end the owner believes exactly what the chain says.
TEST(LogScan, WhateverHappensTheOwnerEndsUpWithTheChain) {
  std::size_t rewinds = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    test::SeededRng rng(seed);
    Chain chain;
    for (int i = 0; i < 5; ++i) chain.mine(true);
    LogScan scan(config());
    Owner owner;
    Instant now{};
    scan.start(now);
    for (int i = 0; i < 400; ++i) {
      if (rng.below(3) == 0) chain.mine(rng.below(3) == 0);
      if (rng.below(40) == 0) chain.reorganise(1 + rng.below(6), rng);
      if (const auto action = scan.poll_action()) {
        if (rng.below(8) == 0) {
          const auto id = std::visit([](const auto& a) { return a.id; }, *action);
          scan.handle_failed(now, id, rng.below(2) == 0);
        } else {
          answer(scan, chain, *action, now);
        }
        owner.take(scan);
      } else {
        now += seconds{15};
        scan.handle_timeout(now);
      }
    }
    for (int i = 0; i < 20; ++i) chain.mine(true);
    for (int i = 0; i < 20; ++i) {
      run(scan, chain, owner, now);
      now += seconds{120};
      scan.handle_timeout(now);
    }
    std::map<std::uint64_t, Digest32> truth;
    for (const Log& log : chain.logs(0, chain.head() - 2)) truth[log.block] = log.block_hash;
    EXPECT_TRUE(owner.seen == truth) << seed;
    rewinds += owner.rewinds;
  }
  EXPECT_GT(rewinds, 20u);  // it was tried
}

}  // namespace
}  // namespace myst::chain
