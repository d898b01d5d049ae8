// A connection that runs, and the way down.
#include <algorithm>
#include <utility>
#include <variant>

#include "core/connection/connection.hpp"
#include "core/p2p/messages.hpp"

namespace myst::core::node {
namespace {

constexpr Duration kLongestReconnectPause = std::chrono::seconds{30};
constexpr Duration kDoubt = std::chrono::seconds{3};  // some ten transmissions of a keep-alive
constexpr Duration kDoubtAgain = std::chrono::milliseconds{500};

}  // namespace

// --- while it runs ------------------------------------------------------------------------------

void Connection::on_peer_request(Now now, Channel::Incoming& request) {
  if (request.topic == topic::kKeepAlive) {
    return link_->reply(now, request.id, Reply::success());
  }
  if (request.topic == topic::kPaymentInvoice && payer_) {
    const Status status = payer_->handle_invoice(now, request.data);
    link_->reply(now, request.id,
                 status.ok() ? Reply::success() : Reply::failure(status.error().what));
    return drain_payer(now);
  }
  if (request.topic == topic::kSessionDestroy && session_open_) {
    const auto info = pb::SessionInfo::decode(request.data);
    if (!info.ok()) return link_->reply(now, request.id, Reply::failure("message cannot be read"));
    link_->reply(now, request.id, Reply::success());
    if (info->session_id == record_.id) lost(now, "provider ended the session");
    return;
  }
  link_->reply(now, request.id, Reply::no_handler());
}

void Connection::drain_payer(Now now) {
  while (payer_) {
    auto action = payer_->poll_action();
    if (!action) return;
    if (auto* store = std::get_if<InvoicePayer::Store>(&*action)) {
      StorePayment a{0, std::move(store->record), context_.config.chain.chain_id, record_.hermes,
                     store->grand_total};
      context_.fx.ask(owner_, std::move(a),
                      [this, token = store->token](Now at, Result<Outcome>& r) {
                        if (!payer_) return;
                        payer_->handle_stored(at, token, status_of(r));
                        drain_payer(at);
                      });
    } else if (auto* send = std::get_if<InvoicePayer::Send>(&*action)) {
      // Not delivered: the next promise covers it.
      if (link_) {
        (void)link_->request(now, owner_, topic::kPaymentMessage, send->message,
                             std::chrono::seconds{topic_timeout::kPaymentMessageSeconds},
                             [](Now, Result<Bytes>&, const std::string&) {});
      }
    } else if (auto* paid = std::get_if<InvoicePayer::Paid>(&*action)) {
      // A free session's payments change nothing in its history row: no write for them.
      const bool more = record_.tokens != paid->agreement_total;
      record_.tokens = paid->agreement_total;
      if (!session_open_) continue;
      record_.updated = now.wall;
      if (more) context_.fx.tell(StoreSession{record_});
      context_.fx.emit(InvoicePaid{slot_, record_.id, paid->agreement_total});
    } else if (auto* failed = std::get_if<InvoicePayer::Failed>(&*action)) {
      const std::string why = std::string("payments: ") + failed->why.what;
      if (stage_ == Stage::Running) return lost(now, why);
      return fail(now, ConnectError::SessionCreate, why);
    }
  }
}

void Connection::ping(Now now) {
  pb::P2PKeepAlivePing message;
  message.session_id = record_.id;
  const auto over = [this, sent_at = now.instant](Now at, bool answered) {
    pinging_ = false;
    ping_at_ = at.instant + context_.config.consumer_keepalive;
    context_.fx.emit(KeepAlive{false, record_.id, at.instant - sent_at, answered});
    ping_failures_ = answered ? 0 : ping_failures_ + 1;
    if (ping_failures_ >= context_.config.consumer_keepalive_failures) {
      lost(at, "provider does not answer");
    }
  };
  pinging_ = true;
  const Status status = link_->request(
      now, owner_, topic::kKeepAlive, message.encode(), context_.config.keepalive_timeout,
      [over](Now at, Result<Bytes>& answer, const std::string&) { over(at, answer.ok()); });
  if (!status.ok()) over(now, false);
}

// A provider whose program has ended says nothing, but its host says that the port is closed. That
// is easily forged, so it only makes us ask at once and wait less long for the answer.
void Connection::doubt(Now now) {
  if (!session_open_ || !link_) return;
  ++doubts_;
  if (judge_at_) return;
  doubts_ = 1;
  doubted_ = now.instant;
  judge_at_ = now.instant + kDoubt;
  if (!pinging_) ping_at_ = now.instant;
}

void Connection::judge(Now now) {
  if (link_->heard() >= doubted_) return;
  if (doubts_ < 2) {
    judge_at_ = now.instant + kDoubtAgain;  // hosts tell it seldom, once a second to one address
    return;
  }
  lost(now, "provider does not answer, its port is closed");
}

void Connection::acknowledge(Now now) {
  pb::SessionInfo info;
  info.consumer_id = options_.consumer.to_string();
  info.session_id = record_.id;
  // A refusal is the only sign that the provider closed the session while it was being made.
  (void)link_->request(now, owner_, topic::kSessionAcknowledge, info.encode(),
                       std::chrono::seconds{topic_timeout::kSessionSeconds},
                       [this](Now at, Result<Bytes>& answer, const std::string& text) {
                         if (answer.ok() || answer.error().code != Errc::Rejected) return;
                         lost(at, "provider has closed the session: " + text);
                       });
}

void Connection::report(Now now, pb::ConnectivityStatus code, const std::string& text) {
  if (!link_) return;
  pb::SessionStatus status;
  status.consumer_id = options_.consumer.to_string();
  status.session_id = record_.id;
  status.code = static_cast<std::uint32_t>(code);
  status.message = text;
  (void)link_->request(now, Farewells::kOwner, topic::kSessionStatus, status.encode(),
                       std::chrono::seconds{topic_timeout::kSessionSeconds},
                       [](Now, Result<Bytes>&, const std::string&) {});
}

void Connection::check_ip(Now now) {
  ip_check_at_.reset();
  if (state_ != ConnectionState::Connected || original_ip_.is_unspecified()) return;
  ++ip_rounds_;
  context_.fx.ask(
      owner_, FindPublicIp{}, [this, session = record_.id](Now at, Result<Outcome>& result) {
        if (stage_ != Stage::Running || record_.id != session) return;
        const auto ip = outcome_of<IpAddress>(result);
        if (ip.ok() && *ip != original_ip_) return report(at, pb::ConnectivityStatus::Ok, {});
        if (ip_rounds_ < context_.config.ip_checks) {
          ip_check_at_ = at.instant + context_.config.ip_check_pause;
          return;
        }
        // An address that could not be found proves nothing either way.
        if (!ip.ok()) return;
        report(at, pb::ConnectivityStatus::SessionIpNotChanged, "ip not changed");
        context_.fx.emit(ConnectionChanged{slot_, ConnectionState::IpNotChanged, record_.id, {}});
      });
  (void)now;
}

void Connection::watch_price(Now now) {
  price_watch_.next = now.instant + context_.config.price_check_interval;
  const auto current =
      context_.prices.current(record_.provider_country, record_.ip_type, record_.service_type);
  if (!context_.prices.loaded() || !current || !has_dropped(price_watch_.agreed, *current)) return;
  (void)disconnect(now, "price has dropped: connect again to pay less");
}

void Connection::on_tunnel_counters(Now now, const TunnelCounters& counters) {
  if (stage_ != Stage::Running) return;
  counters_.sent_bytes = std::max(counters_.sent_bytes, counters.sent_bytes);
  counters_.received_bytes = std::max(counters_.received_bytes, counters.received_bytes);
  record_.bytes_sent = counters_.sent_bytes;
  record_.bytes_received = counters_.received_bytes;
  if (payer_) payer_->handle_data(counters.sent_bytes, counters.received_bytes);
  context_.fx.emit(ConnectionStatistics{slot_, record_.id, counters_});
  (void)now;
}

void Connection::on_tunnel_lost(Now now, const Error& why) {
  lost(now, std::string("tunnel ended: ") + why.what);
}

// Whatever carried the connection is gone: it ends, or is held against leaks.
void Connection::lost(Now now, const std::string& reason) {
  if (stage_ == Stage::Idle || stage_ == Stage::Closing || stage_ == Stage::Holding) return;
  if (stage_ != Stage::Running) {
    const auto error =
        stage_ == Stage::Starting ? ConnectError::StreamEnded : ConnectError::SessionCreate;
    return fail(now, error, reason);
  }
  if (context_.config.keep_connected_on_fail) return hold(now, reason);
  close(now, reason);
}

void Connection::hold(Now now, const std::string& reason) {
  reason_ = reason;
  end_session(now);
  leave(now);
  if (tunnel_ != 0) {
    held_tunnel_ = tunnel_;
    tunnel_ = 0;
  }
  forget();
  stage_ = Stage::Holding;
  set_state(ConnectionState::OnHold);
  if (!context_.config.auto_reconnect) return;
  reconnecting_ = true;
  if (!std::exchange(bypass_on_, true)) context_.fx.tell(BypassBackends{slot_, true});
  retry_at_ = now.instant;
}

std::chrono::nanoseconds Connection::reconnect_pause() {
  Duration pause = context_.config.reconnect_pause;
  for (int i = 0; i < attempts_ && pause < kLongestReconnectPause; ++i) pause *= 2;
  ++attempts_;
  return std::min(pause, kLongestReconnectPause);
}

void Connection::handle_timeout(Now now) {
  if (dial_) dial_->handle_timeout(now);
  if (link_) link_->handle_timeout(now);
  const auto take = [&](std::optional<Instant>& at) {
    if (!at || now.instant < *at) return false;
    at.reset();
    return true;
  };
  if (payer_) {
    const auto due = payer_->next_timeout();
    if (due && now.instant >= *due) {
      payer_->handle_timeout(now);
      drain_payer(now);
    }
  }
  if (take(handshake_by_)) {
    return fail(now, ConnectError::Start, "no answer through the tunnel (WireGuard handshake)");
  }
  if (stage_ == Stage::Holding && take(retry_at_)) {
    connect_began_ = now.instant;
    return find(now);
  }
  if (session_open_ && link_ && !pinging_ && take(ping_at_)) ping(now);
  if (session_open_ && link_ && take(judge_at_)) judge(now);
  if (stage_ != Stage::Running) return;
  if (price_watch_.next && now.instant >= *price_watch_.next) watch_price(now);
  if (stage_ != Stage::Running) return;
  if (take(read_at_)) {
    read_at_ = now.instant + context_.config.statistics_interval;
    if (tunnel_ != 0) {
      context_.fx.tell(ReadTunnel{tunnel_});
    } else {
      context_.fx.emit(ConnectionStatistics{slot_, record_.id, counters_});
    }
  }
  if (take(ip_check_at_)) check_ip(now);
}

std::optional<Instant> Connection::next_timeout() const {
  std::optional<Instant> next = handshake_by_;
  if (dial_) next = earliest(next, dial_->next_timeout());
  if (link_) next = earliest(next, link_->next_timeout());
  if (payer_) next = earliest(next, payer_->next_timeout());
  if (stage_ == Stage::Holding) next = earliest(next, retry_at_);
  if (session_open_ && link_ && !pinging_) next = earliest(next, ping_at_);
  if (session_open_ && link_) next = earliest(next, judge_at_);
  if (stage_ == Stage::Running) {
    next = earliest(next, earliest(read_at_, earliest(ip_check_at_, price_watch_.next)));
  }
  return next;
}

void Connection::settle(Now now) {
  // A dial that has ended may only be dropped outside of its own calls.
  if (dial_ && stage_ != Stage::Dialing) dial_.reset();
  if (dial_ && link_) dial_.reset();
  if (link_) link_->drain(now);
}

// --- the way down -------------------------------------------------------------------------------

void Connection::set_state(ConnectionState state) {
  state_ = state;
  context_.fx.emit(
      ConnectionChanged{slot_, state, session_open_ ? record_.id : std::string(), reason_});
}

void Connection::done(std::optional<ConnectError> error, const std::string& reason) {
  if (!std::exchange(awaiting_done_, false)) return;
  context_.fx.emit(ConnectDone{slot_, error, reason});
}

void Connection::forget() {
  context_.fx.forget(owner_);
  owner_ = context_.fx.make_owner();
  handshake_by_.reset();
  read_at_.reset();
  ip_check_at_.reset();
  ping_at_.reset();
  judge_at_.reset();
  retry_at_.reset();
  price_watch_.next.reset();
  pinging_ = false;
}

void Connection::end_session(Now now) {
  payer_.reset();
  if (!std::exchange(session_open_, false)) return;
  record_.updated = now.wall;
  record_.completed = true;
  context_.fx.tell(StoreSession{record_});
  context_.fx.emit(ConsumerSession{slot_, true, record_});
  if (!link_) return;
  pb::SessionInfo info;
  info.consumer_id = options_.consumer.to_string();
  info.session_id = record_.id;
  (void)link_->request(now, Farewells::kOwner, topic::kSessionDestroy, info.encode(),
                       std::chrono::seconds{topic_timeout::kSessionDestroySeconds},
                       [](Now, Result<Bytes>&, const std::string&) {});
}

void Connection::leave(Now now) {
  if (!link_) {
    if (service_socket_) context_.fx.tell(UdpClose{*service_socket_});
    service_socket_.reset();
    return;
  }
  link_->forget(owner_);
  farewells_.add(now, std::move(link_), std::exchange(service_socket_, std::nullopt), excluded_);
  excluded_ = IpAddress();
}

void Connection::fail(Now now, ConnectError error, const std::string& reason) {
  if (stage_ == Stage::Idle || stage_ == Stage::Closing) return;
  if (reconnecting_) {
    // The next attempt begins from the start; what holds the traffic back stays.
    context_.fx.note(Note::Level::Warning, "reconnect failed: " + reason);
    if (dial_ && stage_ == Stage::Dialing) dial_->cancel(now);
    end_session(now);
    leave(now);
    if (tunnel_ != 0) {
      context_.tunnels.erase(tunnel_);
      if (held_tunnel_ == 0) {
        held_tunnel_ = tunnel_;
      } else {  // still being opened
        context_.fx.ask(0, ConsumerTunnelClose{0, tunnel_}, nullptr);
      }
      tunnel_ = 0;
    }
    forget();
    stage_ = Stage::Holding;
    retry_at_ = now.instant + reconnect_pause();
    return;
  }
  reason_ = reason;
  const bool started = stage_ == Stage::Starting;
  if (dial_ && stage_ == Stage::Dialing) dial_->cancel(now);
  if (started) {
    report(now, pb::ConnectivityStatus::ConnectionFailed, reason);
    context_.fx.emit(
        ConnectionChanged{slot_, ConnectionState::ConnectionFailed, record_.id, reason});
    set_state(ConnectionState::Canceled);
    set_state(ConnectionState::Disconnecting);
  }
  done(error, reason);
  close(now, reason);
}

Status Connection::disconnect(Now now, const std::string& reason) {
  if (stage_ == Stage::Idle) return Error{Errc::NotFound, 0, "no connection exists"};
  if (stage_ == Stage::Closing) return {};
  if (dial_ && stage_ == Stage::Dialing) dial_->cancel(now);
  reconnecting_ = false;
  done(ConnectError::Cancelled, "cancelled");
  close(now, reason);
  return {};
}

void Connection::close(Now now, const std::string& reason) {
  if (stage_ == Stage::Closing || stage_ == Stage::Idle) return;
  reason_ = reason;
  const bool quiet = stage_ == Stage::Finding || stage_ == Stage::Validating ||
                     stage_ == Stage::Dialing || stage_ == Stage::Creating;
  stage_ = Stage::Closing;
  if (state_ != ConnectionState::Disconnecting && !quiet) set_state(ConnectionState::Disconnecting);
  end_session(now);
  leave(now);
  forget();
  if (std::exchange(bypass_on_, false)) context_.fx.tell(BypassBackends{slot_, false});
  if (std::exchange(kill_switch_on_, false)) context_.fx.tell(KillSwitchOff{slot_});
  closing_ = 1;
  for (TunnelId* tunnel : {&tunnel_, &held_tunnel_}) {
    if (*tunnel == 0) continue;
    context_.tunnels.erase(*tunnel);
    ++closing_;
    context_.fx.ask(owner_, ConsumerTunnelClose{0, *tunnel},
                    [this](Now at, Result<Outcome>& outcome) {
                      if (outcome.ok()) count_last(at, *outcome);
                      closed_one(at);
                    });
    *tunnel = 0;
  }
  closed_one(now);
}

// What was counted after the last reading still belongs to the session that has just ended.
void Connection::count_last(Now now, const Outcome& outcome) {
  const auto* last = std::get_if<TunnelCounters>(&outcome);
  if (last == nullptr || !record_.completed) return;
  if (last->sent_bytes <= record_.bytes_sent && last->received_bytes <= record_.bytes_received) {
    return;
  }
  record_.bytes_sent = std::max(record_.bytes_sent, last->sent_bytes);
  record_.bytes_received = std::max(record_.bytes_received, last->received_bytes);
  record_.updated = now.wall;
  context_.fx.tell(StoreSession{record_});
}

void Connection::closed_one(Now now) {
  if (--closing_ > 0) return;
  finish(now);
}

void Connection::finish(Now now) {
  (void)now;
  if (device_) context_.networks.release_link(*device_);
  device_.reset();
  signer_.reset();
  stage_ = Stage::Idle;
  set_state(ConnectionState::NotConnected);
}

}  // namespace myst::core::node
