#include "platform/loop/fd_watcher.hpp"

#include <uv.h>

namespace myst::platform {

struct FdWatcher::State {
  State(Loop& owner, Callback call) : loop(owner), callback(std::move(call)) {}
  Loop& loop;
  Callback callback;
  uv_poll_t poll{};
  unsigned wanted = kNothing;
  bool closing = false;
};

namespace {

int to_uv(unsigned events) {
  return ((events & FdWatcher::kReadable) != 0 ? UV_READABLE : 0) |
         ((events & FdWatcher::kWritable) != 0 ? UV_WRITABLE : 0);
}

void on_poll(uv_poll_t* handle, int status, int events) {
  auto* state = static_cast<FdWatcher::State*>(handle->data);
  unsigned seen = 0;
  if (status < 0) {
    seen = state->wanted;
  } else {
    if ((events & UV_READABLE) != 0) seen |= FdWatcher::kReadable;
    if ((events & UV_WRITABLE) != 0) seen |= FdWatcher::kWritable;
  }
  if (seen != 0) state->callback(seen);
  // libuv stops a handle that reports an error; the error may be gone (a refused datagram).
  if (status < 0 && !state->closing && state->wanted != 0) {
    uv_poll_start(handle, to_uv(state->wanted), on_poll);
  }
}

}  // namespace

FdWatcher::FdWatcher() = default;
FdWatcher::FdWatcher(FdWatcher&& other) noexcept = default;
FdWatcher::FdWatcher(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<FdWatcher> FdWatcher::open(Loop& loop, int fd, Callback callback) {
  auto state = std::make_unique<State>(loop, std::move(callback));
  state->poll.data = state.get();
  const int error = uv_poll_init(loop.uv(), &state->poll, fd);
  if (error == UV_EPERM) return Error{Errc::Unsupported, -error, "descriptor cannot be watched"};
  if (error != 0) return Error{Errc::Io, -error, "watch descriptor"};
  return FdWatcher(std::move(state));
}

void FdWatcher::watch(unsigned events) {
  if (state_ == nullptr || state_->wanted == events) return;
  state_->wanted = events;
  if (events == kNothing) {
    uv_poll_stop(&state_->poll);
  } else {
    uv_poll_start(&state_->poll, to_uv(events), on_poll);
  }
}

FdWatcher& FdWatcher::operator=(FdWatcher&& other) noexcept {
  FdWatcher replaced(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}

FdWatcher::~FdWatcher() {
  if (state_ == nullptr) return;
  State* state = state_.release();
  state->closing = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&state->poll), [](uv_handle_t* handle) {
    // Not freed here and now: the callback of this very handle may have been what closed it, but
    // close callbacks come after it has returned, so this is the first moment nobody uses it.
    delete static_cast<State*>(handle->data);
  });
}

}  // namespace myst::platform
