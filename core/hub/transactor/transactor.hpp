// A transactor's queue of tasks: accepts each once, makes sure it can succeed, hands it to the
// account's queue of transactions, and ends every task with an outcome and a reason. Sans-IO:
//
//   transactor.handle_request(now, id, task);              // from make_task()
//   while (auto store = transactor.poll_store()) ...        handle_accepted / handle_updated
//   while (auto question = transactor.poll_question()) ...  handle_answer
//   while (auto wish = transactor.poll_wish()) ...          handle_submitted, later handle_outcome
//   while (auto answer = transactor.poll_answer()) ...
//   timer.arm(transactor.next_timeout());                   // handle_timeout(now)
//
// Rules
// - A request is answered when its task is on the disk; the same request again gets the same id.
//   One that failed is tried anew when it is asked for again.
// - A registration waits for the money on its channel, up to a limit that its owner is told.
// - What failed is looked up on the chain first: it may have happened by another transaction.
// - Nothing waits for ever: each state has a limit, after which the task fails with a reason.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/hub/transactor/requests.hpp"
#include "core/hub/transactor/task.hpp"

namespace myst::core::transactor {

class Transactor {
 public:
  using RequestId = std::uint64_t;
  struct Config {
    Duration funds_poll = std::chrono::seconds{10};
    Duration funds_limit = std::chrono::hours{1};     // a registration waits so long for its money
    Duration chain_limit = std::chrono::minutes{30};  // nobody answers our questions
    Duration pending_limit = std::chrono::hours{24};  // sent and not mined
    Duration first_retry = std::chrono::seconds{2};
    Duration longest_retry = std::chrono::minutes{1};
    std::size_t max_open = 10000;
    std::size_t max_per_identity = 16;
    std::size_t max_free_per_day = 1000;  // registrations and channels nobody pays for
  };
  explicit Transactor(const Config& config) : config_(config) {}

  // At start: a task the store holds as queued. `under_way`: the queue of transactions knows it,
  // and its outcome will come.
  void restore(Now now, Task task, bool under_way);

  void handle_request(Now now, RequestId id, Task task);

  struct Store {
    std::uint64_t id = 0;
    // accept: put it, unless the store has this id in another state than Failed; else replace.
    bool accept = false;
    Task task;
  };
  struct Accepted {
    Task task;           // as it is in the store now
    bool fresh = false;  // it was put; `attempt` counts from the one that failed
  };
  std::optional<Store> poll_store();
  void handle_accepted(Now now, std::uint64_t store, Result<Accepted> accepted);
  void handle_updated(Now now, std::uint64_t store, const Status& status);

  struct AskRegistered {  // and what the channel holds; channel zero: not asked
    Address identity, channel;
  };
  struct AskSettled {
    Address hermes;
    Digest32 channel{};
  };
  struct AskOpen {  // of a registered identity?
    Address identity;
    Address channel;  // zero: it is found by the implementation that this Hermes has
    Address hermes;
  };
  struct Question {
    std::uint64_t id = 0;
    std::uint64_t chain = 0;
    std::variant<AskRegistered, AskSettled, AskOpen> ask;
  };
  struct Registered {
    bool registered = false;
    Wei balance;
  };
  struct Open {
    bool registered = false;
    bool open = false;
  };
  using ChainAnswer = std::variant<Registered, Wei, Open>;
  std::optional<Question> poll_question();
  void handle_answer(Now now, std::uint64_t question, Result<ChainAnswer> answer);

  struct Wish {
    std::string id;
    std::uint64_t chain = 0;
    Address to;
    Bytes data;
  };
  std::optional<Wish> poll_wish();
  // AlreadyExists: it is under way. Full, and others: tried again.
  void handle_submitted(Now now, const std::string& wish, const Status& status);
  // The queue of transactions took the wish and could not store it: offered again later.
  void handle_lost(Now now, const std::string& wish, const Error& error);
  struct Outcome {
    bool succeeded = false;
    Digest32 tx_hash{};  // zero: never sent
    std::string reason;
  };
  void handle_outcome(Now now, const std::string& wish, const Outcome& outcome);
  // What the queue of transactions says of a wish that is under way.
  void handle_progress(const std::string& wish, const Digest32& tx_hash, std::string reason);

  struct Answer {
    RequestId id = 0;
    std::variant<std::string, Refusal> answer;  // the task's id
  };
  std::optional<Answer> poll_answer();

  // Of open tasks; final ones are the store's.
  const Task* find(const std::string& id) const;
  std::vector<const Task*> of(const Address& identity, Kind kind) const;
  std::size_t open() const { return entries_.size(); }
  bool free_left(WallTime now) const;

  std::optional<Instant> next_timeout() const;
  void handle_timeout(Now now);

  struct Counters {
    std::uint64_t accepted = 0, repeated = 0, refused = 0, done = 0, failed = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  enum class Phase : std::uint8_t {
    Accepting,   // being stored; requests wait
    Checking,    // the chain is asked whether it can succeed
    Submitting,  // offered to the queue of transactions
    UnderWay,    // there
    Concluding,  // it failed; the chain is asked whether it happened all the same
    Finishing,   // the outcome is being stored
  };
  struct Entry {
    Task task;
    Phase phase = Phase::Accepting;
    std::vector<RequestId> requests;
    Instant since{};  // of this phase
    Duration retry{};
    std::optional<Instant> wake;  // when this phase goes on or gives up
    bool asking = false;
    Outcome outcome;  // Concluding
  };

  Entry* entry_of(const std::string& id);
  void enter(Now now, Entry& entry, Phase phase);
  void wake_at(Entry& entry, std::optional<Instant> at);
  void back_off(Now now, Entry& entry);
  void ask(Entry& entry);
  void submit(Entry& entry);
  void check_done(Now now, Entry& entry, const ChainAnswer& answer);
  void conclude(Now now, Entry& entry, const ChainAnswer& answer);
  void finish(Now now, Entry& entry, TaskState state, std::string reason);
  void store(Entry& entry, bool accept);
  void erase(Entry& entry);
  void refuse(RequestId id, Refusal refusal);
  bool take_free(WallTime now);

  Config config_;
  std::map<std::string, Entry> entries_;
  std::map<Address, std::size_t> by_identity_;
  std::set<std::pair<Instant, std::string>> wakes_;
  std::map<std::uint64_t, std::string> stores_, questions_;
  std::deque<Store> store_actions_;
  std::deque<Question> question_actions_;
  std::deque<Wish> wish_actions_;
  std::deque<Answer> answers_;
  std::uint64_t last_id_ = 0;
  std::int64_t free_day_ = 0;
  std::size_t free_today_ = 0;
  Counters counters_;
};

}  // namespace myst::core::transactor
