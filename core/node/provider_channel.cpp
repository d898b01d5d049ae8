#include "core/node/provider_channel.hpp"

#include <utility>

#include "core/base/text.hpp"
#include "core/p2p/messages.hpp"

namespace myst::core::node {

ProviderChannel::ProviderChannel(Context& context, Host& host, std::uint64_t id,
                                 std::string service_id, ServiceChannel channel, Now now)
    : context_(context),
      host_(host),
      id_(id),
      service_id_(std::move(service_id)),
      consumer_(channel.consumer),
      link_(context, std::move(channel.channel), channel.socket, channel.peer),
      service_socket_(channel.service_socket),
      service_port_(channel.service_port),
      mapping_(channel.mapping),
      idle_since_(now.instant) {
  link_.on_request([this](Now at, Channel::Incoming& request) { on_request(at, request); });
  link_.on_lost([this](Now) { close(); });
}

void ProviderChannel::close() {
  if (closed_) return;
  closed_ = true;
  link_.close();
  if (service_socket_) context_.fx.tell(UdpClose{*service_socket_});
  service_socket_.reset();
  if (mapping_ != 0) context_.fx.tell(UnmapPorts{mapping_});
}

void ProviderChannel::handle_timeout(Now now) {
  if (closed_) return;
  if (!in_use() && now.instant >= idle_since_ + context_.config.channel_idle) return close();
  link_.handle_timeout(now);
}

std::optional<Instant> ProviderChannel::next_timeout() const {
  if (closed_) return std::nullopt;
  const auto next = earliest(part_by_, link_.next_timeout());
  return in_use() ? next : earliest(next, idle_since_ + context_.config.channel_idle);
}

void ProviderChannel::on_session_allowed(Now now, ProviderSession& session) {
  host_.on_allowed(now, *this, session);
}

void ProviderChannel::on_session_closed(Now now, ProviderSession& session) {
  if (sessions_ > 0) --sessions_;
  if (session.counted()) ended_ = session.record().id;
  idle_since_ = now.instant;
}

void ProviderChannel::on_consumer_told(Now now) {
  if (!in_use()) part(now.instant);  // a consumer makes a channel for each session
}

std::optional<SocketId> ProviderChannel::take_service_socket() {
  return std::exchange(service_socket_, std::nullopt);
}

bool ProviderChannel::is_consumer(std::string_view identity) const {
  return to_lower(identity) == consumer_.to_string();
}

void ProviderChannel::on_request(Now now, Channel::Incoming& request) {
  const auto answer = [&](const Reply& reply) { link_.reply(now, request.id, reply); };
  if (request.topic == topic::kKeepAlive) return answer(keep_alive(request.data));
  if (request.topic == topic::kPaymentMessage) {
    ProviderSession* session = host_.session_of(*this);
    const Status status = session == nullptr
                              ? Status(Error{Errc::NotFound, 0, "no session to pay for"})
                              : session->handle_payment(now, request.data);
    return answer(status.ok() ? Reply::success() : Reply::failure(status.error().what));
  }
  if (request.topic == topic::kSessionCreate) return host_.on_create(now, *this, request);
  if (request.topic == topic::kSessionAcknowledge) return answer(acknowledge(now, request.data));
  if (request.topic == topic::kSessionStatus) return answer(report(now, request.data));
  if (request.topic == topic::kSessionDestroy) {
    const auto info = pb::SessionInfo::decode(request.data);
    if (!info.ok()) return answer(Reply::failure("message cannot be read"));
    if (!is_consumer(info->consumer_id)) return answer(Reply::failure("consumer id mismatch"));
    answer(Reply::success());  // before it is done, whatever comes of it
    ProviderSession* session = host_.find_session(info->session_id);
    if (session != nullptr && session->record().consumer == consumer_) {
      session->close_for_consumer(now, "consumer ended it");
    }
    return;
  }
  answer(Reply::no_handler());
}

// Who asks whether we live is told so, whatever the question names; but not for a session of this
// channel that has ended: its consumer would use a dead tunnel until the channel closes.
Reply ProviderChannel::keep_alive(ByteSpan body) const {
  const auto ping = pb::P2PKeepAlivePing::decode(body);
  const bool over = ping.ok() && !ended_.empty() && ping->session_id == ended_;
  return over ? Reply::failure("session does not exists") : Reply::success();
}

Reply ProviderChannel::acknowledge(Now now, ByteSpan body) {
  const auto info = pb::SessionInfo::decode(body);
  if (!info.ok()) return Reply::failure("message cannot be read");
  if (!is_consumer(info->consumer_id)) return Reply::failure("consumer id mismatch");
  ProviderSession* session = host_.find_session(info->session_id);
  if (session == nullptr) return Reply::failure("session does not exists");
  if (session->record().consumer != consumer_) return Reply::failure("wrong session owner");
  host_.on_acknowledged(now, *session);
  return Reply::success();
}

Reply ProviderChannel::report(Now now, ByteSpan body) {
  auto status = pb::SessionStatus::decode(body);
  if (!status.ok()) return Reply::failure("message cannot be read");
  if (!is_consumer(status->consumer_id)) return Reply::failure("consumer id mismatch");
  constexpr std::size_t kMaxText = 1024;  // cut: it only ends in a list for people
  if (status->message.size() > kMaxText) {
    status->message.resize(kMaxText);
    while (!status->message.empty() && !is_utf8(status->message)) status->message.pop_back();
  }
  if (status->session_id.size() > 64) status->session_id.resize(64);
  if (!is_utf8(status->session_id)) status->session_id.clear();
  host_.on_report(now, ConnectivityRecord{consumer_, status->session_id, status->code,
                                          status->message, now.wall});
  return Reply::success();
}

}  // namespace myst::core::node
