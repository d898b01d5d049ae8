// The one event loop of a program, around uv_loop_t. Everything but post() belongs to the thread
// that runs it.
//
// Lifetimes: the objects of platform/ (timers, sockets, requests) are RAII values that must die
// before their Loop. Each may be destroyed inside its own callback: what the callback still uses is
// handed to dispose() and freed once no callback of ours is on the stack.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"

namespace myst::platform {

struct TimerState;  // loop/timer.cpp

class Loop {
 public:
  static constexpr std::size_t kMaxPosted = 4096;
  static constexpr std::size_t kScratchSize = 65536;  // the largest datagram fits

  Loop();  // aborts when the system has no descriptors left for a loop
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Read once a turn, when first asked for; outside of run() at each call.
  Now now();
  Instant instant() { return now().instant; }

  void run();   // until stop()
  void stop();  // from the loop's thread; other threads post() it
  // Turns until done() holds (true) or `limit` has passed (false): tests and one-shot commands.
  bool run_until(const std::function<bool()>& done, Duration limit);

  // Any thread: runs the task in the loop's thread, in order of posting. Full: dropped, because
  // kMaxPosted wait already.
  Status post(std::function<void()> task);

  // Frees the object between two turns, never inside a callback.
  template <typename T>
  void dispose(std::unique_ptr<T> object) {
    if (object == nullptr) return;
    graveyard_.push_back({object.release(), [](void* p) { delete static_cast<T*>(p); }});
  }

  // A receive buffer all sockets share: its content lives until the callback it is given to ends.
  MutableByteSpan scratch() { return {scratch_.get(), kScratchSize}; }

  uv_loop_t* uv() { return &uv_; }
  // The earliest armed timer; nullopt: the loop sleeps until the outside world moves.
  std::optional<Instant> next_timer() const;

 private:
  friend class Timer;
  struct Buried {
    void* object;
    void (*destroy)(void*);
  };

  Now read_clocks() const;
  void before_poll();
  void run_posted();
  void bury_dead();
  // The heap of armed timers (loop/timer.cpp).
  void add(TimerState* timer);
  void remove(TimerState* timer);
  void sift_up(std::size_t index);
  void sift_down(std::size_t index);
  void place(std::size_t index, TimerState* timer);
  void fire_due();

  uv_loop_t uv_{};
  uv_prepare_t prepare_{};
  uv_check_t check_{};
  uv_async_t async_{};
  uv_poll_t timer_poll_{};
  int timer_fd_ = -1;
  int clock_ = 0;
  std::optional<Instant> timer_armed_at_;
  bool running_ = false;
  std::optional<Now> now_;
  std::vector<TimerState*> timers_;  // binary heap, earliest first; one entry a Timer
  std::vector<Buried> graveyard_;
  std::unique_ptr<std::uint8_t[]> scratch_;
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;
};

}  // namespace myst::platform
