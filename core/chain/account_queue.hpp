// Transactions of one account on one chain, from the wish to its outcome: gives out nonces, signs,
// sends, raises fees of what is stuck, decides the outcome by receipt and depth. Sans-IO.
//
// Rules
// - A wish has an id chosen by its owner. The same id twice is AlreadyExists: asking again is safe.
// - What has a nonce was stored (durably) with that nonce and the hash of its signed bytes before
//   anything was sent. After a crash the same bytes go out again: signing is deterministic. So no
//   nonce is lost (later ones would wait for ever) and none is used for two wishes.
// - Gas is estimated before a nonce is given: a call that would revert fails with the contract's
//   reason and costs nothing. While others of ours are under way, which may change that, it waits.
// - A transaction that is not mined in time is sent again with higher fees under the same nonce, up
//   to the policy's limit; any of its attempts counts.
// - The outcome is told when the receipt lies `confirmations` deep; a receipt that goes away in a
//   reorganisation puts the transaction back.
// - A nonce that somebody else used (the key is used elsewhere) gives the wish a new one, after
// long
//   enough that none of its attempts can be hiding. A gap below our nonces (an endpoint lied about
//   the count) is filled with empty transactions to ourselves.
// - So a wish can take effect twice only if all endpoints hide a mined transaction for minutes; the
//   contracts' own rules (what is settled is settled) make the second one revert.
//
// Every wish that is not done has a state and a reason that can be shown to its owner.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/chain/rpc_pool.hpp"
#include "core/chain/transaction.hpp"
#include "core/identity/signer.hpp"

namespace myst::chain {

enum class TransactionState : std::uint8_t {  // the numbers are stored
  Waiting = 0,                                // no nonce yet
  Pending = 1,                                // has a nonce and at least one attempt
  Succeeded = 2,                              // the rest is final
  Reverted = 3,                               // mined, without effect but for its cost
  Failed = 4,                                 // never sent
};
const char* to_string(TransactionState state);
inline bool is_final(TransactionState state) { return state >= TransactionState::Succeeded; }

struct TransactionRecord {
  struct Attempt {
    std::uint64_t nonce = 0;
    Fees fees;
    Digest32 hash{};
  };
  std::string id;
  Address to;
  Wei value;
  Bytes data;
  std::uint64_t gas_limit = 0;  // 0: estimated when it gets its nonce
  TransactionState state = TransactionState::Waiting;
  std::optional<std::uint64_t> nonce;
  std::vector<Attempt> attempts;  // oldest first; all of them may still be mined
  std::string reason;             // why it waits, or why it failed
  // Of the attempt that was mined.
  Digest32 hash{};
  std::uint64_t block = 0;
  std::uint64_t gas_used = 0;
  Wei gas_price;
  WallTime created{};
  WallTime updated{};
};

class AccountQueue {
 public:
  struct Config {
    std::uint64_t chain_id = 0;
    FeePolicy fees;
    std::uint64_t confirmations = 1;  // blocks from the one that has it on; 1: mined is enough
    std::size_t max_waiting = 1000;   // more wishes: Full
    std::size_t max_pending = 16;     // nonces out at a time
    std::size_t max_attempts = 24;
    unsigned gas_margin_percent = 25;  // on top of the estimate
    std::uint64_t max_gas = 10000000;
    Duration poll_interval = std::chrono::seconds{4};   // only while something is pending
    Duration raise_after = std::chrono::seconds{45};    // since the last attempt
    Duration waiting_limit = std::chrono::minutes{30};  // without a nonce: then it fails
    Duration first_retry = std::chrono::seconds{2};
    Duration longest_retry = std::chrono::minutes{1};
    Duration settled_after = std::chrono::minutes{2};  // a foreign nonce, a gap: believed then
  };
  struct Wish {
    std::string id;
    Address to;
    Wei value;
    Bytes data;
    std::uint64_t gas_limit = 0;
  };

  // --- what it asks for; each is answered with the handle_* of its name, `id` in it.
  struct Store {  // insert or replace by record.id; durable when answered
    std::uint64_t id = 0;
    TransactionRecord record;
  };
  struct Prepare {  // gas estimate of this call from the account, fees, both nonces
    std::uint64_t id = 0;
    Address to;
    Wei value;
    Bytes data;
    bool estimate = true;
  };
  struct Send {
    std::uint64_t id = 0;
    Bytes raw;
  };
  struct Poll {  // head, mined nonce, fees, and the receipts of these hashes
    std::uint64_t id = 0;
    std::vector<Digest32> hashes;
  };
  using Action = std::variant<Store, Prepare, Send, Poll>;

  struct Prepared {
    std::uint64_t gas = 0;  // 0 when it was not asked for
    Fees fees;
    std::uint64_t mined_nonce = 0;    // eth_getTransactionCount at latest
    std::uint64_t pending_nonce = 0;  // at pending
  };
  struct Polled {
    std::uint64_t head = 0;
    std::uint64_t mined_nonce = 0;
    std::optional<Fees> fees;
    std::vector<std::optional<Receipt>> receipts;  // in the order of the hashes
  };
  // What the chain or a server said against something.
  struct Refusal {
    RpcError error;
    std::string text;  // for people, with the reason of a revert
  };

  struct Event {  // stored already
    std::string id;
    TransactionState state = TransactionState::Waiting;
    Status stored;  // a wish that could not be stored is gone, and this says why
  };

  // `open`: the records of the store that are not final; `next_nonce`: one above the highest nonce
  // of the store, final ones included. What is pending is sent again.
  AccountQueue(const Config& config, const Signer& signer, std::vector<TransactionRecord> open,
               std::uint64_t next_nonce, Now now);

  // AlreadyExists: an open wish has that id. Full. The acceptance is an Event with state Waiting.
  Status submit(Now now, Wish wish);

  void handle_stored(Now now, std::uint64_t id, const Status& status);
  void handle_prepared(Now now, std::uint64_t id, const Prepared& prepared);
  void handle_not_prepared(Now now, std::uint64_t id, const Refusal* refusal, const Error& error);
  void handle_sent(Now now, std::uint64_t id);
  void handle_not_sent(Now now, std::uint64_t id, const Refusal* refusal, const Error& error);
  void handle_polled(Now now, std::uint64_t id, const Polled& polled);
  void handle_not_polled(Now now, std::uint64_t id, const Error& error);
  void handle_timeout(Now now);

  std::optional<Action> poll_action();
  std::optional<Event> poll_event();
  std::optional<Instant> next_timeout() const;

  // Open ones only: final ones are the store's.
  const TransactionRecord* find(const std::string& id) const;
  std::size_t waiting() const;
  std::size_t pending() const;
  Address account() const { return signer_.address(); }

 private:
  enum class Storing : std::uint8_t { No, Acceptance, Attempt, Outcome, Requeue };
  struct Entry {
    TransactionRecord record;
    Storing storing = Storing::No;
    bool sending = false;
    int refusals = 0;  // final ones, of the estimate
    bool to_send = false;
    Instant since{};                          // submitted, or pending since
    Instant next_try{};                       // of preparing or sending
    Duration retry{};                         // doubled with each failure
    Instant last_attempt{};                   // when the last one was made
    std::optional<Instant> nonce_gone_since;  // mined nonce is above ours, no receipt
    std::uint64_t nonce_gone_head = 0;
    // Before a change that is being stored: to go back to when that fails.
    std::optional<TransactionRecord> before;
  };

  void step(Now now);
  void expire(Now now);
  void start_prepare(Now now);
  bool may_prepare() const;
  Status take_counts(const Prepared& prepared);
  void start_sends(Now now);
  void start_poll(Now now);
  void store(Now now, Entry& entry, Storing why, const TransactionRecord& before);
  void add_attempt(Now now, Entry& entry, const Fees& fees);
  void back_off(Now now, Entry& entry, std::string reason);
  void finish(Now now, Entry& entry, TransactionState state, std::string reason);
  void fill_gap(Now now, std::uint64_t mined_nonce);
  void add_filler(Now now, std::uint64_t nonce, const Fees& fees);
  void look_at(Now now, Entry& entry, const Polled& polled,
               const std::map<Digest32, const Receipt*>& receipts);
  Entry* lowest_pending();
  Transaction transaction_of(const TransactionRecord& record,
                             const TransactionRecord::Attempt& attempt) const;

  Config config_;
  const Signer& signer_;
  std::map<std::uint64_t, Entry> entries_;  // by order of arrival
  std::map<std::string, std::uint64_t> by_id_;
  std::uint64_t last_entry_ = 0;
  std::uint64_t next_nonce_ = 0;
  std::uint64_t last_action_ = 0;
  std::map<std::uint64_t, std::uint64_t> stores_, sends_;             // action -> entry
  std::optional<std::pair<std::uint64_t, std::uint64_t>> preparing_;  // action, entry
  struct Polling {
    std::uint64_t id = 0;
    std::vector<Digest32> hashes;
    std::vector<std::uint64_t> entries;  // whose attempts are all among them
  };
  std::optional<Polling> polling_;
  std::optional<Instant> poll_at_;
  Duration poll_pause_{};
  std::optional<Instant> gap_since_;
  std::optional<std::uint64_t> doubted_count_;  // a mined count far ahead, seen once
  std::deque<Action> actions_;  // at most one store and one send an entry, one prepare, one poll
  std::deque<Event> events_;    // at most two an entry: the owner drains them after each input
};

}  // namespace myst::chain
