// Withdrawals: what is left in an identity's own channel comes out of it, on the same chain or on
// another one (reference: session/pingpong/hermes_promise_settler.go, Withdraw). The identity pays
// itself: a promise over its channel, exchanged for one of Hermes over its withdrawal channel, and
// that one is cashed for a beneficiary.
//
//   what Hermes and the chain know -> own promise on disk -> promise of Hermes on disk (told here)
//   -> transactor -> its queue, until the chain shows it -> history
//
// From the own promise on the order is on the disk, too, and the next run of the node goes on with
// it: at once when all is signed, else as soon as the identity is unlocked. What failed for good is
// in the history. Promises are cumulative, so nothing is lost by an end in the middle: a payment
// that Hermes may not have seen goes to it again with the next withdrawal, and what it promised and
// the chain did not pay out yet is paid out with it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/rng.hpp"
#include "core/money/effect_queue.hpp"
#include "core/money/settler.hpp"

namespace myst::core::money {

class Withdrawer {
 public:
  struct Config {
    std::vector<Settler::ChainFacts> chains;
    Duration first_check = std::chrono::seconds{2};
    Duration check_interval = std::chrono::seconds{30};
    Duration limit = std::chrono::minutes{3};
    Duration retry = std::chrono::seconds{30};  // the transactor does not answer
    int retries = 10;
    Duration late = std::chrono::hours{1};       // between checks above `limit`, and of new tries
    Duration patience = std::chrono::hours{24};  // the transactor's own; then it is given up
    Wei most = Wei::saturating_mul(Wei(1000000000000000000u), Wei(500));  // of "everything"
  };
  static constexpr std::size_t kMaxRuns = 16;  // full: refused

  struct Order {
    Address provider, hermes;  // of the chain it comes from
    std::uint64_t from = 0, to = 0;
    Address beneficiary;
    std::optional<Wei> amount;  // nullopt: everything
    std::shared_ptr<const Signer> signer;
  };
  // Error text; empty: Hermes has promised it, the rest goes on by itself.
  using Then = std::function<void(Now, const std::string&)>;
  using Stored = std::function<const StoredPromise*(std::uint64_t chain, const Address& provider,
                                                    const Address& hermes)>;
  using Signers = std::function<std::shared_ptr<const Signer>(const Address&)>;

  // `stored`: Hermes' latest promise over a withdrawal channel; `received`: another one is on disk;
  // `signers`: of identities that are unlocked.
  Withdrawer(EffectQueue& fx, Rng& rng, Config config, Stored stored,
             std::function<void(const StoredPromise&)> received, Signers signers)
      : fx_(fx),
        rng_(rng),
        config_(std::move(config)),
        stored_(std::move(stored)),
        received_(std::move(received)),
        signers_(std::move(signers)) {}

  void start(Now now, Order order, Then then);
  // What the last run left, once the promises are read.
  void resume(Now now);
  void handle_unlocked(Now now, const Address& identity);
  void handle_timeout(Now now);
  std::optional<Instant> next_timeout() const;

 private:
  struct Run {
    Order order;
    Then then;
    Settler::ChainFacts from, to;
    Address hermes;  // on the chain it goes to
    bool offchain = false;
    Wei promised, available, amount, fee, paid_out;
    Address operator_key;
    StoredPromise promise;
    OpenWithdrawal open;  // as it is on the disk, or goes there with the payment
    bool on_disk = false;
    bool resumed = false;  // nobody waits: a passing failure is tried again
    bool again = false;    // the next check begins anew
    bool warned = false;
    bool paid = false;  // the chain shows it, its transaction is looked for
    Instant give_up_at{};
    std::optional<Instant> check_at;
    Duration pause{};
    int tries = 0;
  };
  using RunPtr = std::shared_ptr<Run>;

  template <typename T>
  void ask(const RunPtr& run, Action action, const char* failing,
           std::function<void(Now, T&)> then);
  const Settler::ChainFacts* facts(std::uint64_t chain) const;
  void told(Now now, const RunPtr& run, const std::string& problem);
  void end(Now now, const RunPtr& run, const std::string& problem);
  void close(Now now, const RunPtr& run, const std::string& problem);
  void fail(Now now, const RunPtr& run, const std::string& problem);
  void take_up(Now now, const OpenWithdrawal& open);
  void go_on(Now now, const RunPtr& run);
  void prepare(const RunPtr& run, std::function<void(Now)> then);
  void cash_or_find(const RunPtr& run);
  void hand_over(Now now, const RunPtr& run);
  void send_again(Now now, const RunPtr& run);
  void look(Now now, const RunPtr& run);
  void count(Now now, const RunPtr& run, const Purse& purse);
  void decide(Now now, const RunPtr& run);
  void find_channel(const RunPtr& run);
  void promise_it(Now now, const RunPtr& run, const Address& channel);
  void exchange(Now now, const RunPtr& run, const Bytes& message, const Secret<32>& r,
                const U256& agreement, std::function<void(Now)> then);
  void cash(Now now, const RunPtr& run);
  void check(Now now, const RunPtr& run);
  void wait(Now now, const RunPtr& run);
  void wait_longer(Now now, const RunPtr& run);
  void find_line(Now now, const RunPtr& run);
  void look_for_logs(Now now, const RunPtr& run);
  void record(Now now, const RunPtr& run, SettlementRecord one);

  EffectQueue& fx_;
  Rng& rng_;
  Config config_;
  Stored stored_;
  std::function<void(const StoredPromise&)> received_;
  Signers signers_;
  std::map<Address, RunPtr> runs_;          // by provider
  std::map<Address, OpenWithdrawal> left_;  // of the last run, locked
};

}  // namespace myst::core::money
