// What Hermes and the transactor want to know, read from the chain.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "apps/hub/contracts.hpp"
#include "core/hub/hermes/requests.hpp"
#include "core/hub/transactor/transactor.hpp"
#include "drivers/ethereum/reader.hpp"

namespace myst::hub {

class ChainLookup {
 public:
  template <typename Facts>
  using Callback = std::function<void(Result<Facts>)>;
  virtual ~ChainLookup() = default;
  // Each calls back once, possibly at once.
  virtual void consumer(const core::hermes::ConsumerKey& key,
                        Callback<core::hermes::ConsumerFacts> done) = 0;
  virtual void provider(const core::hermes::ProviderKey& key,
                        Callback<core::hermes::ProviderFacts> done) = 0;
};

// What the transactor wants to know of a chain.
class TransactorChain {
 public:
  using Question = core::transactor::Transactor::Question;
  using ChainAnswer = core::transactor::Transactor::ChainAnswer;
  using Answer = std::function<void(Result<ChainAnswer>)>;
  virtual ~TransactorChain() = default;
  virtual void ask(const Question& question, Answer done) = 0;  // calls back once
};

// The chains a hub serves, each with its endpoints.
class Chains final : public ChainLookup, public TransactorChain {
 public:
  struct Chain {
    ChainContracts contracts;
    std::unique_ptr<ethereum::RpcClient> client;
    std::unique_ptr<ethereum::Reader> reader;
  };
  // confirmations: so deep money must lie to count, at least 1.
  Chains(platform::Loop& loop, const std::vector<ChainContracts>& contracts,
         std::uint64_t confirmations = 1);

  void consumer(const core::hermes::ConsumerKey& key,
                Callback<core::hermes::ConsumerFacts> done) override;
  void provider(const core::hermes::ProviderKey& key,
                Callback<core::hermes::ProviderFacts> done) override;

  void ask(const Question& question, Answer done) override;

  Chain* find(std::uint64_t chain_id);
  std::map<std::uint64_t, Chain>& all() { return chains_; }

 private:
  void ask_registered(Chain& chain, const core::transactor::Transactor::AskRegistered& what,
                      Answer done);
  void ask_open(Chain& chain, const core::transactor::Transactor::AskOpen& what, Answer done);
  std::map<std::uint64_t, Chain> chains_;
  std::uint64_t confirmations_;
};

}  // namespace myst::hub
