// What systemd is told and tells (sd_notify(3), sd_watchdog_enabled(3)), without its library.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "platform/loop/loop.hpp"
#include "platform/loop/timer.hpp"

namespace myst::platform {

// "READY=1", "STOPPING=1", "STATUS=...", several separated by line ends. Without systemd nothing
// happens and that is no error.
Status systemd_notify(std::string_view state);

// How often systemd wants to hear of us before it takes us for dead; nullopt: it does not.
std::optional<Duration> systemd_watchdog_interval();

// Tells systemd from the loop that the loop turns, twice an interval. Without a watchdog it costs
// nothing, not even a timer.
class SystemdWatchdog {
 public:
  explicit SystemdWatchdog(Loop& loop);

 private:
  void tell();
  std::optional<Duration> period_;
  Timer timer_;
};

}  // namespace myst::platform
