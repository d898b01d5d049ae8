// The accounts that send a hub's transactions: one key, one queue a chain, one store for all.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "apps/hub/chain_lookup.hpp"
#include "apps/hub/transactor_service.hpp"
#include "core/identity/signer.hpp"
#include "drivers/ethereum/account.hpp"
#include "drivers/storage/transaction_store.hpp"
#include "platform/loop/work_queue.hpp"

namespace myst::hub {

class Accounts final : public TransactionSender {
 public:
  struct Handlers {
    std::function<void(const chain::TransactionRecord&)> transaction;
    std::function<void(const std::string& wish, const Error&)> lost;
  };
  // Key and chains outlive it.
  Accounts(platform::Loop& loop, const Signer& key, Chains& chains,
           storage::TransactionStore store);
  ~Accounts() override;

  // Loads what is open and goes on with it. Blocking, once.
  Status open(const std::map<std::uint64_t, chain::AccountQueue::Config>& configs);
  // From then on handlers are called, from the loop.
  void start(Handlers handlers) { handlers_ = std::move(handlers); }

  Status submit(std::uint64_t chain, chain::AccountQueue::Wish wish) override;
  const chain::TransactionRecord* find_open(std::uint64_t chain,
                                            const std::string& wish) const override;
  Result<std::optional<chain::TransactionRecord>> find(std::uint64_t chain,
                                                       const std::string& wish) override;
  const chain::AccountQueue* queue(std::uint64_t chain) const;
  Address address() const { return key_.address(); }
  std::size_t waiting() const;  // on all chains: without a nonce
  std::size_t pending() const;  // sent and not mined
  void finish() { work_.finish(); }

 private:
  void persist(std::uint64_t chain, const chain::TransactionRecord& record,
               std::function<void(const Status&)> done);
  void on_event(std::uint64_t chain, const chain::AccountQueue::Event& event);

  platform::Loop& loop_;
  const Signer& key_;
  Chains& chains_;
  storage::TransactionStore store_;  // used by the work queue only, once that runs
  Handlers handlers_;
  // Final ones are not the queue's any more when their event comes.
  std::map<std::string, chain::TransactionRecord> finals_;
  std::map<std::uint64_t, std::unique_ptr<ethereum::Account>> accounts_;
  platform::WorkQueue work_;
};

}  // namespace myst::hub
