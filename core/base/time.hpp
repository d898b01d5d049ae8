// Time is an argument. Instant: monotonic, includes suspend (CLOCK_BOOTTIME in platform/loop);
// WallTime: Unix time, used only where a protocol says so (signatures, history).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace myst {

using Duration = std::chrono::nanoseconds;
struct MonotonicClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};
using Instant = MonotonicClock::time_point;

struct UnixClock {
  using duration = std::chrono::milliseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<UnixClock>;
  static constexpr bool is_steady = false;
};
using WallTime = UnixClock::time_point;

// Both clocks, read once per loop turn.
struct Now {
  Instant instant;
  WallTime wall;
};

inline std::int64_t unix_seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

// The earlier of two optional deadlines: how next_timeout() of parts becomes that of the whole.
inline std::optional<Instant> earliest(std::optional<Instant> a, std::optional<Instant> b) {
  if (!a) return b;
  if (!b) return a;
  return *a < *b ? a : b;
}

}  // namespace myst
