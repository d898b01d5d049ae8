#include <errno.h>
#include <sys/socket.h>

#include "platform/net/sockaddr.hpp"
#include "platform/net/tcp_stream.hpp"

namespace myst::platform {

struct TcpConnect::State {
  State(Loop& owner, const Options& wanted, Callback call)
      : loop(owner), options(wanted), callback(std::move(call)), later(owner, [this] {
          done(Error{Errc::Io, error, what});
        }) {}

  Loop& loop;
  const Options options;
  const Callback callback;
  UniqueFd fd;
  FdWatcher watcher;
  Timer later;
  int error = 0;
  const char* what = "";

  void fail_later(int number, const char* step) {
    error = number;
    what = step;
    later.arm(loop.instant());
  }

  void begin() {
    const bool v6 = options.remote.ip.is_v6();
    fd.reset(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) return fail_later(errno, "tcp socket");
    if (options.mark != 0 &&
        ::setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &options.mark, sizeof options.mark) != 0) {
      return fail_later(errno, "tcp socket mark");
    }
    if (options.bind) {
      const SocketAddress local = to_sockaddr({*options.bind, 0});
      if (::bind(fd.get(), local.get(), local.size) != 0) return fail_later(errno, "tcp bind");
    }
    const SocketAddress remote = to_sockaddr(options.remote);
    if (::connect(fd.get(), remote.get(), remote.size) != 0 && errno != EINPROGRESS) {
      return fail_later(errno, "tcp connect");
    }
    auto opened = FdWatcher::open(loop, fd.get(), [this](unsigned) { on_result(); });
    if (!opened.ok()) return fail_later(opened.error().detail, "tcp connect");
    watcher = std::move(*opened);
    watcher.watch(FdWatcher::kWritable);
  }

  void on_result() {
    int result = 0;
    socklen_t size = sizeof result;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &result, &size);
    watcher = FdWatcher();
    if (result != 0) return done(Error{Errc::Io, result, "tcp connect"});
    done(TcpStream::adopt(loop, std::move(fd), options.write_limit));
  }

  void done(Result<std::unique_ptr<TcpStream>> result) { callback(std::move(result)); }
};

TcpConnect::TcpConnect(Loop& loop, const Options& options, Callback callback)
    : state_(new State(loop, options, std::move(callback))) {
  state_->begin();
}

TcpConnect::~TcpConnect() {
  state_->watcher = FdWatcher();
  state_->fd.reset();
  state_->later.cancel();
  Loop& loop = state_->loop;
  loop.dispose(std::move(state_));
}

struct TcpListener::State {
  State(Loop& owner, const Options& wanted, Accept call)
      : loop(owner), options(wanted), accept(std::move(call)), retry(owner, [this] {
          if (!paused) watcher.watch(FdWatcher::kReadable);
        }) {}

  Loop& loop;
  const Options options;
  const Accept accept;
  UniqueFd fd;
  FdWatcher watcher;
  Timer retry;
  Endpoint local;
  bool paused = false;
  bool closed = false;

  void on_readable() {
    for (int i = 0; i < 16 && !closed && !paused; ++i) {
      UniqueFd peer(::accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (peer.valid()) {
        auto stream = TcpStream::adopt(loop, std::move(peer), options.write_limit);
        if (stream.ok()) accept(std::move(*stream));
        continue;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // The connection stays in the backlog and would wake us without end.
        watcher.watch(FdWatcher::kNothing);
        retry.arm_in(std::chrono::milliseconds{200});
        return;
      }
      // ECONNABORTED and network errors of the new connection: the next one may be better.
    }
  }
};

TcpListener::TcpListener(std::unique_ptr<State> state) : state_(std::move(state)) {}
TcpListener::TcpListener(TcpListener&&) noexcept = default;
TcpListener& TcpListener::operator=(TcpListener&& other) noexcept {
  TcpListener replaced(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}

TcpListener::~TcpListener() {
  if (state_ == nullptr) return;
  state_->closed = true;
  state_->watcher = FdWatcher();
  state_->fd.reset();
  state_->retry.cancel();
  Loop& loop = state_->loop;
  loop.dispose(std::move(state_));
}

Result<TcpListener> TcpListener::listen(Loop& loop, const Options& options, Accept accept) {
  auto state = std::make_unique<State>(loop, options, std::move(accept));
  const bool v6 = options.local.ip.is_v6();
  state->fd.reset(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int fd = state->fd.get();
  if (fd < 0) return Error{Errc::Io, errno, "tcp socket"};
  const int on = 1;
  (void)::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const SocketAddress local = to_sockaddr(options.local);
  if (::bind(fd, local.get(), local.size) != 0) return Error{Errc::Io, errno, "tcp bind"};
  if (::listen(fd, options.backlog) != 0) return Error{Errc::Io, errno, "tcp listen"};
  state->local = local_endpoint(fd);
  State* raw = state.get();
  auto watcher = FdWatcher::open(loop, fd, [raw](unsigned) { raw->on_readable(); });
  if (!watcher.ok()) return watcher.error();
  state->watcher = std::move(*watcher);
  state->watcher.watch(FdWatcher::kReadable);
  return TcpListener(std::move(state));
}

void TcpListener::pause() {
  state_->paused = true;
  state_->watcher.watch(FdWatcher::kNothing);
}

void TcpListener::resume() {
  state_->paused = false;
  state_->watcher.watch(FdWatcher::kReadable);
}

const Endpoint& TcpListener::local() const { return state_->local; }

}  // namespace myst::platform
