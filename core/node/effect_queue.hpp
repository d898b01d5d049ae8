// What the parts of a node want done, and who waits for the answer. One queue a node; parts ask
// with a continuation, which runs when the executor answers, unless the part has been forgotten.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/node/effects.hpp"

namespace myst::core::node {

class EffectQueue {
 public:
  using Owner = std::uint64_t;
  using Then = std::function<void(Now, Result<Outcome>&)>;
  // Full: datagrams are dropped (they count as lost); other actions are few for each input.
  static constexpr std::size_t kMaxDatagrams = 8192;
  static constexpr std::size_t kMaxEvents = 8192;  // full: the oldest event goes

  Owner make_owner() { return ++last_owner_; }
  // Answers to what it asked are dropped from now on.
  void forget(Owner owner);

  template <typename A>
  ActionId ask(Owner owner, A action, Then then) {
    action.id = ++last_id_;
    waiting_.emplace(last_id_, Waiting{owner, std::move(then)});
    actions_.push_back(std::move(action));
    return last_id_;
  }
  void tell(Action action);
  void send(UdpSend datagram);
  void emit(Event event);
  void note(Note::Level level, std::string text) { emit(Note{level, std::move(text)}); }

  void answer(Now now, ActionId id, Result<Outcome> result);
  std::optional<Action> poll_action();
  std::optional<Event> poll_event();
  bool idle() const { return actions_.empty() && waiting_.empty(); }

 private:
  struct Waiting {
    Owner owner;
    Then then;
  };
  std::map<ActionId, Waiting> waiting_;
  std::deque<Action> actions_;
  std::deque<Event> events_;
  std::size_t datagrams_ = 0;
  Owner last_owner_ = 0;
  ActionId last_id_ = 0;
};

// The outcome of an action as its own type. An executor that answers with another type has made a
// mistake, which becomes an error here.
inline Status status_of(const Result<Outcome>& result) {
  return result.ok() ? Status() : Status(result.error());
}
template <typename T>
Result<T> outcome_of(Result<Outcome>& result) {
  if (!result.ok()) return result.error();
  if (T* value = std::get_if<T>(&*result)) return std::move(*value);
  return Error{Errc::Internal, 0, "answer of another kind"};
}

}  // namespace myst::core::node
