// Follows the events of a filter, block after block, without losing or repeating one. Sans-IO.
//
//   scan.start(now);
//   while (auto action = scan.poll_action()) ...     // Head, BlockAt, Window: answered by id
//   while (auto event = scan.poll_event()) ...        // Logs in order, Rewound
//
// Only blocks `confirmations` deep are read. The hash of the last block that was read is compared
// before going on: a reorganisation deeper than that rewinds, and the owner is told from which
// block on everything is told again. Windows shrink when a server refuses their size, and grow
// again. What a server sends outside of what was asked for makes the whole answer worthless.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/chain/events.hpp"
#include "core/chain/types.hpp"

namespace myst::chain {

class LogScan {
 public:
  struct Config {
    LogFilter filter;
    std::uint64_t from_block = 0;     // the first one to read
    std::uint64_t confirmations = 1;  // 1: the latest block counts
    std::uint64_t max_window = 800;   // blocks a request; servers of Polygon refuse much more
    std::uint64_t rewind = 64;        // blocks, after a reorganisation
    Duration poll_interval = std::chrono::seconds{15};
    Duration first_retry = std::chrono::seconds{2};
    Duration longest_retry = std::chrono::minutes{2};
  };
  struct Head {  // the latest block
    std::uint64_t id = 0;
  };
  struct BlockAt {
    std::uint64_t id = 0;
    std::uint64_t number = 0;
  };
  struct Window {
    std::uint64_t id = 0;
    std::uint64_t from = 0, to = 0;  // both included
  };
  using Action = std::variant<Head, BlockAt, Window>;

  struct Event {
    enum class Kind : std::uint8_t {
      Logs,     // all up to `block`: store that with what they changed, the next from_block - 1
      Rewound,  // what was told of `block` and later ones never happened
    } kind = Kind::Logs;
    std::uint64_t block = 0;
    std::vector<Log> logs;  // by block and index; may be empty
  };

  explicit LogScan(Config config);

  // Nothing is asked before start() and after stop(); an answer under way is then dropped.
  void start(Instant now);
  void stop();

  void handle_block(Instant now, std::uint64_t id, const std::optional<Block>& block);
  void handle_logs(Instant now, std::uint64_t id, std::vector<Log> logs);
  // `too_large`: the server refused the number of blocks or of results.
  void handle_failed(Instant now, std::uint64_t id, bool too_large);
  void handle_timeout(Instant now);

  std::optional<Action> poll_action();
  std::optional<Event> poll_event();
  std::optional<Instant> next_timeout() const { return at_; }

  std::uint64_t next_block() const { return next_; }
  std::uint64_t window() const { return window_; }

 private:
  enum class Waiting : std::uint8_t { Nothing, Head, Before, Anchor, Logs, After };
  void ask_head();
  void ask_next(Instant now);
  void ask_block(Waiting what, std::uint64_t number);
  void ask_logs();
  void rewind(Instant now);
  void retry(Instant now);
  bool fits(const Log& log) const;

  Config config_;
  bool running_ = false;
  Waiting waiting_ = Waiting::Nothing;
  std::uint64_t asked_ = 0;  // id of the action under way
  std::uint64_t next_;
  std::uint64_t target_ = 0;  // the last block deep enough, of the last head
  std::uint64_t to_ = 0;      // end of the window under way
  Digest32 to_hash_{};        // of that block, before its logs were read
  std::uint64_t window_;      // as large as servers take
  struct Anchor {
    std::uint64_t number = 0;
    Digest32 hash{};
  };
  std::optional<Anchor> anchor_;
  std::vector<Log> read_;  // of the window under way, until its last block's hash is known
  std::optional<Instant> at_;
  Duration pause_;
  std::deque<Action> actions_;  // at most one
  std::deque<Event> events_;    // at most two an input
};

}  // namespace myst::chain
