// One account that sends transactions: chain::AccountQueue with a chain under it. Where records are
// kept is its owner's business (persist).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/chain/account_queue.hpp"
#include "drivers/ethereum/rpc_client.hpp"
#include "platform/loop/timer.hpp"

namespace myst::ethereum {

class Account {
 public:
  // Durable (fsync) when it calls back with success; calls back exactly once, in the order of the
  // calls, never from inside the call. The last record of an id counts.
  using Persist =
      std::function<void(const chain::TransactionRecord&, std::function<void(const Status&)>)>;
  using OnEvent = std::function<void(const chain::AccountQueue::Event&)>;
  struct Stored {                                // what is on the disk
    std::vector<chain::TransactionRecord> open;  // those that are not final
    std::uint64_t next_nonce = 0;                // one above the highest nonce of any attempt
  };

  // Client and signer outlive it. Config::chain_id is the client's.
  Account(platform::Loop& loop, RpcClient& client, const Signer& signer,
          chain::AccountQueue::Config config, Stored stored, Persist persist, OnEvent on_event);
  ~Account();
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  Status submit(chain::AccountQueue::Wish wish);
  const chain::AccountQueue& queue() const { return queue_; }

 private:
  using Queue = chain::AccountQueue;
  struct Alive {};

  void drain();
  void execute(Queue::Store&& action);
  void execute(Queue::Prepare&& action);
  void execute(Queue::Send&& action);
  void execute(Queue::Poll&& action);
  // Runs `input` on the queue, then does what it asks for.
  template <typename F>
  void run(F&& input) {
    input(queue_);
    drain();
  }
  void ask_fees(std::function<void(const std::optional<chain::Fees>&)> done);

  platform::Loop& loop_;
  RpcClient& client_;
  chain::FeePolicy fees_;
  Queue queue_;
  Persist persist_;
  OnEvent on_event_;
  platform::Timer timer_;
  bool draining_ = false;
  std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();  // answers after the end are dropped
};

}  // namespace myst::ethereum
