#include "platform/dns/dns_proxy.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "core/dns/forwarder.hpp"
#include "core/system/resolv_conf.hpp"
#include "platform/loop/timer.hpp"
#include "platform/net/tcp_stream.hpp"
#include "platform/net/udp_socket.hpp"
#include "platform/system/files.hpp"

namespace myst::platform {
namespace {

using core::dns::Forwarder;

constexpr auto kRereadResolvers = std::chrono::seconds{10};
constexpr auto kIdleConnection = std::chrono::seconds{10};
constexpr std::size_t kMaxResolvConf = 64 * 1024;
constexpr int kPortAttempts = 16;  // for a port that is free on UDP and TCP alike

// RFC 1035 4.2.2: on TCP a message has its length before it.
Bytes with_length(ByteSpan message) {
  Bytes out{static_cast<std::uint8_t>(message.size() >> 8),
            static_cast<std::uint8_t>(message.size())};
  out.insert(out.end(), message.begin(), message.end());
  return out;
}

Forwarder::Config forwarder_config(const core::dns::Policy& policy) {
  Forwarder::Config config;
  config.policy = policy;
  return config;
}

// Collects the bytes of a stream into messages.
class MessageBuffer {
 public:
  void append(ByteSpan bytes) { buffer_.insert(buffer_.end(), bytes.begin(), bytes.end()); }
  std::optional<Bytes> next() {
    if (buffer_.size() < 2) return std::nullopt;
    const std::size_t size = static_cast<std::size_t>((buffer_[0] << 8) | buffer_[1]);
    if (buffer_.size() < 2 + size) return std::nullopt;
    const auto end = buffer_.begin() + 2 + static_cast<std::ptrdiff_t>(size);
    Bytes out(buffer_.begin() + 2, end);
    buffer_.erase(buffer_.begin(), end);
    return out;
  }

 private:
  Bytes buffer_;
};

}  // namespace

struct DnsProxy::State {
  // A consumer's TCP connection.
  struct Connection {
    std::unique_ptr<TcpStream> stream;
    MessageBuffer buffer;
    Instant heard;
    std::size_t unanswered = 0;
    bool ended = false;  // the client will ask no more, but waits for what it asked
  };
  // Towards a resolver: one socket a query, so that its port is as hard to guess as its id.
  struct Question {
    Endpoint upstream;
    std::optional<UdpSocket> udp;
    std::unique_ptr<TcpConnect> connecting;
    std::unique_ptr<TcpStream> tcp;
    MessageBuffer buffer;
    Bytes message;
  };

  State(Loop& loop_in, Rng& rng, Options options_in)
      : loop(loop_in),
        options(std::move(options_in)),
        forwarder(forwarder_config(options.policy), rng),
        timer(loop_in, [this] { on_timer(); }) {}

  Status listen();
  bool is_client(const IpAddress& address) const {
    return std::any_of(clients.begin(), clients.end(),
                       [&address](const IpPrefix& prefix) { return prefix.contains(address); });
  }
  void read_resolvers();
  void on_query(const Forwarder::Client& client, ByteSpan query);
  void on_connection(std::unique_ptr<TcpStream> stream);
  void on_timer();
  void drain();
  void run(Forwarder::SendQuery& action);
  void run(Forwarder::SendQueryTcp& action);
  void run(Forwarder::SendAnswer& action);
  void run(Forwarder::OpenDestinations& action);
  void on_tcp_upstream(std::uint32_t ticket, Result<std::unique_ptr<TcpStream>> stream);
  void on_upstream_failure(std::uint32_t ticket);

  Loop& loop;
  Options options;
  Forwarder forwarder;
  Timer timer;
  std::optional<UdpSocket> udp;
  std::optional<TcpListener> tcp;
  std::vector<IpPrefix> clients;
  std::map<std::uint64_t, Connection> connections;
  std::map<std::uint32_t, Question> questions;  // by ticket
  std::uint64_t last_connection = 0;
  std::optional<Instant> resolvers_read;
  std::string resolvers_text;
  std::uint64_t answered = 0;
  bool draining = false;
  // What a callback that outlives this object looks at first.
  std::shared_ptr<State*> self = std::make_shared<State*>(this);
  ~State() { *self = nullptr; }
};

Status DnsProxy::State::listen() {
  Status status = Error{Errc::Io, 0, "DNS port"};
  for (int attempt = 0; attempt < (options.port == 0 ? kPortAttempts : 1); ++attempt) {
    auto socket = UdpSocket::open(loop, {{IpAddress(), options.port}, std::nullopt, 0});
    if (!socket.ok()) return socket.error();
    TcpListener::Options listener;
    listener.local = {IpAddress(), socket->local().port};
    auto accepting = TcpListener::listen(loop, listener, [this](std::unique_ptr<TcpStream> stream) {
      on_connection(std::move(stream));
    });
    if (!accepting.ok()) {
      status = accepting.error();
      continue;
    }
    udp = *std::move(socket);
    tcp = *std::move(accepting);
    udp->receive([this](const Endpoint& from, ByteSpan query) {
      if (is_client(from.ip)) on_query({from, 0}, query);
    });
    return {};
  }
  return status;
}

void DnsProxy::State::read_resolvers() {
  const Instant now = loop.instant();
  if (resolvers_read && now < *resolvers_read + kRereadResolvers) return;
  resolvers_read = now;
  auto text = read_file(options.resolv_conf, kMaxResolvConf);
  // Unreadable for a moment, while somebody writes it: those known stay.
  if (!text.ok() || *text == resolvers_text) return;
  resolvers_text = *std::move(text);
  std::vector<Endpoint> upstreams;
  for (const IpAddress& server : core::parse_resolv_conf(resolvers_text).servers) {
    upstreams.push_back({server, options.upstream_port});
  }
  if (!upstreams.empty()) forwarder.set_upstreams(std::move(upstreams));
}

void DnsProxy::State::on_query(const Forwarder::Client& client, ByteSpan query) {
  read_resolvers();
  // Malformed or too many: dropped; the client asks again.
  if (forwarder.handle_query(loop.instant(), client, query).ok()) {
    const auto connection = connections.find(client.connection);
    if (connection != connections.end()) ++connection->second.unanswered;
  }
  drain();
}

void DnsProxy::State::on_connection(std::unique_ptr<TcpStream> stream) {
  const Endpoint remote = stream->remote();
  if (!is_client(remote.ip) || connections.size() >= kMaxConnections) return;
  const std::uint64_t id = ++last_connection;
  Connection& connection = connections[id];
  connection.stream = std::move(stream);
  connection.heard = loop.instant();
  Stream::Handlers handlers;
  handlers.data = [this, id, remote](ByteSpan bytes) {
    const auto found = connections.find(id);
    if (found == connections.end()) return;
    found->second.heard = loop.instant();
    found->second.buffer.append(bytes);
    // Looked up each time: an answer may close the connection.
    for (auto it = found; it != connections.end(); it = connections.find(id)) {
      const auto query = it->second.buffer.next();
      if (!query) break;
      on_query({remote, id}, *query);
    }
  };
  handlers.ended = [this, id](const Status& status) {
    const auto found = connections.find(id);
    if (found == connections.end()) return;
    found->second.ended = true;
    if (!status.ok() || found->second.unanswered == 0) connections.erase(found);
  };
  connection.stream->start(std::move(handlers));
  drain();
}

void DnsProxy::State::on_timer() {
  const Instant now = loop.instant();
  for (auto it = connections.begin(); it != connections.end();) {
    it = now >= it->second.heard + kIdleConnection ? connections.erase(it) : std::next(it);
  }
  forwarder.handle_timeout(now);
  drain();
}

void DnsProxy::State::drain() {
  if (draining) return;  // an action led to another input: the loop below is still running
  draining = true;
  while (auto action = forwarder.poll_action()) {
    std::visit([this](auto& a) { run(a); }, *action);
  }
  draining = false;
  std::optional<Instant> next = forwarder.next_timeout();
  for (const auto& [id, connection] : connections) {
    next = earliest(next, connection.heard + kIdleConnection);
  }
  timer.arm(next);
}

void DnsProxy::State::run(Forwarder::SendQuery& action) {
  Question& question = questions[action.ticket];
  question = Question{};
  question.upstream = action.upstream;
  Endpoint local;
  if (action.upstream.ip.is_v6()) local.ip = IpAddress::v6({});
  auto socket = UdpSocket::open(loop, {local, action.upstream, 0});
  if (!socket.ok() || !socket->send(action.message).ok()) {
    on_upstream_failure(action.ticket);
    return;
  }
  question.udp = *std::move(socket);
  question.udp->receive([this](const Endpoint& from, ByteSpan answer) {
    (void)forwarder.handle_answer(loop.instant(), from, answer);
    drain();
  });
}

void DnsProxy::State::run(Forwarder::SendQueryTcp& action) {
  Question& question = questions[action.ticket];
  question = Question{};
  question.upstream = action.upstream;
  question.message = with_length(action.message);
  TcpConnect::Options options_tcp;
  options_tcp.remote = action.upstream;
  question.connecting = std::make_unique<TcpConnect>(
      loop, options_tcp, [this, ticket = action.ticket](Result<std::unique_ptr<TcpStream>> stream) {
        on_tcp_upstream(ticket, std::move(stream));
      });
}

void DnsProxy::State::on_tcp_upstream(std::uint32_t ticket,
                                      Result<std::unique_ptr<TcpStream>> stream) {
  const auto found = questions.find(ticket);
  if (found == questions.end()) return;
  Question& question = found->second;
  question.connecting.reset();
  if (!stream.ok() || !(*stream)->write(question.message).ok()) {
    on_upstream_failure(ticket);
    drain();
    return;
  }
  question.tcp = *std::move(stream);
  Stream::Handlers handlers;
  handlers.data = [this, ticket](ByteSpan bytes) {
    const auto asked = questions.find(ticket);
    if (asked == questions.end()) return;
    asked->second.buffer.append(bytes);
    const auto answer = asked->second.buffer.next();
    if (!answer) return;
    if (!forwarder.handle_answer(loop.instant(), asked->second.upstream, *answer).ok()) {
      on_upstream_failure(ticket);
    }
    drain();
  };
  handlers.ended = [this, ticket](Status) {
    on_upstream_failure(ticket);
    drain();
  };
  question.tcp->start(std::move(handlers));
}

void DnsProxy::State::on_upstream_failure(std::uint32_t ticket) {
  forwarder.handle_failure(loop.instant(), ticket);
}

void DnsProxy::State::run(Forwarder::SendAnswer& action) {
  questions.erase(action.ticket);
  ++answered;
  if (action.client.connection == 0) {
    (void)udp->send(action.client.endpoint, action.message);
    return;
  }
  const auto found = connections.find(action.client.connection);
  if (found == connections.end()) return;
  Connection& connection = found->second;
  if (connection.unanswered > 0) --connection.unanswered;
  if (!connection.stream->write(with_length(action.message)).ok()) {
    connections.erase(found);
  } else if (connection.ended && connection.unanswered == 0) {
    connection.stream->finish();  // closed once it is idle, when the answer has long left
  }
}

void DnsProxy::State::run(Forwarder::OpenDestinations& action) {
  const std::uint32_t ticket = action.ticket;
  if (!options.open_destinations) {
    forwarder.handle_opened(ticket, false);
    return;
  }
  options.open_destinations(std::move(action.addresses),
                            [weak = std::weak_ptr<State*>(self), ticket](bool opened) {
                              const auto state = weak.lock();
                              if (state == nullptr || *state == nullptr) return;
                              (*state)->forwarder.handle_opened(ticket, opened);
                              (*state)->drain();
                            });
}

DnsProxy::DnsProxy(std::unique_ptr<State> state) : state_(std::move(state)) {}
DnsProxy::~DnsProxy() = default;

Result<std::unique_ptr<DnsProxy>> DnsProxy::open(Loop& loop, Rng& rng, Options options) {
  auto state = std::make_unique<State>(loop, rng, std::move(options));
  MYST_TRY(state->listen());
  return std::unique_ptr<DnsProxy>(new DnsProxy(std::move(state)));
}

Status DnsProxy::allow(const IpPrefix& clients) {
  if (state_->clients.size() >= kMaxClients) return Error{Errc::Full, 0, "DNS client networks"};
  state_->clients.push_back(clients);
  return {};
}

void DnsProxy::disallow(const IpPrefix& clients) {
  auto& all = state_->clients;
  const auto found = std::find(all.begin(), all.end(), clients);
  if (found != all.end()) all.erase(found);
}

std::uint16_t DnsProxy::port() const { return state_->udp->local().port; }
std::uint64_t DnsProxy::answered() const { return state_->answered; }

}  // namespace myst::platform
