// The way up: from a wish to an open tunnel. What follows stands in connection_run.cpp.
#include "core/connection/connection.hpp"

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"
#include "core/p2p/messages.hpp"
#include "core/session/provider_session.hpp"

namespace myst::core::node {
namespace {

constexpr Duration kSessionTimeout = std::chrono::seconds{topic_timeout::kSessionSeconds};
constexpr int kMaxOpenAttempts = 8;  // device names that turn out to be taken

}  // namespace

Connection::Connection(Context& context, Farewells& farewells, int slot)
    : context_(context), farewells_(farewells), slot_(slot), owner_(context.fx.make_owner()) {}

Connection::~Connection() {
  context_.fx.forget(owner_);
  for (const TunnelId tunnel : {tunnel_, held_tunnel_}) {
    if (tunnel == 0) continue;
    context_.tunnels.erase(tunnel);
    context_.fx.ask(0, ConsumerTunnelClose{0, tunnel}, nullptr);
  }
  if (kill_switch_on_) context_.fx.tell(KillSwitchOff{slot_});
  if (service_socket_) context_.fx.tell(UdpClose{*service_socket_});
  if (link_ && !excluded_.is_unspecified()) context_.fx.tell(ReleaseAddress{excluded_});
}

Status Connection::connect(Now now, const ConnectOptions& options) {
  if (!idle()) return Error{Errc::AlreadyExists, 0, "this connection exists already"};
  options_ = options;
  options_.filter.access_policy = "all";
  signer_ = context_.signer(options.consumer);
  awaiting_done_ = true;
  reconnecting_ = false;
  attempts_ = 0;
  reason_.clear();
  handed_out_.clear();
  proposal_.reset();
  record_ = SessionRecord{};
  record_.consumer = options.consumer;
  record_.hermes = options.hermes.value_or(context_.config.chain.hermes);
  record_.started = now.wall;
  counters_ = TunnelCounters{};
  original_ip_ = IpAddress();
  connect_began_ = now.instant;
  stage_ = Stage::Finding;
  set_state(ConnectionState::Connecting);
  if (!signer_) {
    fail(now, ConnectError::UnlockRequired, "identity is locked");
    return {};
  }
  find(now);
  return {};
}

void Connection::find(Now now) {
  stage_ = Stage::Finding;
  stage_began_ = now.instant;
  // Meanwhile: what was promised so far, which the first payment needs.
  const GrandTotals::Key key{context_.config.chain.chain_id, options_.consumer, record_.hermes};
  if (!context_.totals.known(key)) {
    LoadGrandTotal load{0, key.chain, key.identity, key.hermes};
    context_.fx.ask(owner_, std::move(load), [this, key](Now at, Result<Outcome>& result) {
      const auto total = outcome_of<Wei>(result);
      if (!total.ok() || !context_.totals.load(key, *total)) {
        return fail(at, ConnectError::Dial, "promises made so far cannot be read");
      }
      if (stage_ == Stage::Dialing && link_) create_session(at);
    });
  }
  context_.fx.ask(owner_, FindProposals{0, options_.filter, options_.sort},
                  [this](Now at, Result<Outcome>& result) { found(at, result); });
}

void Connection::found(Now now, Result<Outcome>& result) {
  auto list = outcome_of<ProposalList>(result);
  if (!list.ok()) {
    return fail(now, ConnectError::NoProposal,
                std::string("proposals cannot be had: ") + list.error().what);
  }
  if (list->empty()) return fail(now, ConnectError::NoProposal, "no provider fits");
  // The first that was not tried lately; else the first.
  PricedProposal* choice = &list->front();
  for (PricedProposal& candidate : *list) {
    const auto used = handed_out_.find(candidate.proposal.provider_id);
    if (used == handed_out_.end() ||
        now.instant - used->second >= context_.config.proposal_cooldown) {
      choice = &candidate;
      break;
    }
  }
  if (handed_out_.size() >= 4096) handed_out_.clear();
  handed_out_[choice->proposal.provider_id] = now.instant;
  proposal_ = std::make_shared<PricedProposal>(std::move(*choice));
  validate(now);
}

void Connection::validate(Now now) {
  const Proposal& proposal = proposal_->proposal;
  const auto provider = Address::parse(proposal.provider_id);
  if (!provider.ok()) return fail(now, ConnectError::Dial, "proposal without a usable identity");
  record_.provider = *provider;
  record_.service_type = proposal.service_type;
  record_.provider_country = proposal.location.country;
  record_.ip_type = proposal.location.ip_type;
  record_.consumer_country = context_.config.origin_country;
  if (!is_supported_type(proposal.service_type)) {
    return fail(now, ConnectError::UnsupportedService,
                "service type " + proposal.service_type + " is not supported");
  }
  const core::Price price = proposal_->price;
  if (!context_.config.chain.present || price.is_free()) return dial(now);
  stage_ = Stage::Validating;
  CheckBalance check{0, options_.consumer, record_.hermes};
  context_.fx.ask(owner_, std::move(check), [this, price](Now at, Result<Outcome>& result) {
    const auto balance = outcome_of<Wei>(result);
    if (!balance.ok()) {
      return fail(at, ConnectError::InsufficientBalance, "balance is not known");
    }
    // One minute and one MiB have to be affordable.
    if (*balance < price.per_hour.divided_by(60) || *balance < price.per_gib.divided_by(1024)) {
      return fail(at, ConnectError::InsufficientBalance, "insufficient balance");
    }
    dial(at);
  });
}

void Connection::dial(Now now) {
  stage_ = Stage::Dialing;
  stage_began_ = now.instant;
  ConsumerDial::Config config;
  config.provider = record_.provider;
  config.service_type = record_.service_type;
  config.broker_addresses = broker_addresses(proposal_->proposal);
  config.limit = context_.config.dial_limit;
  if (config.broker_addresses.empty()) {
    return fail(now, ConnectError::Dial, "proposal without a usable contact");
  }
  dial_ = std::make_unique<Dial>(context_, *this, config, signer_, now);
  dial_->start(now);
}

void Connection::on_own_address(Now, const IpAddress& address) {
  if (original_ip_.is_unspecified()) original_ip_ = address;
}

void Connection::on_dial_failed(Now now, const std::string& reason) {
  fail(now, ConnectError::Dial, "provider cannot be reached: " + reason);
}

void Connection::on_dialed(Now now, DialedChannel dialed) {
  context_.fx.emit(
      Trace{{},
            dialed.direct ? "Consumer P2P channel creation" : "Consumer P2P dial (pinger)",
            now.instant - stage_began_});
  service_socket_ = dialed.service_socket;
  service_port_ = dialed.service_port;
  service_peer_ = dialed.service_peer;
  excluded_ = dialed.excluded;
  link_ =
      std::make_unique<PeerLink>(context_, std::move(dialed.channel), dialed.socket, dialed.peer);
  link_->on_request([this](Now at, Channel::Incoming& request) { on_peer_request(at, request); });
  link_->on_lost([this](Now at) { lost(at, "channel to the provider broke"); });
  link_->on_closed_port([this](Now at) { doubt(at); });
  const GrandTotals::Key key{context_.config.chain.chain_id, options_.consumer, record_.hermes};
  if (context_.totals.known(key)) create_session(now);  // else when it has been read
}

void Connection::create_session(Now now) {
  stage_ = Stage::Creating;
  stage_began_ = now.instant;
  const core::Price price = proposal_->price;
  InvoicePayer::Config payer;
  payer.chain = context_.config.chain;
  payer.payment = context_.config.payment;
  payer.provider = record_.provider;
  payer.hermes = record_.hermes;
  payer.price = price;
  payer_.emplace(payer, signer_, context_.totals, now);
  price_watch_ = PriceWatch{price, now.instant + context_.config.price_check_interval};

  pb::SessionRequest request;
  pb::ConsumerInfo consumer;
  consumer.id = options_.consumer.to_string();
  consumer.hermes_id = record_.hermes.to_checksum();
  consumer.payment_version = "v3";
  consumer.location = pb::LocationInfo{context_.config.origin_country};
  consumer.pricing =
      pb::Pricing{price.per_gib.to_minimal_bytes(), price.per_hour.to_minimal_bytes()};
  request.consumer = std::move(consumer);
  request.proposal_id = proposal_->proposal.id;
  if (is_wireguard_type(record_.service_type)) {
    key_ = x25519::make_clamped_key(context_.rng);
    request.config = encode(WireguardConsumerConfig{to_base64(x25519::public_key(key_))});
  } else {
    request.config = to_bytes(as_bytes("null"));
  }
  const Status sent =
      link_->request(now, owner_, topic::kSessionCreate, request.encode(), kSessionTimeout,
                     [this](Now at, Result<Bytes>& answer, const std::string& text) {
                       created(at, answer, text);
                     });
  if (!sent.ok()) fail(now, ConnectError::SessionCreate, sent.error().what);
}

void Connection::created(Now now, Result<Bytes>& answer, const std::string& text) {
  if (stage_ != Stage::Creating) return;
  std::string problem;
  if (!answer.ok()) {
    problem = "provider refused the session: " + (text.empty() ? answer.error().what : text);
    if (answer.error().code == Errc::Timeout) problem = "provider did not create a session in time";
  }
  auto response = answer.ok() ? pb::SessionResponse::decode(*answer)
                              : Result<pb::SessionResponse>(answer.error());
  if (answer.ok() && (!response.ok() || response->id.empty() || response->id.size() > 128)) {
    problem = "provider's answer cannot be read";
  }
  if (!problem.empty()) {
    report(now, pb::ConnectivityStatus::SessionEstablishmentFailed, problem);
    return fail(now, ConnectError::SessionCreate, problem);
  }
  context_.fx.emit(Trace{response->id, "Consumer session creation", now.instant - stage_began_});
  record_.id = response->id;
  record_.started = now.wall;
  record_.bytes_sent = record_.bytes_received = 0;
  counters_ = TunnelCounters{};
  record_.tokens = payer_->paid();
  record_.completed = false;
  session_open_ = true;
  payer_->set_session(record_.id);
  context_.fx.tell(StoreSession{record_});
  context_.fx.emit(ConsumerSession{slot_, false, record_});
  ping_failures_ = 0;
  pinging_ = false;
  ping_at_ = now.instant + context_.config.consumer_keepalive;
  start_service(now, response->config);
}

// --- the tunnel ---------------------------------------------------------------------------------

void Connection::start_service(Now now, ByteSpan config) {
  stage_ = Stage::Starting;
  stage_began_ = now.instant;
  if (!is_wireguard_type(record_.service_type)) return connected(now);
  auto parsed = decode_wireguard_service_config(config);
  if (!parsed.ok()) {
    return fail(now, ConnectError::Start, "provider's tunnel configuration cannot be read");
  }
  tunnel_config_ = std::move(*parsed);
  open_attempts_ = 0;
  handshake_by_ = now.instant + context_.config.handshake_limit;
  open_tunnel(now);
}

void Connection::open_tunnel(Now now) {
  ConsumerTunnelOpen open{};
  const auto key = parse_wireguard_key(tunnel_config_.provider_key);
  if (!key.ok()) return fail(now, ConnectError::Start, "provider's key cannot be read");
  // The agreed path of the service socket: the reference takes the address out of the
  // configuration, which is the same one, but for two nodes on one host, where only the path is
  // sure to work.
  open.endpoint = service_peer_;

  const auto offered = parse_ip_list(tunnel_config_.dns_ips);
  switch (options_.dns.kind) {
    case DnsOption::Kind::Auto:
      if (offered.ok()) open.dns = *offered;
      break;
    case DnsOption::Kind::Provider:
      if (!offered.ok() || offered->empty()) {
        return fail(now, ConnectError::Start, "provider offers no DNS server");
      }
      open.dns = *offered;
      break;
    case DnsOption::Kind::System:
      break;
    case DnsOption::Kind::Servers:
      open.dns = options_.dns.servers;
      break;
  }
  const bool takes_over = held_tunnel_ != 0;
  if (!takes_over) {
    if (slot_ != 0) {
      link_name_ = context_.config.link_prefix + std::to_string(slot_);
    } else {
      const auto device = context_.networks.take_link();
      if (!device.ok()) return fail(now, ConnectError::Start, device.error().what);
      device_ = *device;
      link_name_ = context_.networks.link_name(*device);
    }
  }
  ++open_attempts_;
  configured_ = shaken_ = false;
  tunnel_ = context_.new_tunnel();
  context_.tunnels[tunnel_] = this;
  open.tunnel = tunnel_;
  open.slot = slot_;
  open.link = link_name_;
  open.address = tunnel_config_.consumer_address;
  open.private_key = key_;
  open.peer = *key;
  open.socket = std::exchange(service_socket_, std::nullopt);
  open.listen_port = service_port_;
  open.keep_routes = takes_over;
  context_.fx.ask(owner_, std::move(open), [this](Now at, Result<Outcome>& result) {
    if (stage_ != Stage::Starting) return;
    if (!result.ok()) {
      context_.tunnels.erase(tunnel_);
      tunnel_ = 0;
      if (result.error().code == Errc::AlreadyExists && device_ && held_tunnel_ == 0 &&
          open_attempts_ < kMaxOpenAttempts) {
        context_.networks.spoil_link(*device_);
        device_.reset();
        return open_tunnel(at);
      }
      return fail(at, ConnectError::Start, std::string("tunnel: ") + result.error().what);
    }
    if (held_tunnel_ != 0) {
      context_.tunnels.erase(held_tunnel_);
      held_tunnel_ = 0;
    }
    const bool wanted = context_.config.kill_switch && !options_.disable_kill_switch;
    if (!wanted || kill_switch_on_) return tunnel_ready(at, configured_);
    kill_switch_on_ = true;
    context_.fx.ask(owner_, KillSwitchOn{0, slot_, link_name_, {excluded_}},
                    [this](Now then, Result<Outcome>& on) {
                      if (on.ok()) return tunnel_ready(then, configured_);
                      fail(then, ConnectError::Start,
                           std::string("kill switch: ") + on.error().what);
                    });
  });
}

void Connection::on_tunnel_up(Now now) { tunnel_ready(now, shaken_); }

// Connected is said when traffic goes through the tunnel: the handshake may be done long before the
// routes are, and what is sent in between would leave beside it.
void Connection::tunnel_ready(Now now, bool& part) {
  if (stage_ != Stage::Starting) return;
  part = true;
  if (configured_ && shaken_) connected(now);
}

void Connection::connected(Now now) {
  stage_ = Stage::Running;
  handshake_by_.reset();
  attempts_ = 0;
  context_.fx.emit(Trace{record_.id, "Consumer start connection", now.instant - stage_began_});
  context_.fx.emit(Trace{record_.id,
                         reconnecting_ ? "Consumer whole autoReconnect" : "Consumer whole Connect",
                         now.instant - connect_began_});
  reconnecting_ = false;
  if (std::exchange(bypass_on_, false)) context_.fx.tell(BypassBackends{slot_, false});
  acknowledge(now);
  set_state(ConnectionState::Connected);
  done(std::nullopt, {});
  read_at_ = now.instant + context_.config.statistics_interval;
  ip_rounds_ = 0;
  if (slot_ == 0) ip_check_at_ = now.instant;
}

}  // namespace myst::core::node
