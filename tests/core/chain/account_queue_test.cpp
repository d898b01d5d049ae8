#include "core/chain/account_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/crypto/keccak.hpp"
#include "tests/support/support.hpp"

namespace myst::chain {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using State = TransactionState;

AccountQueue::Config config() {
  AccountQueue::Config out;
  out.chain_id = 80002;
  out.confirmations = 3;
  out.fees.min_tip = 10;
  out.fees.max_fee = 100000;
  return out;
}

LocalSigner signer() {
  test::SeededRng rng(1);
  return LocalSigner::make(rng);
}

const Address kTo = *Address::parse("0x1111111111111111111111111111111111111111");

// A chain with one account of ours, a mempool, and endpoints that can be made to misbehave.
class World {
 public:
  struct Known {
    std::string wish;
    std::uint64_t nonce = 0;
    Wei fee;
  };
  struct Block {
    std::uint64_t number = 0;
    std::map<std::uint64_t, Digest32> mined;  // nonce -> hash
  };

  std::uint64_t mined_nonce() const {
    std::uint64_t n = foreign_before;
    for (const Block& block : chain) n += block.mined.size();
    return n;
  }
  std::uint64_t head() const { return 100 + chain.size(); }
  void mine() {
    Block block;
    block.number = head() + 1;
    std::uint64_t next = mined_nonce();
    for (auto at = mempool.find(next); at != mempool.end(); at = mempool.find(++next)) {
      if (known.count(at->second) != 0 && known[at->second].fee < price) break;
      block.mined[next] = at->second;
      mempool.erase(at);
    }
    chain.push_back(block);
    highest = std::max(highest, chain.size());
  }
  // Takes the last blocks back; their transactions return to the mempool or are forgotten.
  void reorganise(std::size_t depth, bool forget) {
    // Never deeper than two below the highest block ever seen: three are final.
    for (std::size_t i = 0; i < depth && !chain.empty() && chain.size() + 2 > highest; ++i) {
      if (!forget) mempool.insert(chain.back().mined.begin(), chain.back().mined.end());
      chain.pop_back();
    }
  }
  std::optional<Receipt> receipt(const Digest32& hash) const {
    for (const Block& block : chain) {
      for (const auto& [nonce, mined] : block.mined) {
        (void)nonce;
        if (mined != hash) continue;
        Receipt out;
        out.transaction = hash;
        out.block = block.number;
        out.succeeded = reverting.count(hash) == 0;
        out.gas_used = 50000;
        out.gas_price = 7;
        return out;
      }
    }
    return std::nullopt;
  }
  // nullptr: taken.
  const char* send(const Digest32& hash) {
    const Known& k = known.at(hash);
    if (k.nonce < mined_nonce()) return "nonce too low";
    const auto at = mempool.find(k.nonce);
    if (at != mempool.end()) {
      if (at->second == hash) return "already known";
      if (known.count(at->second) != 0 &&
          k.fee <
              Wei::saturating_add(known[at->second].fee, known[at->second].fee.divided_by(10))) {
        return "replacement transaction underpriced";
      }
    }
    mempool[k.nonce] = hash;
    return nullptr;
  }

  std::vector<Block> chain;
  std::size_t highest = 0;
  std::map<std::uint64_t, Digest32> mempool;
  std::map<Digest32, Known> known;  // of every attempt that was ever on the disk
  std::set<Digest32> reverting;
  std::uint64_t foreign_before = 0;
  Wei price = 20;

  std::map<std::string, TransactionRecord> disk;
};

class Runner {
 public:
  explicit Runner(AccountQueue::Config settings = config()) : config_(settings) { restart(); }

  void restart() {
    std::vector<TransactionRecord> open;
    std::uint64_t next = 0;
    for (const auto& [id, record] : world.disk) {
      (void)id;
      for (const auto& attempt : record.attempts) next = std::max(next, attempt.nonce + 1);
      if (!is_final(record.state)) open.push_back(record);
    }
    actions.clear();
    queue = std::make_unique<AccountQueue>(config_, signer_, std::move(open), next, now);
    collect();
  }
  void collect() {
    while (auto action = queue->poll_action()) actions.push_back(std::move(*action));
    while (auto event = queue->poll_event()) events.push_back(*event);
  }
  Status submit(const std::string& id) {
    const Status status = queue->submit(now, {id, kTo, {}, Bytes{1, 2, 3}, 0});
    collect();
    return status;
  }
  void pass(Duration time) {
    now.instant += time;
    now.wall += std::chrono::duration_cast<std::chrono::milliseconds>(time);
    queue->handle_timeout(now);
    collect();
  }

  void save(const TransactionRecord& record) {
    const auto at = world.disk.find(record.id);
    // What is final stays so, and a nonce is never given to two wishes.
    if (at != world.disk.end()) {
      ASSERT_FALSE(is_final(at->second.state)) << record.id;
    }
    world.disk[record.id] = record;
    for (const auto& attempt : record.attempts) {
      world.known[attempt.hash] = {record.id, attempt.nonce, attempt.fees.max_fee};
    }
  }
  Fees fees() const { return {Wei::saturating_add(world.price, Wei(15)), Wei(10), false}; }

  // The first action that waits, done right; `answer` false: its effect happens, the answer is
  // lost.
  void execute(bool answer = true) { execute_at(0, answer); }
  void execute_at(std::size_t index, bool answer = true) {
    const AccountQueue::Action action = actions[index];
    actions.erase(actions.begin() + static_cast<std::ptrdiff_t>(index));
    if (const auto* store = std::get_if<AccountQueue::Store>(&action)) {
      save(store->record);
      if (answer) queue->handle_stored(now, store->id, {});
    } else if (const auto* prepare = std::get_if<AccountQueue::Prepare>(&action)) {
      AccountQueue::Prepared out;
      out.gas = 40000;
      out.fees = fees();
      out.mined_nonce = world.mined_nonce();
      out.pending_nonce = out.mined_nonce;
      while (world.mempool.count(out.pending_nonce) != 0) ++out.pending_nonce;
      if (answer) queue->handle_prepared(now, prepare->id, out);
    } else if (const auto* send = std::get_if<AccountQueue::Send>(&action)) {
      const Digest32 hash = keccak256(send->raw);
      // Nothing is sent that is not on the disk.
      ASSERT_EQ(world.known.count(hash), 1u);
      const char* refused = world.send(hash);
      if (!answer) {
      } else if (refused == nullptr) {
        queue->handle_sent(now, send->id);
      } else {
        const AccountQueue::Refusal refusal{RpcError{-32000, refused, {}}, refused};
        queue->handle_not_sent(now, send->id, &refusal, {});
      }
    } else if (const auto* poll = std::get_if<AccountQueue::Poll>(&action)) {
      AccountQueue::Polled out;
      out.head = world.head();
      out.mined_nonce = world.mined_nonce();
      out.fees = fees();
      for (const Digest32& hash : poll->hashes) out.receipts.push_back(world.receipt(hash));
      if (answer) queue->handle_polled(now, poll->id, out);
    }
    collect();
  }
  // The first one fails without effect.
  void fail() {
    const AccountQueue::Action action = actions.front();
    actions.pop_front();
    const Error error{Errc::Unavailable, 0, "nobody answers"};
    if (const auto* store = std::get_if<AccountQueue::Store>(&action)) {
      queue->handle_stored(now, store->id, Error{Errc::Full, 0, "disk full"});
    } else if (const auto* prepare = std::get_if<AccountQueue::Prepare>(&action)) {
      queue->handle_not_prepared(now, prepare->id, nullptr, error);
    } else if (const auto* send = std::get_if<AccountQueue::Send>(&action)) {
      queue->handle_not_sent(now, send->id, nullptr, error);
    } else if (const auto* poll = std::get_if<AccountQueue::Poll>(&action)) {
      queue->handle_not_polled(now, poll->id, error);
    }
    collect();
  }
  void refuse(const char* text) {
    const AccountQueue::Refusal refusal{RpcError{3, text, {}}, text};
    const AccountQueue::Action action = actions.front();
    actions.pop_front();
    if (const auto* prepare = std::get_if<AccountQueue::Prepare>(&action)) {
      queue->handle_not_prepared(now, prepare->id, &refusal, {});
    } else if (const auto* send = std::get_if<AccountQueue::Send>(&action)) {
      queue->handle_not_sent(now, send->id, &refusal, {});
    }
    collect();
  }
  void execute_all() {
    for (int i = 0; i < 1000 && !actions.empty(); ++i) execute();
  }
  // Until nothing is open: a block every two seconds.
  bool finish() {
    for (int i = 0; i < 3000; ++i) {
      execute_all();
      if (queue->waiting() + queue->pending() == 0) return true;
      if (i % 2 == 0) world.mine();
      pass(seconds{1});
    }
    return false;
  }
  template <typename T>
  bool next_is() const {
    return !actions.empty() && std::holds_alternative<T>(actions.front());
  }
  State state(const std::string& id) const { return world.disk.at(id).state; }

  World world;
  LocalSigner signer_ = signer();
  AccountQueue::Config config_;
  Now now{Instant{} + minutes{1}, WallTime{} + minutes{1}};
  std::unique_ptr<AccountQueue> queue;
  std::deque<AccountQueue::Action> actions;
  std::vector<AccountQueue::Event> events;
};

TEST(AccountQueue, FromTheWishToTheOutcome) {
  Runner run;
  ASSERT_TRUE(run.submit("a").ok());
  ASSERT_TRUE(run.next_is<AccountQueue::Store>());
  EXPECT_EQ(run.submit("a").error().code, Errc::AlreadyExists);
  run.execute();
  EXPECT_EQ(run.events.at(0).state, State::Waiting);
  ASSERT_TRUE(run.next_is<AccountQueue::Prepare>());
  run.execute();
  ASSERT_TRUE(run.next_is<AccountQueue::Store>());  // nonce and hash, before anything is sent
  run.execute();
  EXPECT_EQ(run.state("a"), State::Pending);
  EXPECT_EQ(run.world.disk["a"].nonce, 0u);
  EXPECT_EQ(run.world.disk["a"].gas_limit, 50000u);
  ASSERT_TRUE(run.next_is<AccountQueue::Send>());
  run.execute();
  run.world.mine();
  run.pass(seconds{4});
  ASSERT_TRUE(run.next_is<AccountQueue::Poll>());
  run.execute();
  EXPECT_EQ(run.state("a"), State::Pending);  // one block deep: not enough
  EXPECT_EQ(run.queue->find("a")->reason, "mined, waits for 3 blocks");
  run.world.mine();
  run.world.mine();
  run.pass(seconds{4});
  run.execute_all();
  EXPECT_EQ(run.state("a"), State::Succeeded);
  EXPECT_EQ(run.world.disk["a"].gas_used, 50000u);
  EXPECT_EQ(run.events.back().state, State::Succeeded);
  EXPECT_EQ(run.queue->find("a"), nullptr);
  EXPECT_FALSE(run.queue->next_timeout());  // nothing is asked while nothing is open
}

TEST(AccountQueue, ManyGoOutWithoutWaitingForOneAnother) {
  Runner run;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(run.submit("w" + std::to_string(i)).ok());
  run.execute_all();
  EXPECT_EQ(run.queue->pending(), 10u);
  EXPECT_EQ(run.world.mempool.size(), 10u);
  EXPECT_TRUE(run.finish());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(run.state("w" + std::to_string(i)), State::Succeeded);
}

TEST(AccountQueue, ACallThatWouldRevertCostsNothingAndSaysWhy) {
  Runner run;
  ASSERT_TRUE(run.submit("a").ok());
  run.execute();
  run.refuse("execution reverted: not enough");
  run.execute();
  EXPECT_EQ(run.state("a"), State::Failed);
  EXPECT_EQ(run.world.disk["a"].reason, "execution reverted: not enough");
  EXPECT_FALSE(run.world.disk["a"].nonce);
  // The next one gets the first nonce.
  ASSERT_TRUE(run.submit("b").ok());
  EXPECT_TRUE(run.finish());
  EXPECT_EQ(run.world.disk["b"].nonce, 0u);
}

TEST(AccountQueue, ARevertWaitsWhileOthersAreUnderWay) {
  Runner run;
  ASSERT_TRUE(run.submit("a").ok());
  run.execute_all();
  ASSERT_TRUE(run.submit("b").ok());
  run.execute();
  run.refuse("execution reverted");
  EXPECT_NE(run.queue->find("b"), nullptr);
  EXPECT_EQ(run.queue->find("b")->reason, "execution reverted");
  EXPECT_TRUE(run.finish());
  EXPECT_EQ(run.state("b"), State::Succeeded);
}

TEST(AccountQueue, ARevertOnChainIsAnOutcome) {
  Runner run;
  ASSERT_TRUE(run.submit("a").ok());
  run.execute_all();
  run.world.reverting.insert(run.world.mempool.at(0));
  EXPECT_TRUE(run.finish());
  EXPECT_EQ(run.state("a"), State::Reverted);
  EXPECT_EQ(run.world.disk["a"].reason, "the contract reverted");
}

TEST(AccountQueue, WhatIsStuckIsSentAgainWithHigherFeesUnderItsNonce) {
  Runner run;
  ASSERT_TRUE(run.submit("a").ok());
  ASSERT_TRUE(run.submit("b").ok());
  run.execute_all();
  run.world.price = 1000;
  EXPECT_TRUE(run.finish());
  EXPECT_EQ(run.state("a"), State::Succeeded);
  EXPECT_EQ(run.state("b"), State::Succeeded);
  const auto& attempts = run.world.disk["a"].attempts;
  ASSERT_GE(attempts.size(), 2u);
  for (const auto& attempt : attempts) EXPECT_EQ(attempt.nonce, 0u);
  EXPECT_GE(attempts.back().fees.max_fee, Wei(1000));
}

TEST(AccountQueue, TheLimitOfFeesIsKeptAndTold) {
  auto settings = config();
  settings.fees.max_fee = 50;
  Runner run(settings);
  ASSERT_TRUE(run.submit("a").ok());
  run.execute_all();
  run.world.price = 60;
  for (int i = 0; i < 600; ++i) {
    run.pass(seconds{1});
    run.execute_all();
    run.world.mine();
  }
  ASSERT_NE(run.queue->find("a"), nullptr);
  for (const auto& attempt : run.world.disk["a"].attempts) {
    EXPECT_LE(attempt.fees.max_fee, Wei(50));
  }
  EXPECT_LT(run.world.disk["a"].attempts.size(), 5u);
  EXPECT_FALSE(run.queue->find("a")->reason.empty());
  run.world.price = 20;
  EXPECT_TRUE(run.finish());
}

TEST(AccountQueue, AnyAttemptCountsAlsoTheOldest) {
  Runner run;
  ASSERT_TRUE(run.submit("a").ok());
  run.execute_all();
  const Digest32 first = run.world.mempool.at(0);
  run.world.price = 1000;
  for (int i = 0; i < 50; ++i) {
    run.pass(seconds{1});
    run.execute_all();
  }
  ASSERT_NE(run.world.mempool.at(0), first);
  run.world.mempool[0] = first;  // a miner had it
  run.world.price = 0;
  EXPECT_TRUE(run.finish());
  EXPECT_EQ(run.state("a"), State::Succeeded);
  EXPECT_EQ(run.world.disk["a"].hash, first);
}

TEST(AccountQueue, AReorganisationPutsItBack) {
  for (const bool forget : {false, true}) {
    Runner run;
    ASSERT_TRUE(run.submit("a").ok());
    run.execute_all();
    run.world.mine();
    run.world.mine();
    run.pass(seconds{4});
    run.execute_all();
    EXPECT_EQ(run.state("a"), State::Pending);
    run.world.reorganise(2, forget);
    run.pass(seconds{4});
    run.execute_all();
    EXPECT_NE(run.queue->find("a"), nullptr);
    EXPECT_TRUE(run.finish());
    EXPECT_EQ(run.state("a"), State::Succeeded);
  }
}

TEST(AccountQueue, ForgottenByTheMempoolItIsSentAgain) {
  Runner run;
  ASSERT_TRUE(run.submit("a").ok());
  run.execute_all();
  run.world.mempool.clear();
  EXPECT_TRUE(run.finish());
  EXPECT_EQ(run.state("a"), State::Succeeded);
}

TEST(AccountQueue, AForeignTransactionCostsANonceNotTheWish) {
  Runner run;
  ASSERT_TRUE(run.submit("a").ok());
  run.execute_all();
  run.world.mempool[0] = Digest32{0xaa};  // the key is used elsewhere
  EXPECT_TRUE(run.finish());
  EXPECT_EQ(run.state("a"), State::Succeeded);
  EXPECT_EQ(run.world.disk["a"].nonce, 1u);
}

TEST(AccountQueue, TheChainsCountIsTakenWhenItIsAhead) {
  Runner run;
  run.world.foreign_before = 5000;
  ASSERT_TRUE(run.submit("a").ok());
  EXPECT_TRUE(run.finish());
  EXPECT_EQ(run.world.disk["a"].nonce, 5000u);
}

TEST(AccountQueue, ALieAboutTheCountLeavesNoGapForEver) {
  Runner run;
  ASSERT_TRUE(run.submit("a").ok());
  run.execute();
  const auto prepare = std::get<AccountQueue::Prepare>(run.actions.front());
  run.actions.pop_front();
  AccountQueue::Prepared lie;
  lie.gas = 40000;
  lie.fees = run.fees();
  lie.mined_nonce = 3;
  lie.pending_nonce = 3;
  run.queue->handle_prepared(run.now, prepare.id, lie);
  run.collect();
  EXPECT_TRUE(run.finish());
  EXPECT_EQ(run.state("a"), State::Succeeded);
  EXPECT_EQ(run.world.disk["a"].nonce, 3u);
  EXPECT_EQ(run.state("gap-0"), State::Succeeded);
  EXPECT_EQ(run.state("gap-2"), State::Succeeded);
}

TEST(AccountQueue, ALeapOfTheCountHasToBeToldTwice) {
  Runner run;
  ASSERT_TRUE(run.submit("first").ok());
  ASSERT_TRUE(run.finish());
  ASSERT_TRUE(run.submit("a").ok());
  run.execute();
  AccountQueue::Prepared lie;
  lie.gas = 40000;
  lie.fees = run.fees();
  lie.mined_nonce = lie.pending_nonce = 1000000;
  const auto prepare = std::get<AccountQueue::Prepare>(run.actions.front());
  run.actions.pop_front();
  run.queue->handle_prepared(run.now, prepare.id, lie);
  run.collect();
  EXPECT_FALSE(run.queue->find("a")->nonce);
  EXPECT_TRUE(run.finish());
  EXPECT_EQ(run.world.disk["a"].nonce, 1u);
}

TEST(AccountQueue, AReceiptOfSomethingElseIsNone) {
  Runner run;
  ASSERT_TRUE(run.submit("a").ok());
  run.execute_all();
  const auto lie = [&](Digest32 hash, std::uint64_t mined_nonce) {
    run.pass(seconds{4});
    const auto poll = std::get<AccountQueue::Poll>(run.actions.front());
    run.actions.pop_front();
    AccountQueue::Polled polled;
    polled.head = 1000;
    polled.mined_nonce = mined_nonce;
    Receipt receipt;
    receipt.transaction = hash;
    receipt.block = 10;
    receipt.succeeded = true;
    polled.receipts = {receipt};
    run.queue->handle_polled(run.now, poll.id, polled);
    run.collect();
  };
  lie(Digest32{1}, 1);
  EXPECT_NE(run.queue->find("a"), nullptr);
  // Mined, says the receipt; not counted, says the account: not believed.
  lie(run.world.disk["a"].attempts[0].hash, 0);
  run.execute_all();
  EXPECT_EQ(run.state("a"), State::Pending);
}

TEST(AccountQueue, WithoutMoneyItWaitsAndSaysSo) {
  Runner run;
  ASSERT_TRUE(run.submit("a").ok());
  run.execute();
  run.refuse("insufficient funds for gas * price + value");
  EXPECT_EQ(run.queue->find("a")->reason, "insufficient funds for gas * price + value");
  EXPECT_TRUE(run.finish());
  EXPECT_EQ(run.state("a"), State::Succeeded);
}

TEST(AccountQueue, AWishThatNeverGetsOutFailsInTheEnd) {
  Runner run;
  ASSERT_TRUE(run.submit("a").ok());
  run.execute();
  for (int i = 0; i < 1900 && run.queue->find("a") != nullptr; ++i) {
    while (run.next_is<AccountQueue::Prepare>()) run.fail();
    while (run.next_is<AccountQueue::Store>()) run.execute();
    run.pass(seconds{1});
  }
  EXPECT_EQ(run.state("a"), State::Failed);
  EXPECT_EQ(run.world.disk["a"].reason, "it could not be sent in time: nobody answers");
}

TEST(AccountQueue, FullAndUnstorableWishesAreRefused) {
  auto settings = config();
  settings.max_waiting = 2;
  Runner run(settings);
  ASSERT_TRUE(run.submit("a").ok());
  ASSERT_TRUE(run.submit("b").ok());
  EXPECT_EQ(run.submit("c").error().code, Errc::Full);
  run.fail();  // the store of "a"
  EXPECT_EQ(run.queue->find("a"), nullptr);
  EXPECT_EQ(run.events.at(0).stored.error().code, Errc::Full);
  EXPECT_TRUE(run.submit("c").ok());
  EXPECT_TRUE(run.finish());
}

TEST(AccountQueue, ADiskThatIsFullForAMomentLosesNoNonce) {
  Runner run;
  ASSERT_TRUE(run.submit("a").ok());
  run.execute();
  run.execute();
  ASSERT_TRUE(run.next_is<AccountQueue::Store>());
  run.fail();
  EXPECT_FALSE(run.queue->find("a")->nonce);
  EXPECT_TRUE(run.finish());
  EXPECT_EQ(run.world.disk["a"].nonce, 0u);
}

// Killed at every single point, before and after the effect of what it was doing.
TEST(AccountQueue, KilledAnywhereEachWishHappensOnce) {
  for (int kill_at = 0; kill_at < 60; ++kill_at) {
    for (const bool effect : {false, true}) {
      Runner run;
      int step = 0;
      const auto act = [&] {
        if (step++ == kill_at) {
          if (effect) run.execute(false);
          run.restart();
          return;
        }
        run.execute();
      };
      for (const char* id : {"a", "b", "c"}) {
        // The owner asks again until it is accepted, as after a crash it has to.
        for (int i = 0; i < 5 && run.world.disk.count(id) == 0; ++i) {
          (void)run.submit(id);
          if (!run.actions.empty()) act();
        }
        for (int i = 0; i < 6 && !run.actions.empty(); ++i) act();
      }
      for (int i = 0; i < 200 && run.queue->waiting() + run.queue->pending() > 0; ++i) {
        while (!run.actions.empty()) act();
        run.world.mine();
        run.pass(seconds{2});
      }
      std::map<std::string, int> happened;
      std::uint64_t mined = 0;
      for (const auto& block : run.world.chain) {
        for (const auto& [nonce, hash] : block.mined) {
          EXPECT_EQ(nonce, mined++);
          ++happened[run.world.known.at(hash).wish];
        }
      }
      EXPECT_EQ(mined, 3u) << kill_at;
      for (const char* id : {"a", "b", "c"}) {
        EXPECT_EQ(happened[id], 1) << kill_at;
        EXPECT_EQ(run.state(id), State::Succeeded) << kill_at;
      }
    }
  }
}

// Everything at once: lost answers, failures, fee spikes, reorganisations, forgetful mempools,
// kills.
TEST(AccountQueue, UnderTroubleOfAllKindsEachWishHappensOnce) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    test::SeededRng rng(seed);
    Runner run;
    int wishes = 0;
    for (int i = 0; i < 800; ++i) {
      if (wishes < 12 && rng.below(20) == 0 && run.submit("w" + std::to_string(wishes)).ok()) {
        ++wishes;
      }
      if (!run.actions.empty()) {
        const auto index = static_cast<std::size_t>(rng.below(run.actions.size()));
        switch (rng.below(12)) {
          case 0:
            run.fail();
            break;
          case 1:
            if (rng.below(3) == 0) {
              run.execute_at(index, false);  // done, then killed
              run.restart();
            }
            break;
          default:
            run.execute_at(index);
        }
      }
      if (rng.below(6) == 0) run.world.mine();
      if (rng.below(60) == 0) run.world.reorganise(1 + rng.below(2), rng.below(2) == 0);
      if (rng.below(80) == 0) run.world.mempool.clear();
      if (rng.below(40) == 0) run.world.price = 10 + rng.below(3000);
      if (rng.below(150) == 0) run.restart();
      run.pass(std::chrono::milliseconds(rng.below(2500)));
    }
    run.world.price = 20;
    // The owner repeats what was not accepted.
    for (int w = 0; w < wishes; ++w) {
      const std::string id = "w" + std::to_string(w);
      if (run.world.disk.count(id) == 0) (void)run.submit(id);
    }
    ASSERT_TRUE(run.finish()) << seed;
    std::map<std::string, int> happened;
    for (const auto& block : run.world.chain) {
      for (const auto& [nonce, hash] : block.mined) {
        (void)nonce;
        ++happened[run.world.known.at(hash).wish];
      }
    }
    for (int w = 0; w < wishes; ++w) {
      const std::string id = "w" + std::to_string(w);
      const State state = run.state(id);
      EXPECT_EQ(happened[id], state == State::Failed ? 0 : 1) << seed << " " << id;
      EXPECT_TRUE(is_final(state)) << seed;
    }
  }
}

}  // namespace
}  // namespace myst::chain
