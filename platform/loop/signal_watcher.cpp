#include "platform/loop/signal_watcher.hpp"

#include <uv.h>

namespace myst::platform {

struct SignalWatcher::State {
  std::function<void()> callback;
  uv_signal_t handle{};
};

SignalWatcher::SignalWatcher(Loop& loop, int signal, std::function<void()> callback)
    : state_(new State) {
  state_->callback = std::move(callback);
  state_->handle.data = state_.get();
  uv_signal_init(loop.uv(), &state_->handle);
  uv_signal_start(
      &state_->handle,
      [](uv_signal_t* handle, int) { static_cast<State*>(handle->data)->callback(); }, signal);
}

SignalWatcher::~SignalWatcher() {
  uv_close(reinterpret_cast<uv_handle_t*>(&state_.release()->handle),
           [](uv_handle_t* handle) { delete static_cast<State*>(handle->data); });
}

}  // namespace myst::platform
