// Settlements: from "these earnings shall be on the chain" to the log that says so (reference:
// session/pingpong/hermes_promise_settler.go).
//
//   settled so far -> fee -> promise with that fee -> does it pay off -> beneficiary
//   -> on the disk -> transactor -> its queue, until the chain shows it -> history
//
// From the disk on SettlementWatch has it, beyond the three minutes that somebody waits.
// Nothing is lost by an end in the middle: promises are cumulative, so a second settlement of the
// same promise finds nothing to settle, and the chain takes it once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "core/money/effect_queue.hpp"
#include "core/money/settle_rule.hpp"
#include "core/money/settlement_watch.hpp"

namespace myst::core::money {

class Settler {
 public:
  struct ChainFacts {
    std::uint64_t id = 0;
    Address registry, hermes, channel_implementation;
    std::vector<Address> known_hermeses;
  };
  struct Config {
    ChainFacts chain;
    Duration first_check = std::chrono::seconds{2};  // of the transactor's queue; then longer
    Duration check_interval = std::chrono::seconds{30};
    Duration limit = std::chrono::minutes{3};
  };
  static constexpr std::size_t kMaxRuns = 64;  // full: a settlement more is refused

  struct Order {
    Address provider, hermes;
    std::optional<Wei> max_fee;
    bool into_stake = false;
    std::optional<Address> beneficiary;    // asked for with this settlement
    std::shared_ptr<const Signer> signer;  // to change the beneficiary
  };
  // Error text; empty: settled, or there was nothing to settle.
  using Then = std::function<void(Now, const std::string&)>;
  struct Hooks {
    std::function<const StoredPromise*(std::uint64_t chain, const Address& provider,
                                       const Address& hermes)>
        stored;
    std::function<void(Now, const StoredPromise&)> reissued;  // with another fee; is on disk
    std::function<void(Now, const Address& provider, const Address& hermes, const ChannelAmounts&)>
        channel_read;
    std::function<void(const Address& provider)> changed;  // in_settlement() has
  };

  Settler(EffectQueue& fx, Config config, Hooks hooks);

  void resume(Now now) { watch_.resume(now); }  // what the last run left
  void start(Now now, Order order, Then then);
  bool running(const Address& provider, const Address& hermes) const {
    return runs_.count({provider, hermes}) != 0;
  }
  bool idle() const { return runs_.empty(); }
  // What the transactor was told to settle and the chain, with that much settled, does not show.
  Wei in_settlement(const Address& provider, const Address& hermes, const Wei& settled) const {
    return watch_.in_settlement(provider, hermes, settled);
  }
  // Does the transactor have a promise of that amount?
  bool follows(const Address& provider, const Address& hermes, const Wei& amount) const {
    return watch_.follows(provider, hermes, amount);
  }
  void handle_timeout(Now now) { watch_.handle_timeout(now); }
  std::optional<Instant> next_timeout() const { return watch_.next_timeout(); }

 private:
  using Key = std::pair<Address, Address>;
  struct Run {
    Order order;
    Then then;
    StoredPromise promise;
    Wei settled, fee;
    Address operator_key;
    Address beneficiary, old_beneficiary;
  };
  using RunPtr = std::shared_ptr<Run>;

  template <typename T>
  void ask(const RunPtr& run, Action action, const char* failing,
           std::function<void(Now, T&)> then);
  void end(Now now, const RunPtr& run, const std::string& problem);
  void with_channel(Now now, const RunPtr& run, const ChannelAmounts& amounts);
  void with_fee(Now now, const RunPtr& run, const Fee& fee);
  void reissue(Now now, const RunPtr& run);
  void weigh(Now now, const RunPtr& run);
  void choose_beneficiary(Now now, const RunPtr& run);
  void pay_to_beneficiary(Now now, const RunPtr& run);
  void order_it(Now now, const RunPtr& run, const U256& nonce);
  void send(const RunPtr& run, const OpenSettlement& open, TransactorCall call);

  EffectQueue& fx_;
  Config config_;
  Hooks hooks_;
  SettlementWatch watch_;
  std::map<Key, RunPtr> runs_;
};

}  // namespace myst::core::money
