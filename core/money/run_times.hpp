// Runs by key, each of which may have a time at which it goes on.
#pragma once

#include <optional>
#include <vector>

#include "core/base/time.hpp"

namespace myst::core::money {

// Keys of those whose time has come: going on with one may end another.
template <typename Runs, typename TimeOf>
std::vector<typename Runs::key_type> due_runs(const Runs& runs, Instant now, TimeOf time_of) {
  std::vector<typename Runs::key_type> due;
  for (const auto& [key, run] : runs) {
    const std::optional<Instant> at = time_of(run);
    if (at && now >= *at) due.push_back(key);
  }
  return due;
}

template <typename Runs, typename TimeOf>
std::optional<Instant> next_run(const Runs& runs, TimeOf time_of) {
  std::optional<Instant> next;
  for (const auto& entry : runs) next = earliest(next, time_of(entry.second));
  return next;
}

}  // namespace myst::core::money
