// Hermes as a machine: requests in, answers out; between them ledger transactions and questions to
// the chain, which the owner carries out. Requests that come while a transaction is being committed
// share the next one, so that one fsync serves many. An answer leaves only after its commit.
//
//   hermes.handle_request(now, id, request);          // or handle_facts(), handle_timeout()
//   while (auto query = hermes.poll_query()) ask_chain(*query);
//   if (auto batch = hermes.poll_batch()) on a worker: batch->run(ledger), then
//                                         hermes.handle_batch_done(now, std::move(batch));
//   while (auto answer = hermes.poll_answer()) respond(answer->id, answer->answer);
//   timer.arm(hermes.next_timeout());
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/hub/hermes/book.hpp"
#include "core/hub/hermes/requests.hpp"
#include "core/hub/hermes/rules.hpp"
#include "core/identity/signer.hpp"

namespace myst::core::hermes {

using RequestId = std::uint64_t;
using ChainAccount = std::variant<ConsumerKey, ProviderKey>;

// A request on its way through the ledger, possibly twice: without and with facts.
struct Job {
  struct ConsumerData {
    Address identity;
    std::map<std::uint64_t, ConsumerFacts> facts;
  };
  struct ProviderData {
    Address identity;
    std::map<std::uint64_t, ProviderFacts> facts;
  };
  using Work = std::variant<VerifiedRequest, RevealRequest, ChangeFeeRequest, SyncRequest,
                            RefreshRequest, OffchainCreditRequest, ConsumerData, ProviderData>;
  RequestId id = 0;
  Address asker;  // who is counted; zero: nobody
  Work work;
  Facts facts;               // of a VerifiedRequest
  bool facts_asked = false;  // data requests: answer with what is there
  WallTime wall{};
  std::variant<Answer, FactsWanted> outcome;
};

class Batch {
 public:
  // Blocking; on any thread, once. What came of it is for Hermes::handle_batch_done().
  void run(Ledger& ledger);
  std::size_t size() const { return jobs_.size(); }
  const Status& status() const { return status_; }  // of the transaction

 private:
  friend class Hermes;
  Batch(const Terms& terms, const Signer& operator_key)
      : terms_(terms), operator_key_(operator_key) {}
  std::variant<Answer, FactsWanted> decide(Book& book, const Job& job) const;
  const Terms& terms_;
  const Signer& operator_key_;
  std::vector<Job> jobs_;
  Status status_;
};

class Hermes {
 public:
  struct Config {
    Terms terms;
    std::size_t max_waiting = 4096;  // requests under way; above: "too many simultaneous requests"
    std::size_t max_per_identity = 8;  // of one provider or asker; above: the same
    std::size_t max_batch = 256;       // requests in one transaction
    // A balance read from the chain this long ago is not read again.
    Duration facts_fresh = std::chrono::seconds{1};
    Duration chain_patience = std::chrono::seconds{8};  // nodes wait 20 s
    std::size_t max_facts = 4096;                       // remembered; above: all are forgotten
  };
  // `operator_key` must outlive the machine and be usable from the worker's thread.
  Hermes(Config config, const Signer& operator_key);

  void handle_request(Now now, RequestId id, Request request);

  // One account to look up on the chain.
  struct ChainQuery {
    std::uint64_t id = 0;
    ChainAccount account;
  };
  std::optional<ChainQuery> poll_query();
  // Answers to unknown or timed out queries are ignored.
  void handle_facts(Now now, std::uint64_t query, Result<ConsumerFacts> facts);
  void handle_facts(Now now, std::uint64_t query, Result<ProviderFacts> facts);

  // nullptr: nothing to do, or a batch is under way. The machine must outlive the batch.
  std::unique_ptr<Batch> poll_batch();
  void handle_batch_done(Now now, std::unique_ptr<Batch> batch);

  struct Answered {
    RequestId id = 0;
    Answer answer;
  };
  std::optional<Answered> poll_answer();

  std::optional<Instant> next_timeout() const;
  void handle_timeout(Now now);

  struct Counters {
    std::uint64_t requests = 0, promises = 0, reveals = 0, refused = 0, turned_away = 0;
    std::uint64_t batches = 0, failed_batches = 0, chain_queries = 0, chain_failures = 0;
  };
  const Counters& counters() const { return counters_; }
  std::size_t waiting() const { return waiting_; }
  const Terms& terms() const { return config_.terms; }

 private:
  struct Query {
    std::uint64_t id = 0;
    Instant deadline;
    std::vector<Job> jobs;  // bounded by max_waiting
  };
  using KnownFacts = std::variant<ConsumerFacts, ProviderFacts>;
  struct Remembered {
    KnownFacts facts;
    Instant at;
  };

  void answer(const Job& job, Answer answer);
  void refuse(RequestId id, Cause cause, const char* message);
  // Asks for what the job lacks, or lets it run again with what is remembered.
  void look_up(Now now, Job job, const FactsWanted& wanted);
  static void give_facts(Job& job, const ChainAccount& account, const KnownFacts& facts);
  std::optional<ChainAccount> next_lookup(Now now, Job& job, const FactsWanted& wanted);
  void close_query(Now now, std::uint64_t id, std::optional<KnownFacts> facts);

  Config config_;
  const Signer& operator_key_;
  std::deque<Job> ready_;
  bool batch_out_ = false;
  std::map<ChainAccount, Query> queries_;  // one a looked-up account
  std::map<std::uint64_t, ChainAccount> query_ids_;
  std::deque<ChainQuery> unasked_;
  std::map<ChainAccount, Remembered> remembered_;
  std::map<Address, std::size_t> by_asker_;
  std::deque<Answered> answers_;
  std::size_t waiting_ = 0;
  std::uint64_t next_query_ = 1;
  Counters counters_;
};

}  // namespace myst::core::hermes
