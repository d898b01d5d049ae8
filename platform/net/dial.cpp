#include "platform/net/dial.hpp"

#include <vector>

#include "platform/loop/timer.hpp"
#include "platform/net/resolve.hpp"
#include "platform/net/tcp_stream.hpp"
#include "platform/net/tls_stream.hpp"

namespace myst::platform {

struct Dial::State {
  State(Loop& owner, DialOptions wanted, Callback call)
      : loop(owner),
        options(std::move(wanted)),
        callback(std::move(call)),
        deadline(owner,
                 [this] {
                   done(Error{Errc::Timeout, 0, stage});
                 }),
        next(owner, [this] { try_next(); }),
        fail_later(owner, [this] { done(error); }) {}

  // The next address is tried when the one before has not answered for so long (RFC 8305 section
  // 5).
  static constexpr Duration kHeadStart = std::chrono::milliseconds{250};

  Loop& loop;
  const DialOptions options;
  const Callback callback;
  Timer deadline, next, fail_later;
  const char* stage = "name resolution";
  std::unique_ptr<Resolve> resolve;
  std::vector<IpAddress> addresses;
  std::size_t tried = 0;
  std::vector<std::unique_ptr<TcpConnect>> attempts;
  std::size_t failed = 0;
  Error error{Errc::Unavailable, 0, "no address"};
  std::unique_ptr<TlsStream> tls;
  bool finished = false;  // told, or the Dial is gone

  void begin() {
    deadline.arm_in(options.timeout);
    addresses = addresses_at_once(options.host);
    if (!addresses.empty()) return connect();
    resolve =
        std::make_unique<Resolve>(loop, options.host, [this](Result<std::vector<IpAddress>> found) {
          if (!found.ok()) return done(found.error());
          addresses = std::move(*found);
          connect();
        });
  }

  void connect() {
    stage = "connect";
    if (options.bind) {
      // Only addresses of the bound address's family can be reached.
      std::vector<IpAddress> same;
      for (const IpAddress& address : addresses) {
        if (address.is_v4() == options.bind->is_v4()) same.push_back(address);
      }
      addresses = std::move(same);
    }
    try_next();
  }

  void try_next() {
    if (tried == addresses.size()) {
      if (failed == tried) fail_later.arm(loop.instant());
      return;
    }
    TcpConnect::Options attempt;
    attempt.remote = {addresses[tried++], options.port};
    attempt.bind = options.bind;
    attempt.mark = options.mark;
    attempt.write_limit =
        options.tls ? TlsStream::inner_write_limit(options.write_limit) : options.write_limit;
    if (tried < addresses.size()) next.arm_in(kHeadStart);
    attempts.push_back(std::make_unique<TcpConnect>(
        loop, attempt, [this](Result<std::unique_ptr<TcpStream>> connected) {
          if (connected.ok()) return on_connected(std::move(*connected));
          error = connected.error();
          ++failed;
          if (failed == tried) try_next();
        }));
  }

  void on_connected(std::unique_ptr<TcpStream> stream) {
    next.cancel();
    attempts.clear();
    if (!options.tls) return done(std::unique_ptr<Stream>(std::move(stream)));
    stage = "tls handshake";
    auto opened = TlsStream::connect(
        loop, std::move(stream), options.tls_name.empty() ? options.host : options.tls_name,
        options.trust,
        [this](const Status& status) {
          if (!status.ok()) return done(status.error());
          done(std::unique_ptr<Stream>(std::move(tls)));
        },
        options.write_limit);
    if (!opened.ok()) return done(opened.error());
    tls = std::move(*opened);
  }

  void quiet() {
    finished = true;
    deadline.cancel();
    next.cancel();
    fail_later.cancel();
    resolve.reset();
    attempts.clear();
    tls.reset();
  }

  void done(Result<std::unique_ptr<Stream>> result) {
    if (finished) return;
    quiet();
    callback(std::move(result));
  }
};

Dial::Dial(Loop& loop, DialOptions options, Callback callback)
    : state_(new State(loop, std::move(options), std::move(callback))) {
  state_->begin();
}

Dial::~Dial() {
  state_->quiet();
  Loop& loop = state_->loop;
  loop.dispose(std::move(state_));
}

}  // namespace myst::platform
