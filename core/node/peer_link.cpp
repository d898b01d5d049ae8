#include "core/node/peer_link.hpp"

#include <utility>
#include <variant>

namespace myst::core::node {

PeerLink::PeerLink(Context& context, std::unique_ptr<Channel> channel, SocketId socket,
                   const Endpoint& peer)
    : context_(context), channel_(std::move(channel)), socket_(socket), path_(peer) {
  context_.sockets[socket_] = this;
}

void PeerLink::close() {
  if (!open_) return;
  open_ = false;
  context_.sockets.erase(socket_);
  context_.fx.tell(UdpClose{socket_});
  waiting_.clear();
}

Status PeerLink::request(Now now, EffectQueue::Owner owner, std::string_view topic, ByteSpan data,
                         Duration timeout, Answered answered) {
  if (!open_) return Error{Errc::InvalidState, 0, "channel is closed"};
  MYST_TRY_ASSIGN(const std::uint64_t id, channel_->request(now.instant, topic, data, timeout));
  waiting_.emplace(id, Waiting{owner, std::move(answered)});
  dirty_ = true;
  return {};
}

void PeerLink::forget(EffectQueue::Owner owner) {
  for (auto& entry : waiting_) {
    if (entry.second.owner == owner) entry.second.answered = nullptr;
  }
}

std::size_t PeerLink::waiting() const {
  std::size_t count = 0;
  for (const auto& entry : waiting_) count += entry.second.answered != nullptr;
  return count;
}

void PeerLink::reply(Now now, std::uint64_t id, const Reply& reply) {
  if (!open_) return;
  // Full or unknown: the peer runs into its time limit, as it does when a datagram is lost.
  (void)channel_->reply(now.instant, id, reply);
  dirty_ = true;
}

void PeerLink::on_datagram(Now now, SocketId socket, const Endpoint& from, ByteSpan bytes) {
  (void)socket;
  if (!open_ || from.ip != path_.peer().ip) return;
  if (!channel_->handle_datagram(now.instant, bytes).ok()) return;
  (void)path_.authenticated(from);
  heard_ = now.instant;
  dirty_ = true;
}

void PeerLink::on_closed_port(Lost told) {
  const bool asked = closed_port_ != nullptr;
  closed_port_ = std::move(told);
  if (open_ && !asked && closed_port_) context_.fx.tell(UdpTellRefused{socket_});
}

void PeerLink::on_refused(Now now, const Endpoint& to) {
  if (!open_ || !(to == path_.peer())) return;
  if (const Lost told = closed_port_) told(now);
}

void PeerLink::handle_timeout(Now now) {
  const auto due = next_timeout();
  if (!due || now.instant < *due) return;
  channel_->handle_timeout(now.instant);
  dirty_ = true;
}

std::optional<Instant> PeerLink::next_timeout() const {
  return open_ ? channel_->next_timeout() : std::nullopt;
}

void PeerLink::drain(Now now) {
  while (open_ && dirty_) {
    dirty_ = false;
    while (open_) {
      auto event = channel_->poll_event();
      if (!event) break;
      if (auto* incoming = std::get_if<Channel::Incoming>(&*event)) {
        // A copy: the handler may be replaced while it runs.
        if (const Handler handler = handler_) {
          handler(now, *incoming);
        } else {
          reply(now, incoming->id, Reply::no_handler());
        }
      } else if (auto* answer = std::get_if<Channel::Answer>(&*event)) {
        const auto found = waiting_.find(answer->id);
        if (found == waiting_.end()) continue;
        const Answered answered = std::move(found->second.answered);
        waiting_.erase(found);
        if (answered) answered(now, answer->result, answer->text);
      } else if (!lost_told_) {
        lost_told_ = true;
        if (const Lost lost = lost_) lost(now);
      }
    }
    ByteArray<Channel::kMaxDatagram> buffer;
    while (open_) {
      const std::size_t size = channel_->poll_transmit(buffer);
      if (size == 0) break;
      context_.fx.send(UdpSend{socket_, path_.peer(), 0, to_bytes(ByteSpan(buffer).first(size))});
    }
  }
}

}  // namespace myst::core::node
