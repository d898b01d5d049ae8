#include "apps/hub/broker_gate.hpp"

#include "platform/loop/timer.hpp"
#include "platform/net/dial.hpp"

namespace myst::hub {
namespace {

using platform::Stream;

// Beyond this much unsent data the other side is not read any more. One read adds at most two times
// 64 KiB, so the write limit is never reached.
constexpr std::size_t kHighWater = 128 * 1024;
constexpr std::size_t kWriteLimit = 1024 * 1024;
constexpr Duration kDialLimit = std::chrono::seconds{5};
constexpr Duration kLinger =
    std::chrono::seconds{5};  // to send what is left when one side has gone

}  // namespace

struct BrokerGate::Connection {
  Connection(BrokerGate& owner, std::unique_ptr<Stream> from)
      : gate(owner),
        address(from->remote().ip),
        client(std::move(from)),
        session(owner.options_.gate, owner.memory_, owner.counters_, owner.loop_.now()),
        linger(owner.loop_, [this] { gate.end(this); }) {}

  BrokerGate& gate;
  IpAddress address;
  std::unique_ptr<Stream> client, server;
  std::unique_ptr<platform::Dial> dial;
  core::GateSession session;
  platform::Timer linger;
  bool closing = false;

  void start() {
    platform::DialOptions to;
    to.host = gate.options_.upstream_host;
    to.port = gate.options_.upstream_port;
    to.timeout = kDialLimit;
    to.write_limit = kWriteLimit;
    dial = std::make_unique<platform::Dial>(gate.loop_, std::move(to),
                                            [this](Result<std::unique_ptr<Stream>> result) {
                                              gate.loop_.dispose(std::move(dial));
                                              if (!result.ok()) {
                                                ++gate.turned_away_;
                                                return gate.end(this);
                                              }
                                              server = std::move(*result);
                                              start_streams();
                                            });
  }

  void start_streams() {
    server->start({[this](ByteSpan bytes) {
                     const Status status = session.handle_server(gate.loop_.now(), bytes);
                     pass_on();
                     if (!status.ok()) close();
                   },
                   [this](const Status&) { close(); }, [this] { on_drained(server, client); }});
    client->start({[this](ByteSpan bytes) {
                     const Status status = session.handle_client(gate.loop_.now(), bytes);
                     pass_on();
                     if (!status.ok()) close();
                   },
                   [this](const Status&) { close(); }, [this] { on_drained(client, server); }});
  }

  void pass_on() {
    if (closing) return;
    send(*server, *client, session.take_to_server());
    send(*client, *server, session.take_to_client());
  }

  void send(Stream& to, Stream& from, const Bytes& bytes) {
    if (bytes.empty()) return;
    if (!to.write(bytes).ok()) return close();
    if (to.queued() > kHighWater) from.pause();
  }

  void on_drained(const std::unique_ptr<Stream>& drained, const std::unique_ptr<Stream>& other) {
    if (!closing) return other->resume();
    (void)drained;
    if (client->queued() == 0 && server->queued() == 0) gate.end(this);
  }

  // One side has gone or broke the rules: the other still gets what is on its way to it.
  void close() {
    if (closing) return;
    closing = true;
    client->pause();
    server->pause();
    client->finish();
    server->finish();
    linger.arm_in(client->queued() == 0 && server->queued() == 0 ? Duration{0} : kLinger);
  }
};

BrokerGate::BrokerGate(platform::Loop& loop, const Options& options)
    : loop_(loop), options_(options), admission_(options.limits) {}

BrokerGate::~BrokerGate() = default;

Result<std::unique_ptr<BrokerGate>> BrokerGate::open(platform::Loop& loop, const Options& options) {
  std::unique_ptr<BrokerGate> gate(new BrokerGate(loop, options));
  platform::TcpListener::Options listen;
  listen.local = options.listen;
  listen.backlog = 1024;
  listen.write_limit = kWriteLimit;
  auto listener = platform::TcpListener::listen(
      loop, listen,
      [raw = gate.get()](std::unique_ptr<platform::TcpStream> s) { raw->accept(std::move(s)); });
  if (!listener.ok()) return listener.error();
  gate->listener_.emplace(std::move(*listener));
  return gate;
}

void BrokerGate::accept(std::unique_ptr<platform::TcpStream> stream) {
  if (options_.ready && !options_.ready()) {
    ++turned_away_;
    return;
  }
  if (!admission_.admit(stream->remote().ip)) {
    ++turned_away_;
    (void)stream->write(as_bytes("-ERR 'maximum connections exceeded'\r\n"));
    stream->finish();
    return;
  }
  auto connection = std::make_unique<Connection>(*this, std::move(stream));
  Connection* raw = connection.get();
  connections_[raw] = std::move(connection);
  raw->start();
}

void BrokerGate::end(Connection* connection) {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return;
  admission_.release(connection->address);
  connection->closing = true;
  // Callbacks of the connection may be on the stack: it goes at the end of the turn, its sockets
  // now.
  connection->client.reset();
  connection->server.reset();
  connection->linger.cancel();
  loop_.dispose(std::move(found->second));
  connections_.erase(found);
}

}  // namespace myst::hub
