#include "core/session/provider_session.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "core/base/text.hpp"
#include "core/p2p/messages.hpp"
#include "core/session/wireguard_config.hpp"

namespace myst::core::node {
namespace {

constexpr Duration kReadPaid = std::chrono::seconds{1};
constexpr Duration kReadFree = std::chrono::seconds{5};  // nothing is billed: for the API only
constexpr int kMaxOpenAttempts = 8;                      // device names that turn out to be taken
constexpr EffectQueue::Owner kLastWords = 0;             // outlives the session

}  // namespace

bool is_wireguard_type(std::string_view type) {
  return type == "wireguard" || type == "scraping" || type == "data_transfer" || type == "dvpn" ||
         type == "monitoring";
}

bool is_supported_type(std::string_view type) { return is_wireguard_type(type) || type == "noop"; }

ProviderSession::ProviderSession(Context& context, Host& host, PeerLink& link, Setup setup, Now now)
    : context_(context),
      host_(host),
      link_(link),
      owner_(context.fx.make_owner()),
      setup_(std::move(setup)),
      created_(now.instant),
      ping_at_(now.instant) {}

ProviderSession::~ProviderSession() {
  context_.fx.forget(owner_);
  if (!closed()) close_tunnel();
}

void ProviderSession::start(Now now) {
  const auto policies = [&]() -> bool {
    const auto& allowed = context_.allowed_consumers;
    return allowed.empty() ||
           std::find(allowed.begin(), allowed.end(), setup_.record.consumer) != allowed.end();
  };
  if (is_wireguard_type(setup_.record.service_type)) {
    const auto config = decode_wireguard_consumer_config(setup_.config);
    const auto key = config.ok() ? parse_wireguard_key(config->public_key)
                                 : Result<x25519::PublicKey>(config.error());
    if (!key.ok()) return close(now, "consumer configuration cannot be read");
    peer_key_ = *key;
  }
  if (setup_.ask_policy_server) {
    context_.fx.ask(owner_, CheckAccess{0, setup_.record.consumer},
                    [this](Now at, Result<Outcome>& result) {
                      if (closed()) return;
                      if (!result.ok())
                        return close(at, "consumer is not allowed by access policy");
                      allowed(at);
                    });
    return;
  }
  if (!policies()) return close(now, "consumer is not allowed by access policy");
  allowed(now);
}

void ProviderSession::allowed(Now now) {
  if (!context_.config.payment.accept_any_price &&
      !context_.prices.accepts(setup_.price, setup_.record.provider_country, setup_.ip_type,
                               setup_.record.service_type)) {
    return close(now, "consumer asks for a price that is not valid");
  }
  state_ = State::Preparing;
  counted_ = true;
  host_.on_session_allowed(now, *this);
  context_.fx.tell(StoreSession{setup_.record});
  context_.fx.emit(SessionCreated{setup_.service_id, setup_.record});
  ping_at_ = now.instant + context_.config.provider_keepalive;
  pay_by_ = now.instant + context_.config.payment.first_invoice_limit;

  const auto start_payments = [this](Now at, const Address& channel_implementation) {
    InvoiceTracker::Config config;
    config.chain = context_.config.chain;
    config.chain.channel_implementation = channel_implementation;
    config.payment = context_.config.payment;
    config.provider = setup_.record.provider;
    config.consumer = setup_.record.consumer;
    config.hermes = setup_.record.hermes;
    config.session_id = setup_.record.id;
    config.price = setup_.price;
    tracker_.emplace(config, context_.rng, at);
    drain_tracker(at);
  };
  const bool free = setup_.price.is_free();
  if (context_.config.chain.present && !free) {
    context_.fx.ask(owner_, CheckHermes{0, setup_.record.hermes},
                    [this, start_payments](Now at, Result<Outcome>& result) {
                      if (closed()) return;
                      if (!result.ok()) return close(at, "consumer's hermes cannot be used");
                      const auto* own = std::get_if<Address>(&*result);
                      start_payments(
                          at, own != nullptr ? *own : context_.config.chain.channel_implementation);
                    });
  } else {
    start_payments(now, context_.config.chain.channel_implementation);
  }
  if (free && !closed()) configure(now);
}

void ProviderSession::configure(Now now) {
  if (configuring_) return;
  configuring_ = true;
  if (!is_wireguard_type(setup_.record.service_type)) {
    reply_config_ = to_bytes(as_bytes("null"));
    configured_ = true;
    return reply_if_ready(now);
  }
  const auto network = context_.networks.take_network();
  if (!network.ok()) return close(now, network.error().what);
  network_ = *network;
  key_ = x25519::make_clamped_key(context_.rng);
  tunnel_ = context_.new_tunnel();
  context_.fx.ask(owner_, FindNetworkFacts{}, [this](Now at, Result<Outcome>& result) {
    if (closed()) return;
    auto facts = outcome_of<NetworkFacts>(result);
    if (!facts.ok()) return close(at, "own public address is not known");
    public_ip_ = facts->public_ip;
    tunnel_opened(at, {});
  });
  open_tunnel(now);
}

void ProviderSession::open_tunnel(Now now) {
  const auto device = context_.networks.take_link();
  const auto network = context_.networks.network(network_);
  if (!device.ok() || !network.ok()) {
    context_.networks.release_network(network_);
    tunnel_ = 0;
    if (device.ok()) context_.networks.release_link(*device);
    return close(now, "no free tunnel device");
  }
  device_ = *device;
  ++open_attempts_;
  ServiceTunnelOpen open{};
  open.tunnel = tunnel_;
  open.link = context_.networks.link_name(device_);
  open.network = *network;
  open.address = IpPrefix{IpAddress::v4(network->ip.v4_host_order() + 1), 24};
  open.private_key = key_;
  open.peer = peer_key_;
  open.socket = host_.take_service_socket();
  open.listen_port = host_.service_port();
  open.dns_policy = context_.dns_rules && !setup_.ask_policy_server;
  context_.tunnels[tunnel_] = this;
  context_.fx.ask(owner_, std::move(open), [this](Now at, Result<Outcome>& result) {
    if (closed()) return;
    if (!result.ok() && result.error().code == Errc::AlreadyExists &&
        open_attempts_ < kMaxOpenAttempts) {
      context_.networks.spoil_link(device_);
      return open_tunnel(at);
    }
    if (result.ok()) tunnel_open_ = true;
    tunnel_opened(at, status_of(result));
  });
}

// Called with each of the two things the configuration waits for.
void ProviderSession::tunnel_opened(Now now, const Status& status) {
  if (!status.ok()) return close(now, std::string("tunnel: ") + status.error().what);
  if (!tunnel_open_ || !public_ip_ || configured_) return;
  const auto network = context_.networks.network(network_);
  if (!network.ok()) return close(now, network.error().what);
  const std::uint32_t base = network->ip.v4_host_order();
  WireguardServiceConfig config;
  config.provider_key = to_base64(x25519::public_key(key_));
  config.provider_endpoint = Endpoint{*public_ip_, host_.service_port()};
  config.consumer_address = IpPrefix{IpAddress::v4(base + 2), 24};
  config.dns_ips = IpAddress::v4(base + 1).to_string();
  reply_config_ = encode(config);
  configured_ = true;
  read_at_ = now.instant + (setup_.price.is_free() ? kReadFree : kReadPaid);
  reply_if_ready(now);
}

void ProviderSession::reply_if_ready(Now now) {
  if (state_ != State::Preparing || replied_ || !first_paid_ || !configured_) return;
  pb::SessionResponse response;
  response.id = setup_.record.id;
  response.payment_info = "v3";
  response.config = reply_config_;
  replied_ = true;
  state_ = State::Live;
  link_.reply(now, setup_.create_request, Reply::success(response.encode()));
  context_.fx.emit(Trace{setup_.record.id, "Provider session create", now.instant - created_});
}

// --- payments -----------------------------------------------------------------------------------

Status ProviderSession::handle_payment(Now now, ByteSpan message) {
  if (!tracker_) return Error{Errc::InvalidState, 0, "no payments are expected yet"};
  const Status status = tracker_->handle_exchange(now, message);
  drain_tracker(now);
  return status;
}

void ProviderSession::drain_tracker(Now now) {
  while (!closed() && tracker_) {
    auto action = tracker_->poll_action();
    if (!action) return;
    std::visit([&](auto& a) { run(now, a); }, *action);
  }
}

void ProviderSession::run(Now, InvoiceTracker::Store& a) {
  context_.fx.ask(owner_, StoreInvoice{0, std::move(a.record)},
                  [this, token = a.token](Now at, Result<Outcome>& result) {
                    if (!tracker_) return;
                    tracker_->handle_stored(at, token, status_of(result));
                    drain_tracker(at);
                  });
}

void ProviderSession::run(Now now, InvoiceTracker::Send& a) {
  const auto sent = link_.request(
      now, owner_, topic::kPaymentInvoice, a.invoice.encode(),
      std::chrono::seconds{topic_timeout::kPaymentInvoiceSeconds},
      [this, token = a.token](Now at, Result<Bytes>& answer, const std::string&) {
        if (!tracker_) return;
        tracker_->handle_sent(at, token, answer.ok() ? Status() : Status(answer.error()));
        drain_tracker(at);
      });
  // The channel is full: the same as no answer.
  if (!sent.ok()) tracker_->handle_sent(now, a.token, Error{Errc::Timeout, 0, "channel is full"});
}

void ProviderSession::run(Now, InvoiceTracker::StoreAccepted& a) {
  context_.fx.ask(owner_, StoreAccepted{0, std::move(a.record)},
                  [this, token = a.token](Now at, Result<Outcome>& result) {
                    if (!tracker_) return;
                    tracker_->handle_accepted_stored(at, token, status_of(result));
                    drain_tracker(at);
                  });
}

void ProviderSession::run(Now, InvoiceTracker::AskHermes& a) {
  RequestPromise request{
      0, setup_.record.provider, setup_.record.id, std::move(a.message), a.r, a.agreement};
  context_.fx.ask(owner_, std::move(request),
                  [this, token = a.token](Now at, Result<Outcome>& result) {
                    if (!tracker_) return;
                    tracker_->handle_hermes(at, token, status_of(result));
                    drain_tracker(at);
                  });
}

void ProviderSession::run(Now now, InvoiceTracker::FirstPaid&) {
  first_paid_ = true;
  pay_by_.reset();
  configure(now);
  if (!closed()) reply_if_ready(now);
}

void ProviderSession::run(Now, InvoiceTracker::Earned& a) {
  if (a.total == setup_.record.tokens) return;
  setup_.record.tokens = a.total;
  context_.fx.emit(SessionTokens{setup_.record.provider, setup_.record.id, a.total});
}

void ProviderSession::run(Now now, InvoiceTracker::Failed& a) {
  close(now, std::string("payments: ") + a.why.what);
}

// --- life ---------------------------------------------------------------------------------------

void ProviderSession::ping(Now now) {
  pinging_ = true;
  pb::P2PKeepAlivePing message;
  message.session_id = setup_.record.id;
  const auto done = [this, sent_at = now.instant](Now at, bool answered) {
    pinging_ = false;
    ping_at_ = at.instant + context_.config.provider_keepalive;
    context_.fx.emit(KeepAlive{true, setup_.record.id, at.instant - sent_at, answered});
    ping_failures_ = answered ? 0 : ping_failures_ + 1;
    if (ping_failures_ >= context_.config.provider_keepalive_failures) {
      close(at, "consumer does not answer");
    }
  };
  const Status status = link_.request(
      now, owner_, topic::kKeepAlive, message.encode(), context_.config.keepalive_timeout,
      [done](Now at, Result<Bytes>& answer, const std::string&) { done(at, answer.ok()); });
  if (!status.ok()) done(now, false);
}

void ProviderSession::handle_timeout(Now now) {
  if (closed()) return;
  if (pay_by_ && now.instant >= *pay_by_) return close(now, "first invoice was not paid");
  if (tracker_) {
    const auto due = tracker_->next_timeout();
    if (due && now.instant >= *due) {
      tracker_->handle_timeout(now);
      drain_tracker(now);
    }
  }
  if (closed() || state_ == State::Checking) return;
  if (!pinging_ && now.instant >= ping_at_) ping(now);
  if (closed()) return;
  if (read_at_ && now.instant >= *read_at_) {
    read_at_ = now.instant + (setup_.price.is_free() ? kReadFree : kReadPaid);
    context_.fx.tell(ReadTunnel{tunnel_});
  }
}

std::optional<Instant> ProviderSession::next_timeout() const {
  if (closed() || state_ == State::Checking) return std::nullopt;
  std::optional<Instant> next = earliest(pay_by_, read_at_);
  if (!pinging_) next = earliest(next, ping_at_);
  if (tracker_) next = earliest(next, tracker_->next_timeout());
  return next;
}

void ProviderSession::on_tunnel_counters(Now now, const TunnelCounters& counters) {
  if (closed()) return;
  auto& record = setup_.record;
  record.bytes_received = std::max(record.bytes_received, counters.sent_bytes);
  record.bytes_sent = std::max(record.bytes_sent, counters.received_bytes);
  context_.fx.emit(SessionData{record.id, record.bytes_received, record.bytes_sent});
  if (!tracker_) return;
  tracker_->handle_data(now, record.bytes_received, record.bytes_sent);
  drain_tracker(now);
}

void ProviderSession::on_tunnel_lost(Now now, const Error& why) {
  close(now, std::string("tunnel ended: ") + why.what);
}

void ProviderSession::close_tunnel() {
  if (tunnel_ == 0) return;
  context_.tunnels.erase(tunnel_);
  // Names and addresses are free again only when the device is gone; the session may be gone by
  // then. The last bytes were counted after the last reading: the history gets them.
  context_.fx.ask(0, ServiceTunnelClose{0, tunnel_},
                  [&context = context_, network = network_, device = device_, counted = counted_,
                   record = setup_.record](Now now, Result<Outcome>& outcome) mutable {
                    context.networks.release_network(network);
                    context.networks.release_link(device);
                    if (!counted || !outcome.ok()) return;
                    const auto* last = std::get_if<TunnelCounters>(&*outcome);
                    if (last == nullptr || (last->sent_bytes <= record.bytes_received &&
                                            last->received_bytes <= record.bytes_sent)) {
                      return;
                    }
                    record.bytes_received = std::max(record.bytes_received, last->sent_bytes);
                    record.bytes_sent = std::max(record.bytes_sent, last->received_bytes);
                    record.completed = true;
                    record.updated = now.wall;
                    context.fx.tell(StoreSession{record});
                  });
  tunnel_ = 0;
}

// The network has no word for "the provider ended the session". Its word for the other direction is
// understood by our consumers; a reference consumer answers that it has no handler for it, and goes
// on asking until keep-alives fail.
void ProviderSession::tell_consumer(Now now) {
  pb::SessionInfo info;
  info.consumer_id = setup_.record.consumer.to_string();
  info.session_id = setup_.record.id;
  (void)link_.request(now, kLastWords, topic::kSessionDestroy, info.encode(),
                      std::chrono::seconds{topic_timeout::kSessionDestroySeconds},
                      [&host = host_](Now at, Result<Bytes>& answer, const std::string&) {
                        if (answer.ok()) host.on_consumer_told(at);
                      });
}

void ProviderSession::end(Now now, const std::string& reason, bool consumer_knows) {
  if (closed()) return;
  const bool was_live = state_ == State::Live;
  state_ = State::Closed;
  reason_ = reason;
  if (!replied_) {
    replied_ = true;
    link_.reply(now, setup_.create_request, Reply::failure(reason));
  }
  close_tunnel();
  context_.fx.forget(owner_);
  link_.forget(owner_);
  if (was_live && !consumer_knows) tell_consumer(now);
  if (counted_) {
    setup_.record.completed = true;
    setup_.record.updated = now.wall;
    context_.fx.tell(StoreSession{setup_.record});
    context_.fx.emit(SessionRemoved{setup_.service_id, setup_.record, reason});
  } else {
    context_.fx.emit(SessionRefused{setup_.service_id, setup_.record.consumer, reason});
  }
  host_.on_session_closed(now, *this);
}

}  // namespace myst::core::node
