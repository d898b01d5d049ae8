// Calls back once at a time, or not at all: a machine's next_timeout() goes straight into arm().
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "core/base/time.hpp"
#include "platform/loop/loop.hpp"

namespace myst::platform {

struct TimerState;

class Timer {
 public:
  Timer(Loop& loop, std::function<void()> callback);
  ~Timer();
  Timer(Timer&& other) noexcept;
  Timer& operator=(Timer&& other) = delete;

  void arm(std::optional<Instant> at);  // replaces what was armed; nullopt cancels; past: next turn
  void arm_in(Duration delay);
  void cancel();
  bool armed() const;
  std::optional<Instant> deadline() const;

 private:
  std::unique_ptr<TimerState> state_;
};

}  // namespace myst::platform
