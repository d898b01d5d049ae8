#include "core/dialog/provider_exchange.hpp"

#include <algorithm>
#include <utility>

#include "core/crypto/box.hpp"

namespace myst::core::dialog {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr std::size_t kDirectPorts = 2;
constexpr Duration kMethodPause = minutes{5};
// By now the consumer, who allows 20 s for everything, is gone.
constexpr Duration kPrepareLimit = std::chrono::seconds{20};

}  // namespace

ProviderExchange::ProviderExchange(ProviderShared& shared, std::uint32_t number,
                                   const Received& first, std::string reply_subject, Instant now)
    : shared_(shared),
      number_(number),
      consumer_(first.signer),
      consumer_key_(first.key),
      started_(now),
      reply_subjects_{std::move(reply_subject)},
      keys_(x25519::make_pair(shared.rng)),
      ports_(shared.actions, shared.next_socket) {}

bool ProviderExchange::owns(SocketId socket) const {
  return (probe_socket_ != 0 && socket == probe_socket_) || ports_.index_of(socket).has_value();
}

// ---------------------------------------------------------------------------------------- ports

void ProviderExchange::handle_network_facts(Instant now, const NetworkFacts& facts) {
  if (step_ != Step::AwaitingFacts) return;
  if (!facts.public_ip.is_v4() || facts.public_ip.is_unspecified()) {
    return fail({Errc::Unsupported, 0, "own public address"},
                "own public address is not an IPv4 address");
  }
  facts_ = facts;
  next_method(now);
}

// Manual, UPnP and hole punching in the configured order; the first that yields ports wins.
void ProviderExchange::next_method(Instant now) {
  close_probe_socket();
  if (std::exchange(mapped_, false)) shared_.actions.push(UnmapPorts{number_});
  checks_.clear();
  const auto& methods = shared_.config.traversal;
  while (next_method_ < methods.size()) {
    const Traversal method = methods[next_method_++];
    if (method == Traversal::HolePunching) {
      direct_ = false;
      step_ = Step::OpeningAll;
      ports_.grow(ProviderListener::kPunchPorts);
      ports_.map(now, facts_.stun_servers, shared_.rng);
      return advance(now);
    }
    const bool manual = method == Traversal::Manual;
    if (now < (manual ? shared_.manual_again_at : shared_.upnp_again_at)) continue;
    // Without a server to ask nothing counts as reachable.
    if (facts_.port_check_servers.empty()) continue;
    direct_ = true;
    step_ = manual ? Step::OpeningPair : Step::MappingPorts;
    const bool had_sockets = ports_.size() >= kDirectPorts && ports_.opened();
    ports_.grow(kDirectPorts);
    if (manual) return advance(now);
    if (had_sockets) {
      shared_.actions.push(MapPorts{number_, {ports_.local_port(0), ports_.local_port(1)}});
      return;
    }
    step_ = Step::OpeningPair;
    map_when_open_ = true;
    return advance(now);
  }
  fail({Errc::Unavailable, 0, "traversal"}, "no way to make ports reachable");
}

void ProviderExchange::advance(Instant now) {
  if (ports_.failed()) return fail(ports_.error(), "no UDP port could be opened");
  if (!ports_.opened()) return;
  switch (step_) {
    case Step::OpeningPair:
      if (std::exchange(map_when_open_, false)) {
        step_ = Step::MappingPorts;
        shared_.actions.push(MapPorts{number_, {ports_.local_port(0), ports_.local_port(1)}});
      } else {
        step_ = Step::Checking;
        start_check(now);
      }
      return;
    case Step::OpeningAll:
      if (ports_.ready()) reply();
      return;
    case Step::AwaitingFacts:
    case Step::Checking:
    case Step::MappingPorts:
    case Step::CheckingMapped:
    case Step::AwaitingAck:
    case Step::Punching:
    case Step::Done:
      return;
  }
}

void ProviderExchange::start_check(Instant now) {
  for (std::size_t i = 0; i < kDirectPorts; ++i) {
    checks_.emplace_back(ports_.local_port(i), facts_.port_check_servers, shared_.rng, now);
  }
  // Not from the sockets themselves: that would open a NAT for the answer.
  probe_socket_ = shared_.next_socket++;
  probe_open_ = false;
  shared_.actions.push(OpenUdp{probe_socket_});
}

void ProviderExchange::finish_check(Instant now, bool reachable) {
  const bool upnp = step_ == Step::CheckingMapped;
  if (!reachable) {
    (upnp ? shared_.upnp_again_at : shared_.manual_again_at) = now + kMethodPause;
    return next_method(now);
  }
  close_probe_socket();
  checks_.clear();
  // Reachable under their own numbers, so STUN has nothing to add.
  reply();
}

void ProviderExchange::close_probe_socket() {
  if (probe_socket_ != 0) shared_.actions.push(CloseUdp{probe_socket_});
  probe_socket_ = 0;
  probe_open_ = false;
}

void ProviderExchange::handle_ports_mapped(Instant now, const Status& status) {
  if (step_ != Step::MappingPorts) return;
  if (!status.ok()) {
    shared_.upnp_again_at = now + kMethodPause;
    return next_method(now);
  }
  mapped_ = true;
  step_ = Step::CheckingMapped;
  start_check(now);
}

void ProviderExchange::handle_udp_opened(Instant now, SocketId socket,
                                         const Result<std::uint16_t>& port) {
  if (socket == probe_socket_) {
    if (!port) return finish_check(now, false);
    probe_open_ = true;
    for (PortCheck& check : checks_) {
      while (const auto probe = check.poll_transmit()) {
        shared_.actions.send(probe_socket_, probe->to, 0, probe->bytes);
      }
    }
    return;
  }
  const auto index = ports_.index_of(socket);
  if (!index) return;
  ports_.handle_opened(now, *index, port, shared_.rng);
  advance(now);
}

void ProviderExchange::handle_datagram(Instant now, SocketId socket, const Endpoint& from,
                                       ByteSpan bytes) {
  const auto index = ports_.index_of(socket);
  if (!index) return;
  if (*index < checks_.size() && checks_[*index].handle_datagram(bytes)) {
    const bool all = std::all_of(checks_.begin(), checks_.end(),
                                 [](const PortCheck& c) { return c.reachable(); });
    if (all) finish_check(now, true);
    return;
  }
  if (ports_.handle_datagram(now, *index, bytes)) return advance(now);
  if (puncher_) {
    puncher_->handle_datagram(now, *index, from, bytes);
    drain_puncher(now);
  }
}

// ----------------------------------------------------------------------------- the two messages

void ProviderExchange::handle_repeat(std::string reply_subject) {
  if (reply_subjects_.size() >= kMaxReplySubjects || acked_) return;
  reply_subjects_.push_back(std::move(reply_subject));
  if (step_ == Step::AwaitingAck) {
    shared_.actions.push(BrokerPublish{reply_subjects_.back(), reply_, false});
  }
}

void ProviderExchange::reply() {
  pb::P2PConnectConfig ours;
  ours.public_ip = facts_.public_ip.to_string();
  ours.ports = ports_.published();
  ours.compatibility = kCompatibility;
  const auto ciphertext = seal_config(keys_.secret, consumer_key_, shared_.rng, ours);
  if (!ciphertext) return fail(ciphertext.error(), "the consumer's key is not usable");
  auto payload = make_message(shared_.signer, keys_.public_key, *ciphertext);
  if (!payload) return fail(payload.error(), "own identity cannot sign");
  step_ = Step::AwaitingAck;
  reply_ = std::move(*payload);
  for (const std::string& subject : reply_subjects_) {
    shared_.actions.push(BrokerPublish{subject, reply_, false});
  }
}

void ProviderExchange::handle_ack(Instant now, const Received& ack, std::string reply_subject) {
  if (step_ == Step::Punching) {
    // A repeat: the original or a replay came first, and its OK may have gone elsewhere.
    if (reply_subjects_.size() >= kMaxReplySubjects) return;
    reply_subjects_.push_back(std::move(reply_subject));
    if (!ok_at_) send_ok();
    return;
  }
  acked_ = true;
  if (step_ != Step::AwaitingAck) {
    return fail({Errc::InvalidState, 0, "ack"}, "acknowledged before it was answered");
  }
  reply_ = Bytes();
  reply_subjects_ = {std::move(reply_subject)};
  const auto theirs = open_config(keys_.secret, consumer_key_, ack.config_ciphertext);
  if (!theirs) return fail(theirs.error(), "the consumer's config cannot be decrypted");
  auto list = ports_of(*theirs);
  if (!list || (direct_ ? list->size() < kDirectPorts : list->size() != ports_.size())) {
    return fail({Errc::Malformed, 0, "consumer's ports"}, "the consumer lists no usable ports");
  }
  const auto address = peer_address(facts_.public_ip, theirs->public_ip);
  if (!address) return fail(address.error(), "the consumer's address is not usable");
  peer_ip_ = *address;
  remote_ports_ = std::move(*list);
  text_framing_ = theirs->compatibility == 0;

  if (direct_) {
    send_ok();
    HolePuncher::Pair pair;
    pair.channel = {0, {peer_ip_, remote_ports_[0]}};
    pair.service = {1, {peer_ip_, remote_ports_[1]}};
    return open_channel(now, pair);
  }
  // The consumer starts when it has the OK: until then our pings open our own NAT.
  ok_at_ = now + milliseconds{5} * static_cast<int>(ports_.size()) / 2;
  HolePuncher::Config punch;
  punch.role = HolePuncher::Role::Provider;
  punch.peer = peer_ip_;
  punch.remote_ports = remote_ports_;
  punch.initial_ttl = shared_.config.initial_ttl;
  // Many at once share the packets a second: anybody with a key can make us ping.
  punch.ping_interval *= static_cast<int>(1 + shared_.punching / 4);
  punch.slow_ping_interval *= static_cast<int>(1 + shared_.punching / 4);
  puncher_.emplace(punch, now);
  step_ = Step::Punching;
}

void ProviderExchange::send_ok() {
  ok_at_.reset();
  for (const std::string& subject : reply_subjects_) {
    shared_.actions.push(BrokerPublish{subject, to_bytes(as_bytes("OK")), false});
  }
}

void ProviderExchange::drain_puncher(Instant now) {
  while (const auto out = puncher_->poll_transmit()) {
    shared_.actions.send(ports_.id(out->index), out->to, out->ttl, out->payload());
  }
  if (puncher_->failed()) {
    return fail({Errc::Timeout, 0, "hole punching"},
                puncher_->heard() > 0 ? "no stable path through the NATs between both nodes"
                                      : "no path through the NATs between both nodes");
  }
  if (puncher_->pair()) {
    if (ok_at_) send_ok();
    open_channel(now, *puncher_->pair());
  }
}

void ProviderExchange::open_channel(Instant now, const HolePuncher::Pair& pair) {
  const auto key = box_precompute(keys_.secret, consumer_key_);
  if (!key) return fail(key.error(), "the consumer's key is not usable");
  Channel::Config config;
  config.key = *key;
  config.text_framing = text_framing_;
  ChannelOpened opened;
  opened.exchange = number_;
  opened.peer = consumer_.to_string();
  opened.channel = std::make_unique<Channel>(config, shared_.rng, now);
  const auto path = [this](const HolePuncher::Chosen& end) {
    return Path{ports_.id(end.index), ports_.local_port(end.index), end.peer};
  };
  opened.channel_path = path(pair.channel);
  opened.service_path = path(pair.service);
  opened.direct = direct_;
  opened.ports_mapped = mapped_;
  opened.peer_public_ip = peer_ip_;
  ports_.release(pair.channel.index);
  ports_.release(pair.service.index);
  mapped_ = false;  // the owner's from here on
  step_ = Step::Done;
  ports_.close_all();
  shared_.actions.push(std::move(opened));
  pb::P2PChannelHandlersReady ready;
  ready.value.assign(pb::kHandlersReady);
  shared_.actions.push(BrokerPublish{
      ready_subject(shared_.signer.address(), shared_.config.service_type), ready.encode(), true});
}

// ----------------------------------------------------------------------------------------- time

void ProviderExchange::handle_timeout(Instant now) {
  if (done()) return;
  const bool preparing = step_ != Step::AwaitingAck && step_ != Step::Punching;
  if (preparing && now >= started_ + kPrepareLimit) {
    return fail({Errc::Timeout, 0, "exchange"}, "ports were not ready in time");
  }
  if (step_ == Step::AwaitingAck && now >= started_ + shared_.config.pending_limit) {
    return fail({Errc::Timeout, 0, "exchange"}, "the consumer did not come back");
  }
  if (ok_at_ && now >= *ok_at_) send_ok();
  ports_.handle_timeout(now);
  if (!checks_.empty()) {
    bool over = false;
    for (PortCheck& check : checks_) {
      check.handle_timeout(now);
      over = over || (check.done() && !check.reachable());
    }
    if (over) return finish_check(now, false);
  }
  advance(now);
  if (puncher_ && !done()) {
    puncher_->handle_timeout(now);
    drain_puncher(now);
  }
}

std::optional<Instant> ProviderExchange::next_timeout() const {
  if (done()) return std::nullopt;
  const bool preparing = step_ != Step::AwaitingAck && step_ != Step::Punching;
  std::optional<Instant> next;
  if (preparing) next = started_ + kPrepareLimit;
  if (step_ == Step::AwaitingAck) next = started_ + shared_.config.pending_limit;
  next = earliest(next, ok_at_);
  next = earliest(next, ports_.next_timeout());
  for (const PortCheck& check : checks_) next = earliest(next, check.next_timeout());
  if (puncher_) next = earliest(next, puncher_->next_timeout());
  return next;
}

void ProviderExchange::fail(const Error& error, std::string reason) {
  if (done()) return;
  const bool unmap = mapped_ || step_ == Step::MappingPorts;
  step_ = Step::Done;
  close_probe_socket();
  ports_.close_all();
  if (unmap) shared_.actions.push(UnmapPorts{number_});
  shared_.actions.push(DialogFailed{number_, error, std::move(reason)});
}

}  // namespace myst::core::dialog
