// Compares this machine's clock with the dates of HTTP answers. A wrong clock is said once, and
// once more when it is right again: brokers refuse signatures of another hour, certificates seem
// expired.
#pragma once

#include <string_view>

#include "core/base/time.hpp"

namespace myst::app {

class ClockCheck {
 public:
  static constexpr Duration kTolerance = std::chrono::minutes(2);

  enum class Verdict : std::uint8_t { Nothing, WentWrong, IsRight };
  // date: the header's text; what is none is passed over.
  Verdict look(std::string_view date, WallTime now);
  // How far this machine is ahead (negative: behind), as last seen.
  std::chrono::seconds ahead() const { return ahead_; }

 private:
  std::chrono::seconds ahead_{0};
  bool wrong_ = false;
};

}  // namespace myst::app
