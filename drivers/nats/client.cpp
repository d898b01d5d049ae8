#include "drivers/nats/client.hpp"

#include <map>
#include <string>

#include "platform/loop/timer.hpp"
#include "platform/net/dial.hpp"
#include "platform/net/tls_stream.hpp"

namespace myst::nats {
namespace {

using core::NatsClient;
using platform::Stream;
using platform::TlsStream;

// The machine holds at most its waiting publishes and the SUB lines of all subscriptions: 1 MiB is
// more than that, so a write to an empty queue always fits.
constexpr std::size_t kWriteLimit = 1024 * 1024;
constexpr Duration kShutdownLimit = std::chrono::seconds{2};

}  // namespace

struct Client::State {
  State(platform::Loop& owner, Rng& rng, Options given, Handlers calls)
      : loop(owner),
        options(std::move(given)),
        handlers(std::move(calls)),
        machine(options.machine, rng, owner.now()),
        timer(owner, [this] { on_timer(); }),
        shutdown_timer(owner, [this] { finish_shutdown(); }) {}

  platform::Loop& loop;
  Options options;
  Handlers handlers;
  NatsClient machine;
  platform::Timer timer, shutdown_timer;
  std::unique_ptr<platform::Dial> dial;
  std::unique_ptr<Stream> stream;
  bool stream_ready = false;  // false while TLS shakes hands
  std::map<std::uint64_t, OnMessage> subscribers;
  std::map<std::uint64_t, OnAnswer> requests;
  std::function<void()> shut_down;
  bool closed = false;    // the Client is gone
  bool draining = false;  // events are being told further up the stack

  void on_timer() {
    machine.handle_timeout(loop.now());
    drain();
  }

  void drop_connection() {
    loop.dispose(std::move(dial));
    stream.reset();
    stream_ready = false;
  }

  void start_stream() {
    stream_ready = true;
    stream->start({[this](ByteSpan bytes) {
                     machine.handle_bytes(loop.now(), bytes);
                     drain();
                   },
                   [this](const Status& how) {
                     drop_connection();
                     machine.handle_closed(
                         loop.now(),
                         how.ok() ? Error{Errc::Unavailable, 0, "the broker closed the connection"}
                                  : how.error());
                     if (shut_down) return finish_shutdown();
                     drain();
                   },
                   [this] {
                     if (shut_down) return finish_shutdown();
                     drain();
                   }});
  }

  void act(const NatsClient::Dial& action) {
    platform::DialOptions to;
    to.host = action.server.host;
    to.port = action.server.port;
    to.bind = options.bind;
    to.mark = options.mark;
    to.timeout = options.machine.handshake_timeout;
    to.write_limit = TlsStream::inner_write_limit(kWriteLimit);
    dial = std::make_unique<platform::Dial>(loop, std::move(to),
                                            [this](Result<std::unique_ptr<Stream>> result) {
                                              loop.dispose(std::move(dial));
                                              if (!result.ok()) {
                                                machine.handle_closed(loop.now(), result.error());
                                              } else {
                                                stream = std::move(*result);
                                                start_stream();
                                                machine.handle_connected(loop.now());
                                              }
                                              drain();
                                            });
  }

  void act(const NatsClient::StartTls& action) {
    stream_ready = false;
    auto secure = TlsStream::connect(
        loop, std::move(stream), action.host, options.trust,
        [this](const Status& status) {
          if (status.ok()) {
            start_stream();
            machine.handle_tls_ready(loop.now());
          } else {
            drop_connection();
            machine.handle_closed(loop.now(), status.error());
          }
          drain();
        },
        kWriteLimit);
    if (secure.ok()) {
      stream = std::move(*secure);
    } else {
      machine.handle_closed(loop.now(), secure.error());
    }
  }

  void act(const NatsClient::Hangup&) { drop_connection(); }

  // Everything but events: may be called from inside the user's calls.
  void pump() {
    while (auto action = machine.poll_action()) {
      // During the orderly end the connection stays until its queue is empty.
      if (shut_down && std::holds_alternative<NatsClient::Hangup>(*action)) continue;
      std::visit([this](const auto& what) { act(what); }, *action);
    }
    if (stream_ready && stream != nullptr && machine.has_transmit() && stream->queued() == 0) {
      (void)stream->write(machine.take_transmit());  // what breaks is told by `ended`
    }
    timer.arm(machine.next_timeout());
  }

  void drain() {
    pump();
    if (draining) return;
    draining = true;
    while (!closed) {
      auto event = machine.poll_event();
      if (!event) break;
      std::visit([this](auto& what) { tell(what); }, *event);
    }
    draining = false;
    if (!closed) pump();
  }

  template <typename Event>
  static void tell_if(const std::function<void(const Event&)>& handler, const Event& event) {
    if (handler) handler(event);
  }
  void tell(const Connected& event) { tell_if(handlers.connected, event); }
  void tell(const Disconnected& event) { tell_if(handlers.disconnected, event); }
  void tell(const ServerError& event) { tell_if(handlers.server_error, event); }
  void tell(const Message& message) {
    const auto found = subscribers.find(message.sid);
    if (found == subscribers.end()) return;
    const OnMessage call = found->second;  // it may unsubscribe
    call(message);
  }
  void tell(NatsClient::Answer& answer) {
    const auto found = requests.find(answer.request);
    if (found == requests.end()) return;
    const OnAnswer call = std::move(found->second);
    requests.erase(found);
    call(std::move(answer.result));
  }

  void finish_shutdown() {
    auto done = std::move(shut_down);
    shut_down = nullptr;
    if (!done) return;
    shutdown_timer.cancel();
    if (stream != nullptr) stream->finish();
    drop_connection();
    done();
  }
};

Client::Client(platform::Loop& loop, Rng& rng, Options options, Handlers handlers)
    : state_(std::make_unique<State>(loop, rng, std::move(options), std::move(handlers))) {
  state_->pump();
}

Client::~Client() {
  state_->closed = true;
  state_->shut_down = nullptr;
  state_->drop_connection();
  state_->timer.cancel();
  state_->shutdown_timer.cancel();
  platform::Loop& loop = state_->loop;
  loop.dispose(std::move(state_));
}

Result<std::uint64_t> Client::subscribe(std::string_view subject, OnMessage on_message,
                                        std::shared_ptr<const Signer> signer) {
  MYST_TRY_ASSIGN(const std::uint64_t sid,
                  state_->machine.subscribe(state_->loop.now(), subject, std::move(signer)));
  state_->subscribers[sid] = std::move(on_message);
  state_->pump();
  return sid;
}

void Client::unsubscribe(std::uint64_t sid) {
  state_->machine.unsubscribe(sid);
  state_->subscribers.erase(sid);
  state_->pump();
}

Status Client::publish(std::string_view subject, ByteSpan payload,
                       std::shared_ptr<const Signer> signer, std::string_view reply) {
  const Status status =
      state_->machine.publish(state_->loop.now(), subject, payload, std::move(signer), reply);
  state_->pump();
  return status;
}

Result<std::uint64_t> Client::request(std::string_view subject, ByteSpan payload, Duration timeout,
                                      OnAnswer on_answer, std::shared_ptr<const Signer> signer) {
  MYST_TRY_ASSIGN(
      const std::uint64_t id,
      state_->machine.request(state_->loop.now(), subject, payload, timeout, std::move(signer)));
  state_->requests[id] = std::move(on_answer);
  state_->pump();
  return id;
}

void Client::cancel_request(std::uint64_t request) {
  state_->machine.cancel_request(request);
  state_->requests.erase(request);
}

void Client::set_servers(std::vector<core::BrokerAddress> servers) {
  state_->machine.set_servers(std::move(servers));
}

void Client::reconnect_now() {
  state_->machine.reconnect_now(state_->loop.now());
  // Its events are told from the loop.
  state_->timer.arm(state_->loop.instant());
  while (auto action = state_->machine.poll_action()) {
    std::visit([this](const auto& what) { state_->act(what); }, *action);
  }
}

void Client::shutdown(std::function<void()> done) {
  State& state = *state_;
  state.shut_down = std::move(done);
  const bool online = state.machine.connected();
  state.machine.close();
  state.pump();
  state.timer.arm(state.loop.instant());  // cancelled requests are told from the loop
  const bool empty = !online || state.stream == nullptr || state.stream->queued() == 0;
  state.shutdown_timer.arm_in(empty ? Duration{0} : kShutdownLimit);
}

bool Client::connected() const { return state_->machine.connected(); }
std::uint64_t Client::skipped_messages() const { return state_->machine.skipped_messages(); }

}  // namespace myst::nats
