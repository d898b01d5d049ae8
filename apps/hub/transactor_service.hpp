// The transactor over HTTP: routes below /transactor/api/v1/, and the machine of
// core/hub/transactor carried by a store on a worker, the chain, and accounts that send
// transactions.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apps/hub/chain_lookup.hpp"
#include "apps/hub/routes.hpp"
#include "core/chain/account_queue.hpp"
#include "core/hub/transactor/transactor.hpp"
#include "drivers/storage/task_store.hpp"
#include "platform/http/server.hpp"
#include "platform/loop/timer.hpp"
#include "platform/loop/work_queue.hpp"

namespace myst::hub {

// Accounts that send transactions, one a chain.
class TransactionSender {
 public:
  virtual ~TransactionSender() = default;
  // AlreadyExists: the wish is known. What comes of it is told to the service.
  virtual Status submit(std::uint64_t chain, chain::AccountQueue::Wish wish) = 0;
  // Where a wish stands that is not final; nullptr: not known.
  virtual const chain::TransactionRecord* find_open(std::uint64_t chain,
                                                    const std::string& wish) const = 0;
  // At start: what is known of a wish, final ones too. Blocking.
  virtual Result<std::optional<chain::TransactionRecord>> find(std::uint64_t chain,
                                                               const std::string& wish) = 0;
};

class TransactorService {
 public:
  struct Options {
    core::transactor::Terms terms;
    core::transactor::Transactor::Config machine;
    Duration fee_lifetime = std::chrono::minutes{1};
    Duration keep_tasks = std::chrono::hours{24 * 30};  // after their end
  };
  // Chain and sender outlive the service.
  TransactorService(platform::Loop& loop, Options options, storage::TaskStore store,
                    TransactorChain& chain, TransactionSender& sender);
  ~TransactorService();
  TransactorService(const TransactorService&) = delete;
  TransactorService& operator=(const TransactorService&) = delete;

  // Goes on with what was queued when the program ended. Blocking, once, before anything else.
  Status restore();

  static std::vector<RouteName> routes();
  // False: not a path of the transactor, nothing was done.
  bool handle(const platform::HttpRequest& request, const platform::HttpExchangePtr& exchange);
  // From Hermes: what it cashes of its consumers. Nobody waits for it.
  void cash(core::transactor::CashRequest request);
  std::size_t open_of(core::transactor::Kind kind) const;  // tasks of nobody, such as Cash

  // From the accounts: where a transaction stands now, and one that could not be stored.
  void handle_transaction(const chain::TransactionRecord& record);
  void handle_lost(const std::string& wish, const Error& error);

  void set_operator(std::uint64_t chain, const Address& hermes, const Address& operator_key);
  // From now on; those before are taken until the next change.
  void set_fees(std::uint64_t chain, const core::transactor::Fees& fees);
  void finish();  // what is to be stored is stored
  const core::transactor::Transactor& machine() const { return machine_; }

 private:
  using Machine = core::transactor::Transactor;
  struct Published {
    core::transactor::Fees current, last;
  };
  struct Call {
    std::string_view piece;  // of the path
    const platform::HttpRequest& request;
    const platform::HttpExchangePtr& exchange;
  };
  struct Route {
    std::string_view method, pattern;
    void (*run)(TransactorService&, const Call&);
  };
  static const Route kRoutes[18];
  template <typename Parsed>
  void take(const Parsed& parsed, const Call& call, bool answer_id);
  void submit(const core::transactor::Request& request, const platform::HttpExchangePtr& exchange,
              std::string path, bool answer_id);
  // The fees of the chain a call names; answers it when there is no such chain.
  const Published* fees_of(const Call& call);
  template <typename Member>
  void get_fee(const Call& call, Member fee);
  void get_fees(const Call& call);
  void get_eligible(const Call& call);
  void open_channel(const Call& call);
  void get_queue_entry(std::string id, const platform::HttpExchangePtr& exchange);
  void get_registrations(const Address& identity, const platform::HttpExchangePtr& exchange);
  void get_channel_status(const std::string& body, const platform::HttpExchangePtr& exchange);
  // As it stands now, with what the account says of its transaction; nullopt: not an open task.
  std::optional<core::transactor::Task> current(const std::string& id) const;
  void pump();
  void write();
  void forget_old();

  struct Open {
    platform::HttpExchangePtr exchange;  // nullptr: nobody waits
    std::string path;
    bool answer_id = false;
  };

  platform::Loop& loop_;
  Options options_;  // the fees in its terms: the smaller of both that are published
  std::map<std::uint64_t, Published> fees_;  // by chain
  Machine machine_;
  storage::TaskStore store_;
  TransactorChain& chain_;
  TransactionSender& sender_;
  platform::Timer timer_, forget_timer_;
  platform::WorkQueue work_;
  bool writing_ = false;
  bool pumping_ = false;
  std::map<Machine::RequestId, Open> open_;
  Machine::RequestId next_id_ = 1;
  std::shared_ptr<TransactorService*> self_;
};

}  // namespace myst::hub
