#include "platform/net/dial.hpp"

#include <algorithm>
#include <vector>

#include "platform/loop/timer.hpp"
#include "platform/net/known_names.hpp"
#include "platform/net/resolve.hpp"
#include "platform/net/tcp_stream.hpp"
#include "platform/net/tls_stream.hpp"

namespace myst::platform {

namespace {

// Names this thread's loop has dialled.
KnownNames& known_names() {
  static thread_local KnownNames names;
  return names;
}

}  // namespace

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
        impatience(owner, [this] { use_known(kUsable); }),
        fail_later(owner, [this] { done(error); }) {}

  // The next address is tried when the one before has not answered for so long (RFC 8305 section
  // 5).
  static constexpr Duration kHeadStart = std::chrono::milliseconds{250};
  // The kernel repeats a lost SYN after a second; a second connection to the last address, begun
  // sooner, costs nothing where the first one answers in time.
  static constexpr Duration kLost = std::chrono::milliseconds{400};
  // What a name was is used at once for so long, and so much longer when no resolver answers soon.
  static constexpr Duration kFresh = std::chrono::seconds{5}, kUsable = std::chrono::minutes{10};
  static constexpr Duration kImpatience = std::chrono::milliseconds{300};

  Loop& loop;
  const DialOptions options;
  const Callback callback;
  Timer deadline, next, impatience, fail_later;
  const char* stage = "name resolution";
  std::unique_ptr<Resolve> resolve;
  std::vector<IpAddress> addresses;
  std::size_t tried = 0;
  bool repeated = false;  // the last address has a second connection
  bool asking = false;    // a resolver
  std::vector<std::unique_ptr<TcpConnect>> attempts;
  std::size_t failed = 0;
  Error error{Errc::Unavailable, 0, "no address"};
  std::unique_ptr<TlsStream> tls;
  bool finished = false;  // told, or the Dial is gone

  void begin() {
    deadline.arm_in(options.timeout);
    addresses = addresses_at_once(options.host);
    if (!addresses.empty()) return connect();
    if (use_known(kFresh)) return;
    impatience.arm_in(kImpatience);
    asking = true;
    resolve = std::make_unique<Resolve>(
        loop, options.host,
        [this](Result<std::vector<IpAddress>> found) { on_resolved(std::move(found)); });
  }

  void on_resolved(Result<std::vector<IpAddress>> found) {
    asking = false;
    const bool waiting = addresses.empty();  // else what was known is being tried
    if (!found.ok()) {
      if (waiting) return done(found.error());
    } else {
      known_names().remember(options.host, *found, loop.instant());
      if (waiting) {
        addresses = std::move(*found);
        return connect();
      }
      for (const IpAddress& address : *found) {
        if (fits(address) &&
            std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
          addresses.push_back(address);
        }
      }
    }
    if (failed == attempts.size()) try_next();
  }

  bool use_known(Duration age) {
    addresses = known_names().find(options.host, loop.instant(), age);
    if (addresses.empty()) return false;
    connect();
    return true;
  }

  // Only addresses of the bound address's family can be reached.
  bool fits(const IpAddress& address) const {
    return !options.bind || address.is_v4() == options.bind->is_v4();
  }

  void connect() {
    stage = "connect";
    impatience.cancel();
    addresses.erase(std::remove_if(addresses.begin(), addresses.end(),
                                   [&](const IpAddress& address) { return !fits(address); }),
                    addresses.end());
    try_next();
  }

  void try_next() {
    if (tried == addresses.size()) {
      if (failed == attempts.size()) {
        if (!asking) fail_later.arm(loop.instant());
      } else if (!repeated && failed == 0) {
        repeated = true;
        attempt(addresses.back());
      }
      return;
    }
    const IpAddress address = addresses[tried++];
    next.arm_in(tried < addresses.size() ? kHeadStart : kLost);
    attempt(address);
  }

  void attempt(const IpAddress& address) {
    TcpConnect::Options attempt;
    attempt.remote = {address, options.port};
    attempt.bind = options.bind;
    attempt.mark = options.mark;
    attempt.write_limit =
        options.tls ? TlsStream::inner_write_limit(options.write_limit) : options.write_limit;
    attempts.push_back(std::make_unique<TcpConnect>(
        loop, attempt, [this](Result<std::unique_ptr<TcpStream>> connected) {
          if (connected.ok()) return on_connected(std::move(*connected));
          error = connected.error();
          ++failed;
          if (failed == attempts.size()) try_next();
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
    impatience.cancel();
    fail_later.cancel();
    resolve.reset();
    attempts.clear();
    tls.reset();
  }

  void done(Result<std::unique_ptr<Stream>> result) {
    if (finished) return;
    if (!result.ok()) known_names().forget(options.host);  // perhaps it has moved
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
