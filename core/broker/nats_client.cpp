#include "core/broker/nats_client.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/identity/signed_subject.hpp"

namespace myst::core {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kInboxLength = 22, kTokenLength = 8;  // nats.go: nuid and reply token
constexpr Duration kStableAfter = std::chrono::seconds{5};

}  // namespace

NatsClient::NatsClient(const Config& config, Rng& rng, Now now)
    : config_(config), rng_(rng), state_(Waiting{now.instant}) {
  set_servers(config.servers);
  dial(now);
}

void NatsClient::set_servers(std::vector<BrokerAddress> servers) {
  config_.servers = std::move(servers);
  // Shuffled, so that the nodes of a network spread over its brokers.
  for (std::size_t i = config_.servers.size(); i > 1; --i) {
    std::swap(config_.servers[i - 1], config_.servers[static_cast<std::size_t>(rng_.below(i))]);
  }
  next_server_ = 0;
  failed_in_round_ = 0;
}

void NatsClient::dial(Now now) {
  if (config_.servers.empty()) {
    // Looked at again now and then: set_servers() may come.
    state_ = Waiting{now.instant + config_.longest_wait};
    return;
  }
  server_ = config_.servers[next_server_ % config_.servers.size()];
  next_server_ = (next_server_ + 1) % config_.servers.size();
  state_ = Dialing{now.instant + config_.handshake_timeout};
  actions_.push_back(Dial{server_});
}

void NatsClient::reconnect_now(Now now) {
  if (std::holds_alternative<Closed>(state_)) return;
  if (!std::holds_alternative<Waiting>(state_)) {
    fail(now, Error{Errc::Cancelled, 0, "the network changed"}, true);
  }
  failed_in_round_ = 0;
  wait_ = Duration{0};
  if (std::holds_alternative<Waiting>(state_)) dial(now);
}

// The connection or the attempt is over; plans the next one.
void NatsClient::fail(Now now, const Error& why, bool hang_up) {
  const auto* online = std::get_if<Online>(&state_);
  const bool was_online = online != nullptr;
  // A server that lets us in and throws us out again is treated like one that is down.
  const bool was_stable = was_online && now.instant - online->since >= kStableAfter;
  if (hang_up) actions_.push_back(Hangup{});
  parser_.reset();
  message_.reset();
  skip_message_ = false;
  out_.clear();
  secure_ = false;
  emit(Disconnected{server_, why, was_online});
  if (was_stable) {
    failed_in_round_ = 0;
    wait_ = Duration{0};
    dial(now);
    return;
  }
  if (++failed_in_round_ < config_.servers.size()) {
    dial(now);
    return;
  }
  failed_in_round_ = 0;
  wait_ = std::clamp(wait_ * 2, config_.first_wait, config_.longest_wait);
  // 100 ms for a single client, and a tenth of longer waits so that a fleet does not come as one.
  const auto spread = std::max<Duration>(milliseconds{100}, wait_ / 10);
  const auto jitter =
      Duration{static_cast<Duration::rep>(rng_.below(static_cast<std::uint64_t>(spread.count())))};
  state_ = Waiting{now.instant + wait_ + jitter};
}

void NatsClient::handle_connected(Now now) {
  auto* dialing = std::get_if<Dialing>(&state_);
  if (dialing == nullptr) return;
  const Instant give_up_at = dialing->give_up_at;
  NatsParser::Limits limits;
  limits.payload = 64u << 20;  // what is above max_message_bytes is skipped, not an error
  parser_.emplace(NatsParser::Sender::Server, limits);
  state_ = Greeting{give_up_at};
  (void)now;
}

void NatsClient::handle_tls_ready(Now now) {
  if (!std::holds_alternative<Securing>(state_)) return;
  secure_ = true;
  open(now);
}

void NatsClient::handle_closed(Now now, const Error& why) {
  if (std::holds_alternative<Waiting>(state_) || std::holds_alternative<Closed>(state_)) return;
  fail(now, why, false);
}

void NatsClient::handle_bytes(Now now, ByteSpan bytes) {
  while (parser_ && !std::holds_alternative<Securing>(state_)) {
    auto token = parser_->next(bytes);
    if (!token.ok()) {
      fail(now, token.error(), true);
      return;
    }
    if (!*token) return;
    if (const auto* line = std::get_if<NatsLine>(&**token)) {
      if (const Status status = handle_line(now, *line); !status.ok()) {
        fail(now, status.error(), true);
        return;
      }
    } else {
      const auto& payload = std::get<NatsPayload>(**token);
      if (message_ && !skip_message_) append(message_->payload, payload.bytes);
      if (payload.last) finish_message();
    }
  }
}

Status NatsClient::handle_line(Now now, const NatsLine& line) {
  switch (line.verb) {
    case NatsVerb::Info:
      handle_info(now, line.text);
      return {};
    case NatsVerb::Msg:
    case NatsVerb::HMsg: {
      message_ = Message{};  // clang 14 finds no emplace() for a nested aggregate
      const auto sid = parse_decimal(line.sid);
      skip_message_ = line.size > config_.max_message_bytes || !sid || !connected();
      if (skip_message_) {
        ++skipped_;
        return {};
      }
      message_->sid = *sid;
      message_->subject = std::string(line.subject);
      message_->reply = std::string(line.reply);
      message_->payload.reserve(line.size);
      header_size_ = line.header_size;
      return {};
    }
    case NatsVerb::Ping:
      write_nats_pong(out_);
      return {};
    case NatsVerb::Pong:
      if (std::holds_alternative<Opening>(state_)) {
        go_online(now);
      } else if (auto* online = std::get_if<Online>(&state_)) {
        online->unanswered = 0;
      }
      return {};
    case NatsVerb::Err: {
      std::string text(line.text);
      if (text.size() >= 2 && text.front() == '\'' && text.back() == '\'') {
        text = text.substr(1, text.size() - 2);
      }
      emit(ServerError{text});
      if (std::holds_alternative<Opening>(state_)) {
        return Error{Errc::Rejected, 0, "the broker refused the connection"};
      }
      return {};  // when it is fatal the server closes by itself
    }
    case NatsVerb::Ok:
    case NatsVerb::Connect:
    case NatsVerb::Sub:
    case NatsVerb::Unsub:
    case NatsVerb::Pub:
    case NatsVerb::HPub:
      return {};
  }
  return {};
}

void NatsClient::handle_info(Now now, std::string_view json) {
  auto info = parse_nats_info(json);
  auto* greeting = std::get_if<Greeting>(&state_);
  if (!info.ok()) {
    if (greeting != nullptr) fail(now, info.error(), true);
    return;
  }
  info_ = *info;
  if (greeting == nullptr) return;  // sent again when the cluster changes
  if (server_.tls && !info_.tls_required) {
    fail(now, Error{Errc::Rejected, 0, "the broker offers no TLS"}, true);
  } else if (info_.tls_required) {
    state_ = Securing{greeting->give_up_at};
    actions_.push_back(StartTls{server_.host});
  } else {
    open(now);
  }
}

void NatsClient::open(Now now) {
  Instant give_up_at = now.instant + config_.handshake_timeout;
  if (const auto* greeting = std::get_if<Greeting>(&state_)) give_up_at = greeting->give_up_at;
  if (const auto* securing = std::get_if<Securing>(&state_)) give_up_at = securing->give_up_at;
  NatsConnectOptions options;
  options.user = server_.user;
  options.password = server_.password;
  options.version = config_.version;
  options.tls = secure_;
  options.headers = info_.headers && config_.headers;
  write_nats_connect(options, out_);
  write_nats_ping(out_);
  state_ = Opening{give_up_at};
}

void NatsClient::go_online(Now now) {
  state_ = Online{now.instant + config_.ping_interval, now.instant, 0};
  for (const auto& [sid, subscription] : subscriptions_) send_subscription(now, sid, subscription);
  while (!waiting_.empty()) {
    send_publish(now, waiting_.front());
    waiting_.pop_front();
  }
  waiting_bytes_ = 0;
  emit(Connected{server_});
}

void NatsClient::finish_message() {
  if (!message_) return;
  Message message = std::move(*message_);
  message_.reset();
  if (skip_message_) {
    skip_message_ = false;
    return;
  }
  bool nobody = false;
  if (header_size_ > 0) {
    // Headers are not used here but for "nobody is subscribed": NATS/1.0 503, nothing behind.
    const std::string_view headers = as_text(ByteSpan(message.payload).first(header_size_));
    nobody = headers.substr(0, 12) == "NATS/1.0 503" && message.payload.size() == header_size_;
    message.payload.erase(message.payload.begin(),
                          message.payload.begin() + static_cast<std::ptrdiff_t>(header_size_));
    header_size_ = 0;
  }
  if (inbox_sid_ != 0 && message.sid == inbox_sid_) {
    const std::size_t dot = message.subject.rfind('.');
    const auto found = tokens_.find(message.subject.substr(dot == std::string::npos ? 0 : dot + 1));
    if (found == tokens_.end()) return;  // late: the request has ended
    if (nobody) {
      answer(found->second, Error{Errc::Unavailable, 503, "nobody is subscribed"});
    } else {
      answer(found->second, std::move(message.payload));
    }
    return;
  }
  if (subscriptions_.count(message.sid) == 0) return;  // in flight when we unsubscribed
  if (events_.size() >= kMaxEvents) {
    ++skipped_;
    return;
  }
  events_.push_back(std::move(message));
}

void NatsClient::emit(Event event) {
  // These are few (one a connection or a request), messages are limited separately; -ERR lines are
  // the one kind a server could send without end.
  if (events_.size() >= 2 * kMaxEvents) return;
  events_.push_back(std::move(event));
}

void NatsClient::answer(std::uint64_t request, Result<Bytes> result) {
  const auto found = requests_.find(request);
  if (found == requests_.end()) return;
  tokens_.erase(found->second.token);
  requests_.erase(found);
  emit(Answer{request, std::move(result)});
}

std::string NatsClient::subject_for(Now now, const std::string& subject,
                                    const Signer* signer) const {
  return signer == nullptr ? subject : signed_subject(*signer, unix_seconds(now.wall), subject);
}

void NatsClient::send_subscription(Now now, std::uint64_t sid, const Subscription& subscription) {
  const std::string subject = subject_for(now, subscription.subject, subscription.signer.get());
  if (!subject.empty()) write_nats_sub(subject, {}, std::to_string(sid), out_);
}

void NatsClient::send_publish(Now now, const Publish& publish) {
  if (publish.request != 0 && requests_.count(publish.request) == 0) return;  // ended meanwhile
  const std::string subject = subject_for(now, publish.subject, publish.signer.get());
  if (!subject.empty()) write_nats_pub(subject, publish.reply, publish.payload, out_);
}

Result<std::uint64_t> NatsClient::subscribe(Now now, std::string_view subject,
                                            std::shared_ptr<const Signer> signer) {
  if (!is_nats_subject(subject)) return Error{Errc::Malformed, 0, "broker subject"};
  if (subscriptions_.size() >= kMaxSubscriptions) {
    return Error{Errc::Full, 0, "broker subscriptions"};
  }
  const std::uint64_t sid = next_sid_++;
  const auto added =
      subscriptions_.emplace(sid, Subscription{std::string(subject), std::move(signer)});
  if (connected()) send_subscription(now, sid, added.first->second);
  return sid;
}

void NatsClient::unsubscribe(std::uint64_t sid) {
  if (subscriptions_.erase(sid) == 0) return;
  if (connected()) write_nats_unsub(std::to_string(sid), {}, out_);
}

Status NatsClient::queue_publish(Now now, Publish publish) {
  if (!is_nats_subject(publish.subject)) return Error{Errc::Malformed, 0, "broker subject"};
  if (std::holds_alternative<Closed>(state_)) {
    return Error{Errc::InvalidState, 0, "broker connection closed"};
  }
  if (publish.payload.size() > info_.max_payload) {
    return Error{Errc::Rejected, 0, "message longer than the broker takes"};
  }
  if (waiting_bytes_ + out_.size() + publish.size() > config_.max_waiting_bytes) {
    return Error{Errc::Full, 0, "messages waiting for the broker"};
  }
  if (connected()) {
    send_publish(now, publish);
  } else {
    waiting_bytes_ += publish.size();
    waiting_.push_back(std::move(publish));
  }
  return {};
}

Status NatsClient::publish(Now now, std::string_view subject, ByteSpan payload,
                           std::shared_ptr<const Signer> signer, std::string_view reply) {
  if (!reply.empty() && !is_nats_subject(reply)) return Error{Errc::Malformed, 0, "reply subject"};
  return queue_publish(now, Publish{std::string(subject), std::string(reply), to_bytes(payload),
                                    std::move(signer), 0});
}

Result<std::uint64_t> NatsClient::request(Now now, std::string_view subject, ByteSpan payload,
                                          Duration timeout, std::shared_ptr<const Signer> signer) {
  if (requests_.size() >= kMaxRequests) return Error{Errc::Full, 0, "broker requests"};
  if (inbox_sid_ == 0) {
    inbox_ = "_INBOX." + random_text(kInboxLength) + ".";
    MYST_TRY_ASSIGN(inbox_sid_, subscribe(now, inbox_ + "*"));
  }
  const std::uint64_t id = next_request_++;
  const std::string token = random_text(kTokenLength);
  requests_[id] = Request{token, now.instant + timeout};
  tokens_[token] = id;
  const Status queued = queue_publish(
      now, Publish{std::string(subject), inbox_ + token, to_bytes(payload), std::move(signer), id});
  if (!queued.ok()) {
    cancel_request(id);
    return queued.error();
  }
  return id;
}

void NatsClient::cancel_request(std::uint64_t request) {
  const auto found = requests_.find(request);
  if (found == requests_.end()) return;
  tokens_.erase(found->second.token);
  requests_.erase(found);
}

void NatsClient::close() {
  if (std::holds_alternative<Closed>(state_)) return;
  while (!requests_.empty()) {
    answer(requests_.begin()->first, Error{Errc::Cancelled, 0, "broker connection closed"});
  }
  if (!std::holds_alternative<Waiting>(state_)) actions_.push_back(Hangup{});
  state_ = Closed{};
  waiting_.clear();
  waiting_bytes_ = 0;
  parser_.reset();
}

void NatsClient::expire_requests(Instant now) {
  std::vector<std::uint64_t> late;
  for (const auto& [id, request] : requests_) {
    if (now >= request.give_up_at) late.push_back(id);
  }
  for (const std::uint64_t id : late) {
    answer(id, Error{Errc::Timeout, 0, "no answer through the broker"});
  }
}

void NatsClient::handle_timeout(Now now) {
  expire_requests(now.instant);
  const auto give_up = [&](const char* what) { fail(now, Error{Errc::Timeout, 0, what}, true); };
  if (const auto* waiting = std::get_if<Waiting>(&state_)) {
    if (now.instant >= waiting->until) dial(now);
  } else if (const auto* dialing = std::get_if<Dialing>(&state_)) {
    if (now.instant >= dialing->give_up_at) give_up("the broker does not accept the connection");
  } else if (const auto* greeting = std::get_if<Greeting>(&state_)) {
    if (now.instant >= greeting->give_up_at) give_up("the broker sends no INFO");
  } else if (const auto* securing = std::get_if<Securing>(&state_)) {
    if (now.instant >= securing->give_up_at) give_up("the broker's TLS handshake");
  } else if (const auto* opening = std::get_if<Opening>(&state_)) {
    if (now.instant >= opening->give_up_at) give_up("the broker does not answer CONNECT");
  } else if (auto* online = std::get_if<Online>(&state_)) {
    if (now.instant < online->ping_at) return;
    if (online->unanswered >= config_.max_pings_unanswered) {
      give_up("the broker does not answer pings");
      return;
    }
    ++online->unanswered;
    online->ping_at = now.instant + config_.ping_interval;
    write_nats_ping(out_);
  }
}

std::optional<NatsClient::Action> NatsClient::poll_action() {
  if (actions_.empty()) return std::nullopt;
  Action action = std::move(actions_.front());
  actions_.pop_front();
  return action;
}

std::optional<NatsClient::Event> NatsClient::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Bytes NatsClient::take_transmit() {
  Bytes out;
  out.swap(out_);
  return out;
}

std::optional<Instant> NatsClient::next_timeout() const {
  std::optional<Instant> at;
  if (const auto* waiting = std::get_if<Waiting>(&state_)) at = waiting->until;
  if (const auto* dialing = std::get_if<Dialing>(&state_)) at = dialing->give_up_at;
  if (const auto* greeting = std::get_if<Greeting>(&state_)) at = greeting->give_up_at;
  if (const auto* securing = std::get_if<Securing>(&state_)) at = securing->give_up_at;
  if (const auto* opening = std::get_if<Opening>(&state_)) at = opening->give_up_at;
  if (const auto* online = std::get_if<Online>(&state_)) at = online->ping_at;
  for (const auto& [id, request] : requests_) at = earliest(at, request.give_up_at);
  return at;
}

std::string NatsClient::random_text(std::size_t length) {
  constexpr char kAlphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string out;
  for (std::size_t i = 0; i < length; ++i) out += kAlphabet[rng_.below(62)];
  return out;
}

}  // namespace myst::core
