#include "platform/loop/timer.hpp"

#include <cstddef>

namespace myst::platform {

struct TimerState {
  static constexpr std::size_t kNotArmed = static_cast<std::size_t>(-1);
  Loop& loop;
  std::function<void()> callback;
  Instant at{};
  std::size_t heap_index = kNotArmed;
};

Timer::Timer(Loop& loop, std::function<void()> callback)
    : state_(new TimerState{loop, std::move(callback)}) {}

Timer::Timer(Timer&& other) noexcept = default;

Timer::~Timer() {
  if (state_ == nullptr) return;
  cancel();
  Loop& loop = state_->loop;
  loop.dispose(std::move(state_));
}

void Timer::arm(std::optional<Instant> at) {
  Loop& loop = state_->loop;
  if (!at) return cancel();
  if (armed()) {
    if (state_->at == *at) return;
    loop.remove(state_.get());
  }
  state_->at = *at;
  loop.add(state_.get());
}

void Timer::arm_in(Duration delay) { arm(state_->loop.instant() + delay); }

void Timer::cancel() {
  if (armed()) state_->loop.remove(state_.get());
}

bool Timer::armed() const { return state_->heap_index != TimerState::kNotArmed; }

std::optional<Instant> Timer::deadline() const {
  if (!armed()) return std::nullopt;
  return state_->at;
}

std::optional<Instant> Loop::next_timer() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.front()->at;
}

void Loop::place(std::size_t index, TimerState* timer) {
  timers_[index] = timer;
  timer->heap_index = index;
}

void Loop::sift_up(std::size_t index) {
  TimerState* moving = timers_[index];
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (timers_[parent]->at <= moving->at) break;
    place(index, timers_[parent]);
    index = parent;
  }
  place(index, moving);
}

void Loop::sift_down(std::size_t index) {
  TimerState* moving = timers_[index];
  for (;;) {
    std::size_t child = 2 * index + 1;
    if (child >= timers_.size()) break;
    if (child + 1 < timers_.size() && timers_[child + 1]->at < timers_[child]->at) ++child;
    if (moving->at <= timers_[child]->at) break;
    place(index, timers_[child]);
    index = child;
  }
  place(index, moving);
}

void Loop::add(TimerState* timer) {
  timers_.push_back(timer);
  sift_up(timers_.size() - 1);
}

void Loop::remove(TimerState* timer) {
  const std::size_t index = timer->heap_index;
  timer->heap_index = TimerState::kNotArmed;
  TimerState* last = timers_.back();
  timers_.pop_back();
  if (last == timer) return;
  place(index, last);
  sift_up(index);
  sift_down(last->heap_index);
}

void Loop::fire_due() {
  // The kernel's expiry count is left unread: re-arming or disarming clears it, and before_poll()
  // does one of the two because what it armed is set to a time no one waits for.
  timer_armed_at_ = Instant::min();
  const Instant due = instant();
  // Bounded by what is armed now: a callback that re-arms itself for the past waits its turn.
  for (std::size_t left = timers_.size(); left > 0 && !timers_.empty(); --left) {
    TimerState* timer = timers_.front();
    if (timer->at > due) break;
    remove(timer);
    timer->callback();  // may destroy the Timer: the state lives until the turn ends
  }
}

}  // namespace myst::platform
