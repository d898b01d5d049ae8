#include "core/hub/transactor/transactor.hpp"

#include <algorithm>

namespace myst::core::transactor {
namespace {

std::int64_t day_of(WallTime now) { return unix_seconds(now) / 86400; }

bool is_settlement(Kind kind) {
  // With a beneficiary it is more than a settlement: another transaction cannot have done it.
  return kind == Kind::Settle || kind == Kind::SettleIntoStake || kind == Kind::PayAndSettle;
}

bool has_precondition(const Task& task) {
  return task.kind == Kind::Register || task.kind == Kind::OpenChannel;
}

}  // namespace

void Transactor::restore(Now now, Task task, bool under_way) {
  const std::string id = task.id;
  ++by_identity_[task.identity];
  Entry& entry = entries_[id];
  entry.task = std::move(task);
  if (under_way) {
    enter(now, entry, Phase::UnderWay);
  } else if (has_precondition(entry.task)) {
    enter(now, entry, Phase::Checking);
    ask(entry);
  } else {
    enter(now, entry, Phase::Submitting);
    submit(entry);
  }
}

bool Transactor::free_left(WallTime now) const {
  return day_of(now) != free_day_ || free_today_ < config_.max_free_per_day;
}

bool Transactor::take_free(WallTime now) {
  if (!free_left(now)) return false;
  if (day_of(now) != free_day_) {
    free_day_ = day_of(now);
    free_today_ = 0;
  }
  ++free_today_;
  return true;
}

void Transactor::handle_request(Now now, RequestId id, Task task) {
  if (Entry* known = entry_of(task.id)) {
    ++counters_.repeated;
    if (known->phase == Phase::Accepting) {
      known->requests.push_back(id);
    } else {
      answers_.push_back({id, task.id});
    }
    return;
  }
  if (entries_.size() >= config_.max_open) {
    return refuse(id, {503, "busy", "too many tasks are open; try again later"});
  }
  const auto of_identity = by_identity_.find(task.identity);
  if (of_identity != by_identity_.end() && of_identity->second >= config_.max_per_identity &&
      task.kind != Kind::Cash) {
    return refuse(id, {429, "too_many_requests", "too many tasks of this identity are open"});
  }
  if (task.free && !take_free(now.wall)) {
    return refuse(id, {402, "fee_too_low", "no free transactions are left today"});
  }
  ++by_identity_[task.identity];
  Entry& entry = entries_[task.id];
  entry.task = std::move(task);
  entry.requests.push_back(id);
  enter(now, entry, Phase::Accepting);
  store(entry, true);
}

void Transactor::handle_accepted(Now now, std::uint64_t store, Result<Accepted> accepted) {
  const auto named = stores_.find(store);
  if (named == stores_.end()) return;
  Entry* entry = entry_of(named->second);
  stores_.erase(named);
  if (entry == nullptr || entry->phase != Phase::Accepting) return;
  const std::vector<RequestId> requests = std::exchange(entry->requests, {});
  if (!accepted.ok()) {
    for (const RequestId id : requests) {
      refuse(id, {503, "unavailable", "the request cannot be stored now"});
    }
    return erase(*entry);
  }
  for (const RequestId id : requests) answers_.push_back({id, entry->task.id});
  if (!accepted->fresh) {
    ++counters_.repeated;
    if (entry->task.free && free_today_ > 0) --free_today_;
    return erase(*entry);
  }
  ++counters_.accepted;
  entry->task = std::move(accepted->task);
  if (has_precondition(entry->task)) {
    enter(now, *entry, Phase::Checking);
    ask(*entry);
  } else {
    enter(now, *entry, Phase::Submitting);
    submit(*entry);
  }
}

void Transactor::handle_updated(Now now, std::uint64_t store, const Status& status) {
  const auto named = stores_.find(store);
  if (named == stores_.end()) return;
  Entry* entry = entry_of(named->second);
  stores_.erase(named);
  if (entry == nullptr || entry->phase != Phase::Finishing) return;
  if (!status.ok()) return back_off(now, *entry);  // the disk is full: the outcome waits here
  ++(entry->task.state == TaskState::Done ? counters_.done : counters_.failed);
  erase(*entry);
}

void Transactor::handle_answer(Now now, std::uint64_t question, Result<ChainAnswer> answer) {
  const auto named = questions_.find(question);
  if (named == questions_.end()) return;
  Entry* entry = entry_of(named->second);
  questions_.erase(named);
  if (entry == nullptr || !entry->asking) return;
  entry->asking = false;
  if (entry->phase == Phase::Checking) {
    if (answer.ok()) return check_done(now, *entry, *answer);
    entry->task.reason = "the chain does not answer";
    return back_off(now, *entry);
  }
  if (entry->phase != Phase::Concluding) return;
  if (answer.ok()) return conclude(now, *entry, *answer);
  back_off(now, *entry);
}

void Transactor::check_done(Now now, Entry& entry, const ChainAnswer& answer) {
  Task& task = entry.task;
  if (const auto* found = std::get_if<Open>(&answer)) {
    if (found->open) return finish(now, entry, TaskState::Done, "");
    if (!found->registered) {
      return finish(now, entry, TaskState::Failed, "the identity is not registered");
    }
  } else if (const auto* registration = std::get_if<Registered>(&answer)) {
    if (registration->registered) return finish(now, entry, TaskState::Done, "");
    if (!task.channel.is_zero() && registration->balance < task.amount) {
      task.reason = "waiting for money: the channel " + task.channel.to_checksum() + " holds " +
                    registration->balance.to_string() + " of " + task.amount.to_string() + " wei";
      entry.retry = config_.funds_poll;
      return wake_at(entry, now.instant + config_.funds_poll);
    }
  }
  task.reason.clear();
  enter(now, entry, Phase::Submitting);
  submit(entry);
}

void Transactor::conclude(Now now, Entry& entry, const ChainAnswer& answer) {
  bool happened = false;
  if (const auto* registration = std::get_if<Registered>(&answer)) {
    happened = registration->registered;
  } else if (const auto* settled = std::get_if<Wei>(&answer)) {
    happened = *settled >= entry.task.amount;
  } else if (const auto* found = std::get_if<Open>(&answer)) {
    happened = found->open;
  }
  finish(now, entry, happened ? TaskState::Done : TaskState::Failed,
         happened ? "" : entry.outcome.reason);
}

void Transactor::handle_submitted(Now now, const std::string& wish, const Status& status) {
  Entry* entry = entry_of(wish.substr(0, wish.find('.')));
  if (entry == nullptr || entry->phase != Phase::Submitting) return;
  if (status.ok() || status.error().code == Errc::AlreadyExists) {
    entry->task.reason.clear();
    return enter(now, *entry, Phase::UnderWay);
  }
  entry->task.reason = std::string("waiting for a place in the queue: ") + status.error().what;
  back_off(now, *entry);
}

void Transactor::handle_lost(Now now, const std::string& wish, const Error& error) {
  Entry* entry = entry_of(wish.substr(0, wish.find('.')));
  if (entry == nullptr || entry->phase != Phase::UnderWay || entry->task.wish_id() != wish) return;
  enter(now, *entry, Phase::Submitting);
  entry->task.reason = std::string("the transaction cannot be stored: ") + error.what;
  back_off(now, *entry);
}

void Transactor::handle_outcome(Now now, const std::string& wish, const Outcome& outcome) {
  Entry* entry = entry_of(wish.substr(0, wish.find('.')));
  if (entry == nullptr || entry->task.wish_id() != wish ||
      (entry->phase != Phase::UnderWay && entry->phase != Phase::Submitting)) {
    return;
  }
  entry->task.tx_hash = outcome.tx_hash;
  if (outcome.succeeded) return finish(now, *entry, TaskState::Done, "");
  entry->outcome = outcome;
  if (entry->task.kind == Kind::Register || entry->task.kind == Kind::OpenChannel ||
      is_settlement(entry->task.kind)) {
    enter(now, *entry, Phase::Concluding);
    return ask(*entry);
  }
  finish(now, *entry, TaskState::Failed, outcome.reason);
}

void Transactor::handle_progress(const std::string& wish, const Digest32& tx_hash,
                                 std::string reason) {
  Entry* entry = entry_of(wish.substr(0, wish.find('.')));
  if (entry == nullptr || entry->phase != Phase::UnderWay) return;
  entry->task.tx_hash = tx_hash;
  entry->task.reason = std::move(reason);
}

void Transactor::handle_timeout(Now now) {
  while (!wakes_.empty() && wakes_.begin()->first <= now.instant) {
    Entry& entry = entries_.at(wakes_.begin()->second);
    wake_at(entry, std::nullopt);
    switch (entry.phase) {
      case Phase::Checking:
      case Phase::Submitting: {
        const Duration limit =
            entry.task.kind == Kind::Register ? config_.funds_limit : config_.chain_limit;
        // Of the task, not of the phase: a restart does not begin the wait anew.
        const Duration age = now.wall - entry.task.updated;
        if (age >= limit) {
          finish(now, entry, TaskState::Failed,
                 "given up: " + (entry.task.reason.empty() ? "no answer" : entry.task.reason));
        } else if (entry.phase == Phase::Checking) {
          ask(entry);
        } else {
          submit(entry);
        }
        break;
      }
      case Phase::UnderWay:
        finish(now, entry, TaskState::Failed,
               "sent, but not mined within the limit" +
                   (entry.task.reason.empty() ? "" : ": " + entry.task.reason));
        break;
      case Phase::Concluding:
        if (now.instant >= entry.since + config_.chain_limit) {
          finish(now, entry, TaskState::Failed, entry.outcome.reason);
        } else {
          ask(entry);
        }
        break;
      case Phase::Finishing:
        store(entry, false);
        break;
      case Phase::Accepting:
        break;
    }
  }
}

void Transactor::enter(Now now, Entry& entry, Phase phase) {
  entry.phase = phase;
  entry.since = now.instant;
  entry.retry = config_.first_retry;
  entry.asking = false;
  wake_at(entry, std::nullopt);
  if (phase == Phase::UnderWay) wake_at(entry, now.instant + config_.pending_limit);
}

void Transactor::wake_at(Entry& entry, std::optional<Instant> at) {
  if (entry.wake) wakes_.erase({*entry.wake, entry.task.id});
  entry.wake = at;
  if (at) wakes_.emplace(*at, entry.task.id);
}

void Transactor::back_off(Now now, Entry& entry) {
  wake_at(entry, now.instant + entry.retry);
  entry.retry = std::min(2 * entry.retry, config_.longest_retry);
}

void Transactor::ask(Entry& entry) {
  const Task& task = entry.task;
  Question question;
  question.id = ++last_id_;
  question.chain = task.chain;
  if (task.kind == Kind::Register) {
    question.ask = AskRegistered{task.identity, task.channel};
  } else if (task.kind == Kind::OpenChannel) {
    question.ask = AskOpen{task.identity, task.channel, task.hermes};
  } else {
    question.ask = AskSettled{task.hermes, task.channel_id};
  }
  questions_.emplace(question.id, task.id);
  entry.asking = true;
  question_actions_.push_back(question);
}

void Transactor::submit(Entry& entry) {
  wish_actions_.push_back({entry.task.wish_id(), entry.task.chain, entry.task.to, entry.task.data});
}

void Transactor::finish(Now now, Entry& entry, TaskState state, std::string reason) {
  enter(now, entry, Phase::Finishing);
  entry.task.state = state;
  entry.task.reason = std::move(reason);
  entry.task.updated = now.wall;
  store(entry, false);
}

void Transactor::store(Entry& entry, bool accept) {
  const std::uint64_t id = ++last_id_;
  stores_.emplace(id, entry.task.id);
  store_actions_.push_back({id, accept, entry.task});
}

void Transactor::erase(Entry& entry) {
  wake_at(entry, std::nullopt);
  const auto of_identity = by_identity_.find(entry.task.identity);
  if (--of_identity->second == 0) by_identity_.erase(of_identity);
  const std::string id = entry.task.id;
  entries_.erase(id);
}

void Transactor::refuse(RequestId id, Refusal refusal) {
  ++counters_.refused;
  answers_.push_back({id, std::move(refusal)});
}

Transactor::Entry* Transactor::entry_of(const std::string& id) {
  const auto at = entries_.find(id);
  return at == entries_.end() ? nullptr : &at->second;
}

const Task* Transactor::find(const std::string& id) const {
  const auto at = entries_.find(id);
  return at == entries_.end() || at->second.phase == Phase::Accepting ? nullptr : &at->second.task;
}

std::vector<const Task*> Transactor::of(const Address& identity, Kind kind) const {
  std::vector<const Task*> out;
  for (const auto& [id, entry] : entries_) {
    if (entry.task.identity == identity && entry.task.kind == kind &&
        entry.phase != Phase::Accepting) {
      out.push_back(&entry.task);
    }
  }
  return out;
}

namespace {

template <typename T>
std::optional<T> pop(std::deque<T>& queue) {
  if (queue.empty()) return std::nullopt;
  T out = std::move(queue.front());
  queue.pop_front();
  return out;
}

}  // namespace

std::optional<Transactor::Store> Transactor::poll_store() { return pop(store_actions_); }
std::optional<Transactor::Question> Transactor::poll_question() { return pop(question_actions_); }
std::optional<Transactor::Wish> Transactor::poll_wish() { return pop(wish_actions_); }
std::optional<Transactor::Answer> Transactor::poll_answer() { return pop(answers_); }

std::optional<Instant> Transactor::next_timeout() const {
  if (wakes_.empty()) return std::nullopt;
  return wakes_.begin()->first;
}

}  // namespace myst::core::transactor
