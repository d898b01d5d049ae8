#include "apps/myst/clock_check.hpp"

#include "core/base/time_text.hpp"

namespace myst::app {

ClockCheck::Verdict ClockCheck::look(std::string_view date, WallTime now) {
  const auto theirs = parse_http_date(date);
  if (!theirs.ok()) return Verdict::Nothing;
  ahead_ = std::chrono::duration_cast<std::chrono::seconds>(now - *theirs);
  const bool wrong = ahead_ > kTolerance || ahead_ < -kTolerance;
  if (wrong == wrong_) return Verdict::Nothing;
  wrong_ = wrong;
  return wrong ? Verdict::WentWrong : Verdict::IsRight;
}

}  // namespace myst::app
