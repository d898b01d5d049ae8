// Withdrawals: what is left in an identity's own channel comes out of it, on the same chain or on
// another one (reference: session/pingpong/hermes_promise_settler.go, Withdraw). The identity pays
// itself: a promise over its channel, exchanged for one of Hermes over its withdrawal channel, and
// that one is cashed for a beneficiary.
//
//   what Hermes and the chain know -> own promise on disk -> promise of Hermes on disk (told here)
//   -> transactor -> its queue, until the chain shows it -> history
//
// Promises are cumulative, so nothing is lost by an end in the middle: a payment that Hermes may
// not have seen goes to it again with the next withdrawal, and what it promised and the chain did
// not pay out yet is paid out with it.
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

  // `stored`: Hermes' latest promise over a withdrawal channel; `received`: another one is on disk.
  Withdrawer(EffectQueue& fx, Rng& rng, Config config, Stored stored,
             std::function<void(const StoredPromise&)> received)
      : fx_(fx),
        rng_(rng),
        config_(std::move(config)),
        stored_(std::move(stored)),
        received_(std::move(received)) {}

  void start(Now now, Order order, Then then);
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
    std::string queue_id;
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
  void send_again(Now now, const RunPtr& run);
  void look(Now now, const RunPtr& run);
  void count(Now now, const RunPtr& run, const Purse& purse);
  void decide(Now now, const RunPtr& run);
  void promise_it(Now now, const RunPtr& run);
  void exchange(Now now, const RunPtr& run, const Bytes& message, const Secret<32>& r,
                const U256& agreement, std::function<void(Now)> then);
  void cash(Now now, const RunPtr& run);
  void check(Now now, const RunPtr& run);
  void wait(Now now, const RunPtr& run);
  void look_for_logs(Now now, const RunPtr& run);
  void record(Now now, const RunPtr& run, SettlementRecord one);

  EffectQueue& fx_;
  Rng& rng_;
  Config config_;
  Stored stored_;
  std::function<void(const StoredPromise&)> received_;
  std::map<Address, RunPtr> runs_;  // by provider
};

}  // namespace myst::core::money
