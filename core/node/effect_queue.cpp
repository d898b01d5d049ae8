#include "core/node/effect_queue.hpp"

#include <iterator>

namespace myst::core::node {

void EffectQueue::forget(Owner owner) {
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    it = it->second.owner == owner ? waiting_.erase(it) : std::next(it);
  }
}

void EffectQueue::tell(Action action) { actions_.push_back(std::move(action)); }

void EffectQueue::send(UdpSend datagram) {
  if (datagrams_ >= kMaxDatagrams) return;
  ++datagrams_;
  actions_.push_back(std::move(datagram));
}

void EffectQueue::emit(Event event) {
  if (events_.size() >= kMaxEvents) events_.pop_front();
  events_.push_back(std::move(event));
}

void EffectQueue::answer(Now now, ActionId id, Result<Outcome> result) {
  const auto found = waiting_.find(id);
  if (found == waiting_.end()) return;
  const Then then = std::move(found->second.then);
  waiting_.erase(found);
  if (then) then(now, result);
}

std::optional<Action> EffectQueue::poll_action() {
  if (actions_.empty()) return std::nullopt;
  Action action = std::move(actions_.front());
  actions_.pop_front();
  if (std::holds_alternative<UdpSend>(action) && datagrams_ > 0) --datagrams_;
  return action;
}

std::optional<Event> EffectQueue::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace myst::core::node
