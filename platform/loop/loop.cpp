#include "platform/loop/loop.hpp"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstdlib>

#include "platform/loop/timer.hpp"

namespace myst::platform {
namespace {

void must(int result, const char* what) {
  if (result >= 0) return;
  std::fprintf(stderr, "event loop: %s failed (%d)\n", what, result);
  std::abort();
}

timespec read_clock(int clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return time;
}

}  // namespace

Loop::Loop() : scratch_(new std::uint8_t[kScratchSize]) {
  // Two threads do: one for the disk, one for names. libuv reads this once, at the first request.
  ::setenv("UV_THREADPOOL_SIZE", "2", 0);
  must(uv_loop_init(&uv_), "uv_loop_init");
  uv_.data = this;
  must(uv_prepare_init(&uv_, &prepare_), "uv_prepare_init");
  must(uv_check_init(&uv_, &check_), "uv_check_init");
  must(uv_async_init(&uv_, &async_,
                     [](uv_async_t* h) { static_cast<Loop*>(h->loop->data)->run_posted(); }),
       "uv_async_init");
  uv_prepare_start(&prepare_,
                   [](uv_prepare_t* h) { static_cast<Loop*>(h->loop->data)->before_poll(); });
  uv_check_start(&check_, [](uv_check_t* h) { static_cast<Loop*>(h->loop->data)->now_.reset(); });
  // libuv's own timers stand still while the machine sleeps, so ours are one timerfd on the clock
  // that does not; kernels and emulators without it (before Linux 3.15) get the other.
  clock_ = CLOCK_BOOTTIME;
  timer_fd_ = ::timerfd_create(clock_, TFD_NONBLOCK | TFD_CLOEXEC);
  if (timer_fd_ < 0) {
    clock_ = CLOCK_MONOTONIC;
    timer_fd_ = ::timerfd_create(clock_, TFD_NONBLOCK | TFD_CLOEXEC);
  }
  must(timer_fd_, "timerfd_create");
  must(uv_poll_init(&uv_, &timer_poll_, timer_fd_), "uv_poll_init");
  uv_poll_start(&timer_poll_, UV_READABLE,
                [](uv_poll_t* h, int, int) { static_cast<Loop*>(h->loop->data)->fire_due(); });
}

Loop::~Loop() {
  bury_dead();
  assert(timers_.empty());
  uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&check_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&async_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_poll_), nullptr);
  ::close(timer_fd_);
  // A stop() that was not consumed would end the first uv_run() before the handles are closed.
  uv_.stop_flag = 0;
  uv_run(&uv_, UV_RUN_DEFAULT);
  bury_dead();
  uv_run(&uv_, UV_RUN_DEFAULT);
  const int closed = uv_loop_close(&uv_);
  assert(closed == 0 && "an object of this loop outlives it");
  (void)closed;
}

Now Loop::read_clocks() const {
  const timespec instant = read_clock(clock_);
  const timespec wall = read_clock(CLOCK_REALTIME);
  return {Instant(std::chrono::seconds(instant.tv_sec) + std::chrono::nanoseconds(instant.tv_nsec)),
          WallTime(std::chrono::milliseconds(std::int64_t{wall.tv_sec} * 1000 +
                                             wall.tv_nsec / 1000000))};
}

Now Loop::now() {
  if (!running_) return read_clocks();
  if (!now_) now_ = read_clocks();
  return *now_;
}

void Loop::run() {
  running_ = true;
  uv_run(&uv_, UV_RUN_DEFAULT);
  running_ = false;
  now_.reset();
  bury_dead();
}

void Loop::stop() { uv_stop(&uv_); }

bool Loop::run_until(const std::function<bool()>& done, Duration limit) {
  const Instant give_up_at = read_clocks().instant + limit;
  Timer wake(*this, [] {});  // ends the sleep of the last turn
  wake.arm(give_up_at);
  while (!done()) {
    if (read_clocks().instant >= give_up_at) return false;
    running_ = true;
    uv_run(&uv_, UV_RUN_ONCE);
    running_ = false;
    now_.reset();
    bury_dead();
  }
  return true;
}

Status Loop::post(std::function<void()> task) {
  {
    std::lock_guard<std::mutex> lock(posted_mutex_);
    if (posted_.size() >= kMaxPosted) return Error{Errc::Full, 0, "tasks posted to the loop"};
    posted_.push_back(std::move(task));
  }
  uv_async_send(&async_);
  return {};
}

void Loop::run_posted() {
  std::vector<std::function<void()>> tasks;
  {
    std::lock_guard<std::mutex> lock(posted_mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

void Loop::bury_dead() {
  // A destructor may bury more.
  while (!graveyard_.empty()) {
    std::vector<Buried> dead;
    dead.swap(graveyard_);
    for (const Buried& buried : dead) buried.destroy(buried.object);
  }
}

void Loop::before_poll() {
  bury_dead();
  now_.reset();
  const std::optional<Instant> wanted = next_timer();
  if (wanted == timer_armed_at_) return;
  timer_armed_at_ = wanted;
  itimerspec when{};
  if (wanted) {
    // All zero would disarm; any time in the past fires at once.
    const auto count = std::max<Duration::rep>(wanted->time_since_epoch().count(), 1);
    when.it_value.tv_sec = static_cast<time_t>(count / 1000000000);
    when.it_value.tv_nsec = static_cast<long>(count % 1000000000);
  }
  ::timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &when, nullptr);
}

}  // namespace myst::platform
