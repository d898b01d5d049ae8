// Engine: messages of the handshake, in and out.
#include "core/wireguard/engine.hpp"

namespace myst::core::wireguard {

bool Engine::has_session(const Peer& peer, Instant now) const {
  return peer.current && send_key_use(*peer.current.send, to_ns(now)) != KeyUse::Dead;
}

void Engine::set_address(Peer& peer, const PathAddress& from) {
  const auto known = peer.path->address.load();
  if (!known || *known != from) peer.path->address.store(from);
}

Status Engine::handle_message(Now now, const PathAddress& from, ByteSpan message, bool under_load) {
  const auto type = message_type(message);
  if (!type) return Error{Errc::Malformed, 0, "handshake message"};
  if (*type == MessageType::Cookie) return consume_cookie(now, message);
  if (*type == MessageType::Transport) return Error{Errc::InvalidState, 0, "transport message"};
  if (under_load) {
    if (!checker_.mac2_valid(now.instant, from.remote, message)) {
      queue_small(from, nullptr, checker_.make_reply(now.instant, from.remote, message, rng_));
      return Error{Errc::Rejected, 0, "under load: cookie sent"};
    }
    if (!limiter_.allow(now.instant, from.remote.ip)) {
      return Error{Errc::Rejected, 0, "under load: source over its rate"};
    }
  }
  return *type == MessageType::Initiation ? consume_initiation(now, from, message)
                                          : consume_response(now, from, message);
}

Status Engine::consume_initiation(Now now, const PathAddress& from, ByteSpan message) {
  HandshakeState state;
  MYST_TRY_ASSIGN(const PublicKey sender, open_initiation_sender(identity_, message, state));
  Peer* const peer = find_peer(sender);
  if (peer == nullptr) return Error{Errc::NotFound, 0, "no peer with that key"};
  MYST_TRY_ASSIGN(const Timestamp timestamp,
                  open_initiation_timestamp(peer->remote, message, state));
  if (timestamp <= peer->greatest_received) return Error{Errc::Rejected, 0, "initiation replayed"};
  if (peer->initiation_consumed && now.instant - *peer->initiation_consumed < kInitiationSpacing) {
    return Error{Errc::Rejected, 0, "initiations too fast"};
  }
  peer->greatest_received = timestamp;
  peer->initiation_consumed = now.instant;
  peer->path->rx_bytes.fetch_add(message.size(), std::memory_order_relaxed);
  set_address(*peer, from);
  received(now.instant, *peer);

  // An initiation of ours that is under way goes on beside. Both ends may well begin at once, after
  // a sleep in which both have missed a timer: if each forgot its own, both would wait for
  // Rekey-Timeout.
  const std::uint32_t local_index = new_index(peer->id, false);
  const std::uint32_t remote_index = state.remote_index;
  ByteArray<kResponseSize> response;
  auto keys = create_response(peer->remote, local_index, rng_, state, response);
  if (!keys.ok()) {
    indices_.erase(local_index);
    return keys.error();
  }
  retire_keypair(peer->next);
  retire_keypair(peer->previous);
  peer->next = make_keypair(now.instant, *peer, std::move(*keys), local_index, remote_index, false);
  publish_send_keys(*peer);
  table_dirty_ = true;
  peer->zero_at = now.instant + 3 * kRejectAfterTime;
  peer->handshake_sent = now.instant;
  peer->cookies.add_macs(now.instant, response);
  queue_small(from, peer, response);
  send_twin(now.instant, *peer, response);
  sent(now.instant, *peer, false);
  return {};
}

Status Engine::consume_response(Now now, const PathAddress& from, ByteSpan message) {
  const auto owner = indices_.find(load_le32(message.data() + 8));
  if (owner == indices_.end() || !owner->second.handshake) {
    return Error{Errc::NotFound, 0, "response to nothing"};
  }
  Peer* const peer = by_id(owner->second.peer_id);
  if (peer == nullptr || !peer->initiated) return Error{Errc::NotFound, 0, "response to nothing"};
  MYST_TRY_ASSIGN(TransportKeys keys,
                  wireguard::consume_response(identity_, peer->remote, message, *peer->initiated));
  const std::uint32_t local_index = peer->initiated->local_index;
  owner->second.handshake = false;
  peer->initiated.reset();
  peer->path->rx_bytes.fetch_add(message.size(), std::memory_order_relaxed);
  set_address(*peer, from);
  received(now.instant, *peer);

  const bool had_session = has_session(*peer, now.instant);
  Keypair fresh = make_keypair(now.instant, *peer, std::move(keys), local_index,
                               load_le32(message.data() + 4), true);
  retire_keypair(peer->previous);
  if (peer->next) {
    peer->previous = std::move(peer->next);
    peer->next = Keypair{};
    Keypair old = std::move(peer->current);
    peer->current = std::move(fresh);
    publish_send_keys(*peer);
    retire_keypair(old);
  } else {
    peer->previous = std::move(peer->current);
    peer->current = std::move(fresh);
    publish_send_keys(*peer);
  }
  table_dirty_ = true;
  peer->zero_at = now.instant + 3 * kRejectAfterTime;
  handshake_complete(now, *peer, had_session);
  // The responder may use the session only after it has heard us in it.
  peer->keepalive_due = true;
  make_ready(*peer);
  return {};
}

Status Engine::consume_cookie(Now now, ByteSpan message) {
  const auto owner = indices_.find(load_le32(message.data() + 4));
  if (owner == indices_.end()) return Error{Errc::NotFound, 0, "cookie for nobody"};
  Peer* const peer = by_id(owner->second.peer_id);
  if (peer == nullptr) return Error{Errc::NotFound, 0, "cookie for nobody"};
  MYST_TRY(peer->cookies.consume_reply(now.instant, message));
  peer->twin_at.reset();  // it would be refused as well
  peer->path->rx_bytes.fetch_add(message.size(), std::memory_order_relaxed);
  return {};
}

Engine::Keypair Engine::make_keypair(Instant now, Peer& peer, TransportKeys&& keys,
                                     std::uint32_t local_index, std::uint32_t remote_index,
                                     bool initiator) {
  Keypair pair;
  pair.send = std::make_unique<SendKey>();
  pair.send->key = std::move(keys.send);
  pair.send->remote_index = remote_index;
  pair.send->born = to_ns(now);
  pair.send->initiator = initiator;
  pair.receive = std::make_unique<ReceiveKey>();
  pair.send->receive = pair.receive.get();
  pair.receive->key = std::move(keys.receive);
  pair.receive->local_index = local_index;
  pair.receive->born = to_ns(now);
  pair.receive->initiator = initiator;
  pair.receive->path = peer.path.get();
  pair.receive->confirmed.store(initiator, std::memory_order_relaxed);
  return pair;
}

void Engine::handshake_complete(Now now, Peer& peer, bool had_session) {
  peer.retransmit_at.reset();
  peer.attempts = 0;
  peer.last_handshake = now.wall;
  peer.twin_at.reset();
  (void)events_.push(Event{peer.remote.public_key, had_session});
}

void Engine::confirm_next(Now now, Peer& peer) {
  if (!peer.next || !peer.next.receive->confirmed.load(std::memory_order_acquire)) return;
  const bool had_session = has_session(peer, now.instant);
  Keypair old = std::move(peer.previous);
  peer.previous = std::move(peer.current);
  peer.current = std::move(peer.next);
  peer.next = Keypair{};
  publish_send_keys(peer);
  retire_keypair(old);
  handshake_complete(now, peer, had_session);
  if (!peer.staged.empty()) make_ready(peer);
}

// A lost datagram of a handshake costs Rekey-Timeout, which is much where somebody waits for a
// first connection. So the same bytes go out once more when nothing has come by then: no further
// initiation, and whoever got both drops the second one as replayed.
void Engine::send_twin(Instant now, Peer& peer, ByteSpan message) {
  peer.twin_at.reset();
  if (peer.last_handshake) return;
  peer.twin = to_bytes(message);
  peer.twin_at = now + kTwinPause;
}

void Engine::initiate(Now now, Peer& peer, bool retry) {
  if (!retry) peer.attempts = 0;
  if (peer.handshake_sent && now.instant - *peer.handshake_sent < kRekeyTimeout) {
    // One is under way, or a response just left. Its timer goes on; where none runs (the response
    // was ours) the packets that wait need one.
    if (!peer.retransmit_at && !peer.staged.empty()) {
      peer.retransmit_at = *peer.handshake_sent + kRekeyTimeout;
    }
    return;
  }
  // Without an address only the peer can begin.
  const auto to = peer.path->address.load();
  if (!to || !identity_.valid) return;
  forget_initiation(peer);
  peer.handshake_sent = now.instant;
  const std::uint32_t index = new_index(peer.id, true);
  // A clock set back must not make our own initiations look replayed.
  Timestamp timestamp = tai64n(now.wall);
  if (timestamp <= peer.last_timestamp) timestamp = next_timestamp(peer.last_timestamp);
  HandshakeState state;
  ByteArray<kInitiationSize> message;
  if (!create_initiation(identity_, peer.remote, timestamp, index, rng_, state, message).ok()) {
    indices_.erase(index);
    return;
  }
  peer.last_timestamp = timestamp;
  peer.initiated = std::move(state);
  peer.cookies.add_macs(now.instant, message);
  queue_small(*to, &peer, message);
  if (!retry) send_twin(now.instant, peer, message);
  sent(now.instant, peer, false);
  const Duration jitter{static_cast<Duration::rep>(
      rng_.below(static_cast<std::uint64_t>(kMaxTimeoutJitter.count())))};
  peer.retransmit_at = now.instant + kRekeyTimeout + jitter;
}

}  // namespace myst::core::wireguard
