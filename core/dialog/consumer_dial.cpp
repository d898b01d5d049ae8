#include "core/dialog/consumer_dial.hpp"

#include <string_view>
#include <utility>

#include "core/crypto/box.hpp"
#include "core/dialog/action_queue.hpp"
#include "core/dialog/exchange.hpp"
#include "core/dialog/port_set.hpp"
#include "core/nat/hole_puncher.hpp"

namespace myst::core {

using namespace dialog;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr std::uint32_t kReadyTag = 1;
constexpr std::size_t kDirectPorts = 2;  // a provider that lists exactly two has them open

// The reference's provider now and then loses a dial without a word. Before its reply come port
// check, UPnP search and STUN; after an OK in the direct case "ready" follows within milliseconds.
constexpr Duration kExchangePatience = seconds{8};
// A reference provider that punches holes for others answers an ack only after that, up to 10 s
// later; one with open ports has no such work.
constexpr Duration kDirectAckPatience = seconds{4};
constexpr Duration kPunchedAckPatience = seconds{11};
// Pings that open a path do so within a few round trips. What stands in their way for longer, such
// as a router that has given a port's place to the other side's first ping, stays: other ports
// help.
constexpr Duration kPunchPatience = seconds{4};
constexpr Duration kDirectReadyPatience = seconds{2};
constexpr Duration kPunchedReadyPatience = seconds{3};
constexpr Duration kNobodyListensPause = seconds{1};  // it may be reconnecting to the broker
constexpr Duration kWorthAnotherTry = seconds{3};     // less time left: go on waiting instead

}  // namespace

struct ConsumerDial::Impl {
  Impl(const Config& config_in, const Signer& signer_in, Rng& rng_in, Instant now)
      : config(config_in),
        signer(signer_in),
        rng(rng_in),
        give_up_at(now + config_in.limit),
        ports(actions, next_socket) {}

  enum class Step : std::uint8_t {
    Starting,    // broker connection and what we know about ourselves
    Exchanging,  // our key is out
    Preparing,   // route, sockets, STUN
    Acking,      // our config is out
    Punching,
    AwaitingReady,
    Pausing,  // before another try
    Done,
  };

  // ------------------------------------------------------------------------------------- steps
  void start_attempt(Instant now) {
    step = Step::Exchanging;
    keys = x25519::make_pair(rng);
    ready = false;
    puncher.reset();
    const auto payload = make_message(signer, keys.public_key, {});
    if (!payload) return fail(payload.error(), "own identity cannot sign");
    request = next_request++;
    actions.push(
        BrokerRequest{request, exchange_subject(config.provider, config.service_type), *payload});
    patience_until = now + kExchangePatience;
  }

  // With fresh keys, if time is left; otherwise the wait simply goes on to the limit.
  void try_again(Instant now, Duration pause, const char* why) {
    last_trouble = why;
    patience_until.reset();
    if (give_up_at - now < kWorthAnotherTry) return;
    ports.close_all();
    puncher.reset();
    if (pause > Duration::zero()) {
      step = Step::Pausing;
      patience_until = now + pause;
    } else {
      start_attempt(now);
    }
  }

  void on_exchange_reply(Instant now, ByteSpan payload) {
    const auto received = open_message(payload);
    if (!received) return fail(received.error(), "the provider's answer makes no sense");
    if (received->signer != config.provider) {
      return fail({Errc::Unauthorized, 0, "exchange signer"},
                  "the answer is signed by another identity than the provider's");
    }
    const auto theirs = open_config(keys.secret, received->key, received->config_ciphertext);
    if (!theirs) return fail(theirs.error(), "the provider's answer cannot be decrypted");
    if (theirs->compatibility < kMinProviderCompatibility) {
      return fail({Errc::Unsupported, theirs->compatibility, "provider compatibility"},
                  "the provider runs a version that is too old");
    }
    auto list = ports_of(*theirs);
    if (!list || list->size() < kDirectPorts || list->size() > kMaxPorts) {
      return fail({Errc::Malformed, 0, "provider's ports"}, "the provider lists no usable ports");
    }
    peer_key = received->key;
    peer_public_ip_text = theirs->public_ip;
    remote_ports = std::move(*list);
    step = Step::Preparing;
    patience_until.reset();
    ports.grow(remote_ports.size());
    prepare(now);
  }

  // Called whenever one of the things that are awaited in Preparing has arrived.
  void prepare(Instant now) {
    if (step != Step::Preparing || !facts) return;
    if (!mapping) {
      const auto address = peer_address(facts->public_ip, peer_public_ip_text);
      if (!address) return fail(address.error(), "the provider's address is not usable");
      const auto published = IpAddress::parse(peer_public_ip_text);
      if (route_ip && *route_ip != *published) drop_route();
      peer_ip = *address;
      if (!config.host_route || peer_ip.is_loopback()) {
        route_set = true;
      } else if (!route_ip) {
        route_ip = peer_ip;
        route_set = false;
        actions.push(AddHostRoute{peer_ip});
      }
      // With the provider's ports open ours need not be known: it follows the first datagram that
      // proves to be ours. A hint that costs nothing is still worth sending: local ports.
      mapping = true;
      if (remote_ports.size() != kDirectPorts) ports.map(now, facts->stun_servers, rng);
    }
    if (ports.failed()) return fail(ports.error(), "no UDP port could be opened");
    if (!route_set || !ports.ready()) return;

    pb::P2PConnectConfig ours;
    ours.public_ip = facts->public_ip.to_string();
    ours.ports = ports.published();
    ours.compatibility = kCompatibility;
    const auto ciphertext = seal_config(keys.secret, peer_key, rng, ours);
    if (!ciphertext) return fail(ciphertext.error(), "the provider's key is not usable");
    const auto payload = make_message(signer, keys.public_key, *ciphertext);
    if (!payload) return fail(payload.error(), "own identity cannot sign");
    step = Step::Acking;
    ready = false;
    request = next_request++;
    actions.push(
        BrokerRequest{request, ack_subject(config.provider, config.service_type), *payload});
    patience_until =
        now + (remote_ports.size() == kDirectPorts ? kDirectAckPatience : kPunchedAckPatience);
  }

  void on_ack_reply(Instant now) {
    if (remote_ports.size() == kDirectPorts) {
      HolePuncher::Pair pair;
      pair.channel = {0, {peer_ip, remote_ports[0]}};
      pair.service = {1, {peer_ip, remote_ports[1]}};
      chosen = pair;
      await_ready(now, kDirectReadyPatience);
      return;
    }
    HolePuncher::Config punch;
    punch.role = HolePuncher::Role::Consumer;
    punch.peer = peer_ip;
    punch.remote_ports = remote_ports;
    puncher.emplace(punch, now);
    step = Step::Punching;
    patience_until = now + kPunchPatience;
  }

  const char* punching_trouble() const {
    return puncher->heard() > 0 ? "no stable path through the NATs between both nodes"
                                : "no path through the NATs between both nodes";
  }

  void await_ready(Instant now, Duration patience) {
    step = Step::AwaitingReady;
    patience_until = now + patience;
    if (ready) finish(now);
  }

  void send_punches() {
    while (const auto out = puncher->poll_transmit()) {
      actions.send(ports.id(out->index), out->to, out->ttl, out->payload());
    }
  }

  void drain_puncher(Instant now) {
    if (!puncher) return;
    send_punches();
    if (step != Step::Punching) return;
    if (puncher->failed()) {
      fail({Errc::Timeout, 0, "hole punching"}, punching_trouble());
    } else if (puncher->pair()) {
      chosen = *puncher->pair();
      // Only now has our OK_ACK left: a "ready" seen before was for another consumer.
      ready = false;
      await_ready(now, kPunchedReadyPatience);
    }
  }

  void finish(Instant now) {
    // "Ready" is shared by all consumers, so it does not prove that our OK_ACK has arrived.
    if (puncher) {
      puncher->hurry();
      send_punches();
    }
    const auto shared = box_precompute(keys.secret, peer_key);
    if (!shared) return fail(shared.error(), "the provider's key is not usable");
    Channel::Config channel;
    channel.key = *shared;
    ChannelOpened opened;
    opened.peer = config.provider.to_string();
    opened.channel = std::make_unique<Channel>(channel, rng, now);
    const auto path = [this](const HolePuncher::Chosen& end) {
      return Path{ports.id(end.index), ports.local_port(end.index), end.peer};
    };
    opened.channel_path = path(chosen.channel);
    opened.service_path = path(chosen.service);
    opened.direct = !puncher.has_value();
    opened.peer_public_ip = route_ip ? *route_ip : peer_ip;
    ports.release(chosen.channel.index);
    ports.release(chosen.service.index);
    end();
    actions.push(std::move(opened));
  }

  void drop_route() {
    if (route_ip) actions.push(RemoveHostRoute{*route_ip});
    route_ip.reset();
    route_set = false;
  }

  void end() {
    step = Step::Done;
    patience_until.reset();
    puncher.reset();
    ports.close_all();
    actions.push(BrokerDisconnect{});
  }

  void fail(const Error& error, std::string reason) {
    if (step == Step::Done) return;
    end();
    drop_route();
    actions.push(DialogFailed{0, error, std::move(reason)});
  }

  void on_limit() {
    const char* reason = "the dial took too long";
    switch (step) {
      case Step::Starting:
        reason = broker_connected ? "own public address could not be found"
                                  : "the provider's broker could not be reached";
        break;
      case Step::Exchanging:
      case Step::Pausing:
        reason = "the provider does not answer";
        break;
      case Step::Preparing:
        reason = facts ? "ports and route were not ready in time"
                       : "own public address could not be found";
        break;
      case Step::Acking:
        reason = "the provider did not accept the connection";
        break;
      case Step::Punching:
        reason = punching_trouble();
        break;
      case Step::AwaitingReady:
        reason = "the provider did not get ready";
        break;
      case Step::Done:
        return;
    }
    fail({Errc::Timeout, 0, "dial"}, last_trouble != nullptr ? last_trouble : reason);
  }

  void on_patience_over(Instant now) {
    switch (step) {
      case Step::Exchanging:
        return try_again(now, {}, "the provider does not answer");
      case Step::Acking:
        return try_again(now, {}, "the provider did not accept the connection");
      case Step::AwaitingReady:
        return try_again(now, {}, "the provider did not get ready");
      case Step::Pausing:
        return start_attempt(now);
      case Step::Punching:
        return try_again(now, {}, punching_trouble());
      case Step::Starting:
      case Step::Preparing:
      case Step::Done:
        patience_until.reset();
        return;
    }
  }

  Config config;
  const Signer& signer;
  Rng& rng;
  Instant give_up_at;
  ActionQueue actions;
  SocketId next_socket = 1;
  PortSet ports;
  Step step = Step::Starting;
  std::optional<Instant> patience_until;
  const char* last_trouble = nullptr;  // of an earlier attempt, for the final reason

  bool broker_connected = false;
  std::optional<NetworkFacts> facts;
  std::uint32_t request = 0;  // the broker request whose reply counts
  std::uint32_t next_request = 1;
  bool ready = false;  // seen since the ack of this attempt went out

  x25519::KeyPair keys;
  x25519::PublicKey peer_key{};
  std::string peer_public_ip_text;
  IpAddress peer_ip;
  std::vector<std::uint16_t> remote_ports;
  bool mapping = false;  // address checked, route asked for, STUN under way
  std::optional<IpAddress> route_ip;
  bool route_set = false;
  std::optional<HolePuncher> puncher;
  HolePuncher::Pair chosen{};
};

ConsumerDial::ConsumerDial(const Config& config, const Signer& signer, Rng& rng, Instant now)
    : impl_(std::make_unique<Impl>(config, signer, rng, now)) {
  impl_->actions.push(FindNetworkFacts{});
  impl_->actions.push(BrokerConnect{config.broker_addresses});
}
ConsumerDial::~ConsumerDial() = default;

std::optional<Action> ConsumerDial::poll_action() { return impl_->actions.pop(); }
bool ConsumerDial::done() const { return impl_->step == Impl::Step::Done; }

std::optional<Instant> ConsumerDial::next_timeout() const {
  if (done()) return std::nullopt;
  std::optional<Instant> next = earliest(impl_->give_up_at, impl_->patience_until);
  next = earliest(next, impl_->ports.next_timeout());
  if (impl_->puncher) next = earliest(next, impl_->puncher->next_timeout());
  return next;
}

void ConsumerDial::handle_network_facts(Instant now, const Result<NetworkFacts>& facts) {
  if (done() || impl_->facts) return;
  if (!facts) return impl_->fail(facts.error(), "own public address could not be found");
  if (!facts->public_ip.is_v4() || facts->public_ip.is_unspecified()) {
    return impl_->fail({Errc::Unsupported, 0, "own public address"},
                       "own public address is not an IPv4 address");
  }
  impl_->facts = *facts;
  impl_->prepare(now);
}

void ConsumerDial::handle_broker_connected(Instant now, const Status& status) {
  if (impl_->step != Impl::Step::Starting) return;
  if (!status.ok()) {
    return impl_->fail(status.error(), "the provider's broker could not be reached");
  }
  impl_->broker_connected = true;
  impl_->actions.push(BrokerSubscribe{
      kReadyTag, ready_subject(impl_->config.provider, impl_->config.service_type), false});
  impl_->start_attempt(now);
}

void ConsumerDial::handle_broker_message(Instant now, std::uint32_t tag, ByteSpan payload) {
  // Shared by all consumers of this provider and service, and its content decides nothing in the
  // reference either; that the channel answers is seen only there.
  (void)payload;
  if (done() || tag != kReadyTag) return;
  impl_->ready = true;
  if (impl_->step == Impl::Step::AwaitingReady) impl_->finish(now);
}

void ConsumerDial::handle_broker_reply(Instant now, std::uint32_t request,
                                       const Result<Bytes>& payload) {
  if (done() || request != impl_->request) return;
  const bool exchanging = impl_->step == Impl::Step::Exchanging;
  if (!exchanging && impl_->step != Impl::Step::Acking) return;
  impl_->request = 0;
  if (!payload) {
    impl_->try_again(now, kNobodyListensPause, "the provider is not connected to its broker");
  } else if (exchanging) {
    impl_->mapping = false;
    impl_->on_exchange_reply(now, *payload);
  } else {
    impl_->on_ack_reply(now);
  }
}

void ConsumerDial::handle_host_route(Instant now, const Status& status) {
  if (done() || !impl_->route_ip || impl_->route_set) return;
  if (!status.ok()) {
    return impl_->fail(status.error(), "no route to the provider could be set");
  }
  impl_->route_set = true;
  impl_->prepare(now);
}

void ConsumerDial::handle_udp_opened(Instant now, SocketId socket,
                                     const Result<std::uint16_t>& port) {
  const auto index = impl_->ports.index_of(socket);
  if (done() || !index) {
    // Given up meanwhile; its CloseUdp is on the way already.
    return;
  }
  impl_->ports.handle_opened(now, *index, port, impl_->rng);
  impl_->prepare(now);
}

void ConsumerDial::handle_datagram(Instant now, SocketId socket, const Endpoint& from,
                                   ByteSpan bytes) {
  const auto index = impl_->ports.index_of(socket);
  if (done() || !index) return;
  if (impl_->ports.handle_datagram(now, *index, bytes)) {
    impl_->prepare(now);
  } else if (impl_->puncher) {
    // Before the OK to our ack nothing is taken: the provider's pings repeat.
    impl_->puncher->handle_datagram(now, *index, from, bytes);
    impl_->drain_puncher(now);
  }
}

void ConsumerDial::handle_timeout(Instant now) {
  if (done()) return;
  if (now >= impl_->give_up_at) return impl_->on_limit();
  impl_->ports.handle_timeout(now);
  impl_->prepare(now);
  if (impl_->puncher) {
    impl_->puncher->handle_timeout(now);
    impl_->drain_puncher(now);
  }
  if (impl_->patience_until && now >= *impl_->patience_until) impl_->on_patience_over(now);
}

void ConsumerDial::cancel(Instant now) {
  (void)now;
  impl_->fail({Errc::Cancelled, 0, "dial"}, "cancelled");
}

}  // namespace myst::core
