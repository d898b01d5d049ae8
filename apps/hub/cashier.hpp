// Cashes what consumers promised to Hermes and whose R is known: looks through the ledger from time
// to time, asks the chain what was cashed already, and gives the rest to the transactor, many
// promises a transaction where the chain has a collector contract.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "apps/hub/chain_lookup.hpp"
#include "apps/hub/hermes_service.hpp"
#include "apps/hub/transactor_service.hpp"
#include "platform/loop/timer.hpp"

namespace myst::hub {

class Cashier {
 public:
  static constexpr std::size_t kMaxARound = 500;       // the rest has its turn next time
  static constexpr std::size_t kMaxATransaction = 40;  // some 100,000 gas each

  struct Options {
    Wei threshold;
    Duration interval{};
    std::set<std::uint64_t> collectors;  // chains that have the contract
  };
  // All outlive it.
  Cashier(platform::Loop& loop, Options options, HermesService& hermes,
          TransactorService& transactor, ChainLookup& chain);
  ~Cashier();
  Cashier(const Cashier&) = delete;
  Cashier& operator=(const Cashier&) = delete;

  // Now, and down to `threshold`. False: a round is under way.
  bool run(const Wei& threshold);

 private:
  struct Candidate {
    core::hermes::ConsumerKey key;
    core::hermes::SignedPromise promise;
    Secret<32> r;
    std::optional<core::hermes::ConsumerFacts> facts;
  };
  struct Round {
    Wei threshold;
    std::vector<Candidate> candidates;
    std::size_t unanswered = 0;
  };
  void look_up(const std::shared_ptr<Round>& round);
  void answered(const std::shared_ptr<Round>& round);

  Options options_;
  HermesService& hermes_;
  TransactorService& transactor_;
  ChainLookup& chain_;
  platform::Timer timer_;
  bool running_ = false;
  std::shared_ptr<Cashier*> self_;
};

}  // namespace myst::hub
