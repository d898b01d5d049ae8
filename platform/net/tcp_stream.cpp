#include "platform/net/tcp_stream.hpp"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "platform/net/sockaddr.hpp"

namespace myst::platform {

struct TcpStream::State {
  State(Loop& owner, std::size_t limit)
      : loop(owner), write_limit(limit), fail_later(owner, [this] { fail(failure); }) {}

  Loop& loop;
  const std::size_t write_limit;
  UniqueFd fd;
  FdWatcher watcher;
  std::unique_ptr<Handlers> handlers;  // replaced, they live on until they return
  Bytes out;                           // not yet taken by the kernel, from out_begin on
  std::size_t out_begin = 0;
  Status failure;
  Timer fail_later;
  bool paused = false;
  bool ended = false;      // `ended` was told
  bool finishing = false;  // finish() was called
  bool finished = false;   // FIN is sent
  bool closed = false;     // the TcpStream is gone

  std::size_t queued() const { return out.size() - out_begin; }

  void watch() {
    if (closed) return;
    unsigned events = FdWatcher::kNothing;
    if (handlers != nullptr && !paused && !ended) events |= FdWatcher::kReadable;
    if (queued() > 0 && failure.ok()) events |= FdWatcher::kWritable;
    watcher.watch(events);
  }

  void end(const Status& how) {
    if (ended) return;
    ended = true;
    watch();
    if (handlers != nullptr && handlers->ended) handlers->ended(how);
  }

  void fail(const Status& how) {
    failure = how;
    out = Bytes();
    out_begin = 0;
    end(how);
  }

  // Errors are told from the loop, not from inside write().
  Error fail_soon(int error) {
    const Error what{Errc::Io, error, "tcp write"};
    failure = what;
    out = Bytes();
    out_begin = 0;
    watch();
    fail_later.arm(loop.instant());
    return what;
  }

  // How much of it the kernel took, or errno negated.
  ssize_t send_now(ByteSpan bytes) {
    for (;;) {
      const ssize_t size =
          ::send(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (size >= 0) return size;
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
      return -errno;
    }
  }

  void send_fin() {
    if (!finishing || finished || queued() > 0) return;
    finished = true;
    ::shutdown(fd.get(), SHUT_WR);
  }

  void on_writable() {
    const ssize_t size = send_now(ByteSpan(out).subspan(out_begin));
    if (size < 0) return fail(Error{Errc::Io, static_cast<int>(-size), "tcp write"});
    out_begin += static_cast<std::size_t>(size);
    if (queued() > 0) return;
    out = Bytes();  // an idle connection holds no buffer
    out_begin = 0;
    watch();
    send_fin();
    if (handlers != nullptr && handlers->drained) handlers->drained();
  }

  void on_readable() {
    const MutableByteSpan buffer = loop.scratch();
    // Two full reads at most, then others get their turn.
    for (int i = 0; i < 2; ++i) {
      const ssize_t size = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (size < 0) return fail(Error{Errc::Io, errno, "tcp read"});
      if (size == 0) return end({});
      if (handlers->data) handlers->data(ByteSpan(buffer.data(), static_cast<std::size_t>(size)));
      if (closed || paused || ended) return;
      if (static_cast<std::size_t>(size) < buffer.size()) return;
    }
  }

  void on_events(unsigned events) {
    if ((events & FdWatcher::kWritable) != 0 && queued() > 0) on_writable();
    if (closed) return;
    if ((events & FdWatcher::kReadable) != 0 && handlers != nullptr && !paused && !ended) {
      on_readable();
    }
  }
};

TcpStream::TcpStream(std::unique_ptr<State> state) : state_(std::move(state)) {}

TcpStream::~TcpStream() {
  state_->closed = true;
  state_->fail_later.cancel();
  state_->watcher = FdWatcher();
  state_->fd.reset();
  Loop& loop = state_->loop;
  loop.dispose(std::move(state_));
}

Result<std::unique_ptr<TcpStream>> TcpStream::adopt(Loop& loop, UniqueFd fd,
                                                    std::size_t write_limit) {
  auto state = std::make_unique<State>(loop, write_limit);
  State* raw = state.get();
  auto watcher =
      FdWatcher::open(loop, fd.get(), [raw](unsigned events) { raw->on_events(events); });
  if (!watcher.ok()) return watcher.error();
  // Requests and answers are written whole; waiting for more would only delay them.
  const int on = 1;
  (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  state->watcher = std::move(*watcher);
  state->fd = std::move(fd);
  return std::unique_ptr<TcpStream>(new TcpStream(std::move(state)));
}

void TcpStream::start(Handlers handlers) {
  state_->loop.dispose(std::move(state_->handlers));
  state_->handlers = std::make_unique<Handlers>(std::move(handlers));
  state_->watch();
}

void TcpStream::pause() {
  state_->paused = true;
  state_->watch();
}

void TcpStream::resume() {
  state_->paused = false;
  state_->watch();
}

Status TcpStream::write(ByteSpan bytes) {
  State& state = *state_;
  if (!state.failure.ok()) return state.failure;
  if (state.finishing) return Error{Errc::InvalidState, 0, "write after finish"};
  if (bytes.size() > state.write_limit - std::min(state.queued(), state.write_limit)) {
    return Error{Errc::Full, 0, "tcp write queue"};
  }
  if (state.queued() == 0 && !bytes.empty()) {
    const ssize_t size = state.send_now(bytes);
    if (size < 0) return state.fail_soon(static_cast<int>(-size));
    bytes = bytes.subspan(static_cast<std::size_t>(size));
  }
  if (bytes.empty()) return {};
  if (state.out_begin > 0) {
    state.out.erase(state.out.begin(),
                    state.out.begin() + static_cast<std::ptrdiff_t>(state.out_begin));
    state.out_begin = 0;
  }
  state.out.insert(state.out.end(), bytes.begin(), bytes.end());
  state.watch();
  return {};
}

std::size_t TcpStream::queued() const { return state_->queued(); }

void TcpStream::finish() {
  state_->finishing = true;
  state_->send_fin();
}

Endpoint TcpStream::local() const { return local_endpoint(state_->fd.get()); }
Endpoint TcpStream::remote() const { return remote_endpoint(state_->fd.get()); }

}  // namespace myst::platform
