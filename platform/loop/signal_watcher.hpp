// Calls back in the loop for each arrival of a signal (SIGTERM, SIGHUP, ...).
#pragma once

#include <functional>
#include <memory>

#include "platform/loop/loop.hpp"

namespace myst::platform {

class SignalWatcher {
 public:
  SignalWatcher(Loop& loop, int signal, std::function<void()> callback);
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace myst::platform
