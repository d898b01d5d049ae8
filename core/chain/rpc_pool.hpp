// Calls to a chain over several JSON-RPC endpoints: which endpoint gets which calls, what to do
// when one fails, when to give up. Sans-IO; texts of parameters and results are JSON and opaque
// here.
//
//   pool.call(now, {"eth_call", "[...]"});
//   while (auto exchange = pool.poll_exchange(now)) http.post(...)   // one HTTP request
//   pool.handle_answers(now, exchange.id, answers)  or  handle_failure(now, exchange.id, failure)
//   while (auto done = pool.poll_done()) ...                          // each call exactly once
//   timer.arm(pool.next_timeout());                                   // handle_timeout(now)
//
// Rules. Calls that wait go out together, as one batch. A call that fails at one endpoint for any
// reason goes to the next best one, each at most twice, until its deadline; what the chain itself
// refuses (a revert, a nonce) is an answer and final. Endpoints are ranked by their recent
// failures, then in the order of the configuration; one that fails rests for a while that doubles.
// With the first calls after a failure an endpoint is asked for its chain id too, and nothing it
// says is believed when it serves another chain. Nothing is ever asked without a call: no polling.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"

namespace myst::chain {

// An error object of JSON-RPC.
struct RpcError {
  std::int64_t code = 0;
  std::string message;  // printable, bounded
  Bytes data;           // of a revert
};

// Whether the chain said this, and every other endpoint would: reverts, what is wrong with a
// transaction, parameters that cannot be. Everything else may be the endpoint's own trouble.
bool is_final(const RpcError& error);
bool is_rate_limit(const RpcError& error);
// The range or the result of a log search is more than this endpoint gives.
bool is_too_large(const RpcError& error);
// The endpoint does not know the method, or not for so much: another may, and this one is none the
// worse for it.
bool is_unsupported(const RpcError& error);

class RpcPool {
 public:
  using CallId = std::uint64_t;
  using ExchangeId = std::uint64_t;
  static constexpr CallId kChainIdCall = 0;  // ours, within an exchange

  struct Config {
    std::size_t endpoints = 0;
    std::uint64_t chain_id = 0;
    Duration call_limit = std::chrono::seconds{20};  // node: payments.bc default of a multi-client
    Duration exchange_limit = std::chrono::seconds{10};  // one attempt at one endpoint
    std::size_t max_calls = 256;                         // waiting and under way; more: Full
    int rounds = 2;  // how often a call may try all endpoints; the second time after their rest
    std::size_t max_batch = 32;
    std::size_t max_exchanges = 4;  // at a time
    Duration first_rest = std::chrono::seconds{1};
    Duration longest_rest = std::chrono::minutes{1};
    // A call waits so long for a resting endpoint; else it fails at once.
    Duration patience = std::chrono::seconds{2};
    Duration wrong_chain_rest = std::chrono::minutes{5};
    Duration check_age = std::chrono::hours{1};  // a chain id is believed so long
  };
  struct Call {
    std::string method;
    std::string params;             // a JSON array
    std::optional<Duration> limit;  // else Config::call_limit
  };
  struct Exchange {
    struct Item {
      CallId id;
      std::string method;
      std::string params;
    };
    ExchangeId id = 0;
    std::size_t endpoint = 0;
    Duration limit{};
    std::vector<Item> items;  // more than one: a batch
  };
  struct Answer {
    CallId id = 0;
    std::optional<RpcError> error;
    std::string result;  // JSON
  };
  enum class Failure : std::uint8_t { Transport, Timeout, Status, RateLimited, Malformed };
  struct Done {
    CallId id = 0;
    std::optional<std::string> result;  // JSON
    std::optional<RpcError> refused;    // else: by the chain, or by an endpoint that was asked
    Error failure{};                    // else: Timeout, Unavailable, Malformed
  };
  // For the log: an endpoint went bad or came back.
  struct Event {
    enum class Kind : std::uint8_t { Failed, WrongChain, Recovered } kind = Kind::Failed;
    std::size_t endpoint = 0;
    std::string detail;
  };

  explicit RpcPool(const Config& config);

  // Full: too many calls wait; nothing is known about this one. Unavailable: no endpoints.
  Result<CallId> call(Instant now, Call call);
  void cancel(CallId id);  // no Done for it; an unknown id is no error

  // Answers in any order; missing ones count as failed, unknown ids are ignored.
  void handle_answers(Instant now, ExchangeId id, std::vector<Answer> answers);
  // `retry_after`: what the server asked for, if it did.
  void handle_failure(Instant now, ExchangeId id, Failure failure, std::string_view detail,
                      std::optional<Duration> retry_after = std::nullopt);
  // The server takes no arrays: its calls go out one by one from now on.
  void handle_no_batches(Instant now, ExchangeId id);
  void handle_timeout(Instant now);
  // The way to the endpoints is another one (a tunnel came or went): no endpoint rests any longer.
  void handle_network_change(Instant now);

  std::optional<Exchange> poll_exchange(Instant now);
  std::optional<Done> poll_done();
  std::optional<Event> poll_event();
  std::optional<Instant> next_timeout() const;

  // Whether an endpoint answered last time it was asked; true before the first time.
  bool healthy(std::size_t endpoint) const { return endpoints_[endpoint].failures_in_row == 0; }
  bool any_healthy() const;
  std::size_t calls() const { return calls_.size(); }

 private:
  struct Endpoint {
    unsigned failures_in_row = 0;
    unsigned penalty = 0;  // grows with failures, halves with successes: the ranking
    std::optional<Instant> rests_until;
    std::optional<Instant> verified_at;  // its chain id
    bool batches = true;
    bool reported = false;
  };
  struct Pending {
    Call call;
    Instant deadline;
    std::vector<bool> tried;
    int round = 1;
    bool under_way = false;
    std::optional<RpcError> last_refusal;
    Error last_failure{Errc::Unavailable, 0, "no chain endpoint answered"};
  };
  struct UnderWay {
    std::size_t endpoint = 0;
    std::vector<CallId> calls;
    bool checks_chain = false;
  };

  std::optional<std::size_t> best_endpoint(Instant now, const Pending& pending) const;
  std::optional<Instant> next_awake(const Pending& pending) const;
  bool hopeless(Instant now, const Pending& pending) const;
  void fail_endpoint(Instant now, std::size_t index, std::string_view detail,
                     std::optional<Duration> rest, Event::Kind kind = Event::Kind::Failed);
  void praise_endpoint(std::size_t index);
  void put_back(Instant now, CallId id, std::size_t endpoint, const Error& why);
  void finish(CallId id, Done done);
  void give_up(CallId id, const Pending& pending, const Error& why);
  bool chain_matches(const Answer& answer, std::string& said) const;

  Config config_;
  std::vector<Endpoint> endpoints_;
  std::map<CallId, Pending> calls_;  // ordered: oldest first
  std::map<ExchangeId, UnderWay> exchanges_;
  std::deque<Done> done_;     // bounded by max_calls: one a call
  std::deque<Event> events_;  // at most kMaxEvents; more are dropped
  CallId last_call_ = 0;
  ExchangeId last_exchange_ = 0;
};

}  // namespace myst::chain
