// What the parts of a treasury want done, and who waits for the answer.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "core/money/effects.hpp"

namespace myst::core::money {

class EffectQueue {
 public:
  using Then = std::function<void(Now, Result<Outcome>&)>;
  static constexpr std::size_t kMaxEvents = 4096;  // full: the oldest goes

  template <typename A>
  void ask(A action, Then then) {
    action.id = ++last_id_;
    waiting_.emplace(last_id_, std::move(then));
    actions_.push_back(std::move(action));
  }
  void emit(Event event) {
    if (events_.size() >= kMaxEvents) events_.pop_front();
    events_.push_back(std::move(event));
  }
  void note(bool warning, std::string text, const Address& provider) {
    emit(Note{warning, std::move(text), provider});
  }

  // Why the transactor refused the call that is answered next.
  void refused(std::string why) { refusal_ = std::move(why); }
  const std::string& refusal() const { return refusal_; }

  void answer(Now now, ActionId id, Result<Outcome> result) {
    const auto found = waiting_.find(id);
    if (found == waiting_.end()) return;
    const Then then = std::move(found->second);
    waiting_.erase(found);
    if (then) then(now, result);
    refusal_.clear();
  }
  std::optional<Action> poll_action() {
    if (actions_.empty()) return std::nullopt;
    Action action = std::move(actions_.front());
    actions_.pop_front();
    return action;
  }
  std::optional<Event> poll_event() {
    if (events_.empty()) return std::nullopt;
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
  }
  bool idle() const { return actions_.empty() && waiting_.empty(); }

 private:
  std::map<ActionId, Then> waiting_;
  std::deque<Action> actions_;
  std::deque<Event> events_;
  ActionId last_id_ = 0;
  std::string refusal_;
};

// The outcome of an action as its own type; another type is the executor's mistake.
template <typename T>
Result<T> outcome_of(Result<Outcome>& result) {
  if (!result.ok()) return result.error();
  if (T* value = std::get_if<T>(&*result)) return std::move(*value);
  return Error{Errc::Internal, 0, "answer of another kind"};
}

}  // namespace myst::core::money
