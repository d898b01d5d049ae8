// What Hermes wants to know of an account, read from the chain.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "apps/hub/contracts.hpp"
#include "core/hub/hermes/requests.hpp"
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

// The chains a hub serves, each with its endpoints.
class Chains final : public ChainLookup {
 public:
  struct Chain {
    ChainContracts contracts;
    std::unique_ptr<ethereum::RpcClient> client;
    std::unique_ptr<ethereum::Reader> reader;
  };
  Chains(platform::Loop& loop, const std::vector<ChainContracts>& contracts);

  void consumer(const core::hermes::ConsumerKey& key,
                Callback<core::hermes::ConsumerFacts> done) override;
  void provider(const core::hermes::ProviderKey& key,
                Callback<core::hermes::ProviderFacts> done) override;

  Chain* find(std::uint64_t chain_id);
  std::map<std::uint64_t, Chain>& all() { return chains_; }

 private:
  std::map<std::uint64_t, Chain> chains_;
};

}  // namespace myst::hub
