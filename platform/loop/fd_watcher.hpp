// Says when a descriptor can be read or written. The descriptor stays its owner's: close it after
// this object is gone (or has stopped watching), never before.
#pragma once

#include <functional>
#include <memory>

#include "core/base/result.hpp"
#include "platform/loop/loop.hpp"

namespace myst::platform {

class FdWatcher {
 public:
  enum Events : unsigned { kNothing = 0, kReadable = 1, kWritable = 2 };
  // An error or hang-up of the descriptor is told as all events that were asked for: the next read
  // or write then returns it.
  using Callback = std::function<void(unsigned events)>;

  FdWatcher();  // watches nothing
  ~FdWatcher();
  FdWatcher(FdWatcher&& other) noexcept;
  FdWatcher& operator=(FdWatcher&& other) noexcept;

  // Makes the descriptor non-blocking. Unsupported: a kind that cannot be watched (a plain file).
  static Result<FdWatcher> open(Loop& loop, int fd, Callback callback);
  void watch(unsigned events);  // replaces what was watched; kNothing rests

  struct State;

 private:
  explicit FdWatcher(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace myst::platform
