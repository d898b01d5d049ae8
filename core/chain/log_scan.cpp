#include "core/chain/log_scan.hpp"

#include <algorithm>
#include <utility>

namespace myst::chain {

LogScan::LogScan(Config config)
    : config_(std::move(config)),
      next_(config_.from_block),
      window_(std::max<std::uint64_t>(config_.max_window, 1)),
      pause_(config_.first_retry) {}

void LogScan::start(Instant now) {
  if (running_) return;
  running_ = true;
  at_ = now;
  handle_timeout(now);
}

void LogScan::stop() {
  running_ = false;
  waiting_ = Waiting::Nothing;
  at_.reset();
  actions_.clear();
}

void LogScan::handle_timeout(Instant now) {
  if (!running_ || waiting_ != Waiting::Nothing || !at_ || *at_ > now) return;
  at_.reset();
  ask_head();
}

void LogScan::ask_head() {
  waiting_ = Waiting::Head;
  actions_.push_back(Head{++asked_});
}

// The next window up to the target, or a pause when there is none.
void LogScan::ask_next(Instant now) {
  if (next_ > target_) {
    waiting_ = Waiting::Nothing;
    at_ = now + config_.poll_interval;
    return;
  }
  to_ = std::min(target_, next_ + window_ - 1);
  ask_block(Waiting::Before, to_);
}

void LogScan::ask_block(Waiting what, std::uint64_t number) {
  waiting_ = what;
  actions_.push_back(BlockAt{++asked_, number});
}

void LogScan::ask_logs() {
  waiting_ = Waiting::Logs;
  actions_.push_back(Window{++asked_, next_, to_});
}

void LogScan::rewind(Instant now) {
  const std::uint64_t last = anchor_->number;
  next_ = std::max(config_.from_block, last < config_.rewind ? 0 : last - config_.rewind);
  anchor_.reset();
  events_.push_back(Event{Event::Kind::Rewound, next_, {}});
  ask_next(now);
}

void LogScan::retry(Instant now) {
  waiting_ = Waiting::Nothing;
  read_.clear();
  at_ = now + pause_;
  pause_ = std::min(pause_ * 2, config_.longest_retry);
}

void LogScan::handle_block(Instant now, std::uint64_t id, const std::optional<Block>& block) {
  if (!running_ || id != asked_) return;
  switch (waiting_) {
    case Waiting::Nothing:
    case Waiting::Logs:
      return;
    case Waiting::Head: {
      if (!block) return retry(now);
      const std::uint64_t depth = std::max<std::uint64_t>(config_.confirmations, 1) - 1;
      pause_ = config_.first_retry;
      target_ = block->number < depth ? 0 : block->number - depth;
      // Too young a chain, or a server behind what was read already.
      if (block->number < depth || target_ < next_) {
        waiting_ = Waiting::Nothing;
        at_ = now + config_.poll_interval;
        return;
      }
      return ask_next(now);
    }
    case Waiting::Before:
      if (!block || block->number != to_) return retry(now);
      to_hash_ = block->hash;
      if (!anchor_) return ask_logs();
      return ask_block(Waiting::Anchor, anchor_->number);
    case Waiting::Anchor:
      if (!block || block->number != anchor_->number) return retry(now);
      if (block->hash != anchor_->hash) return rewind(now);
      return ask_logs();
    case Waiting::After:
      if (!block || block->number != to_ || block->hash != to_hash_) return retry(now);
      // The logs of that block, if there are any, must lie in the very block.
      for (const Log& log : read_) {
        if (log.block == to_ && log.block_hash != to_hash_) return retry(now);
      }
      anchor_ = Anchor{to_, to_hash_};
      next_ = to_ + 1;
      pause_ = config_.first_retry;
      events_.push_back(Event{Event::Kind::Logs, to_, std::exchange(read_, {})});
      return ask_next(now);
  }
}

bool LogScan::fits(const Log& log) const {
  if (log.block < next_ || log.block > to_ || log.removed) return false;
  const auto& addresses = config_.filter.addresses;
  if (!addresses.empty() &&
      std::find(addresses.begin(), addresses.end(), log.address) == addresses.end()) {
    return false;
  }
  const auto& topics = config_.filter.topics;
  if (log.topics.size() < topics.size()) return false;
  for (std::size_t i = 0; i < topics.size(); ++i) {
    if (topics[i] && *topics[i] != log.topics[i]) return false;
  }
  return true;
}

void LogScan::handle_logs(Instant now, std::uint64_t id, std::vector<Log> logs) {
  if (!running_ || waiting_ != Waiting::Logs || id != asked_) return;
  if (!std::all_of(logs.begin(), logs.end(), [this](const Log& log) { return fits(log); })) {
    return retry(now);
  }
  std::sort(logs.begin(), logs.end(), [](const Log& a, const Log& b) {
    return a.block != b.block ? a.block < b.block : a.index < b.index;
  });
  const auto twice = std::adjacent_find(logs.begin(), logs.end(), [](const Log& a, const Log& b) {
    return a.block == b.block && a.index == b.index;
  });
  if (twice != logs.end()) return retry(now);
  read_ = std::move(logs);
  ask_block(Waiting::After, to_);
}

void LogScan::handle_failed(Instant now, std::uint64_t id, bool too_large) {
  if (!running_ || id != asked_ || waiting_ == Waiting::Nothing) return;
  if (waiting_ == Waiting::Logs && too_large && window_ > 1) {
    window_ = std::max<std::uint64_t>(window_ / 2, 1);
    return ask_next(now);
  }
  retry(now);
}

std::optional<LogScan::Action> LogScan::poll_action() {
  if (actions_.empty()) return std::nullopt;
  Action out = actions_.front();
  actions_.pop_front();
  return out;
}

std::optional<LogScan::Event> LogScan::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event out = std::move(events_.front());
  events_.pop_front();
  return out;
}

}  // namespace myst::chain
