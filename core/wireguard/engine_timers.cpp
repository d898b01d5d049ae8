// Engine: timers. Data threads only leave stamps; deadlines are computed from them when the loop
// looks. A deadline that begins after a look cannot be due within Keepalive-Timeout, so a look that
// often is exact, and an active peer costs one wake-up in ten seconds.
#include <algorithm>

#include "core/wireguard/engine.hpp"

namespace myst::core::wireguard {
namespace {

std::int64_t read(const std::atomic<std::int64_t>& stamp) {
  return stamp.load(std::memory_order_relaxed);
}

}  // namespace

void Engine::sent(Instant now, Peer& peer, bool data) {
  if (note_sent(*peer.path, to_ns(now), data) != 0) watch(now, peer);
}

void Engine::received(Instant now, Peer& peer) {
  (void)note_received(*peer.path, to_ns(now), false);
}

void Engine::watch(Instant now, Peer& peer) {
  peer.path->watched.store(true, std::memory_order_seq_cst);
  peer.watch_at = now + kKeepaliveTimeout;
}

Engine::Deadlines Engine::deadlines(const Peer& peer) const {
  Deadlines out;
  const PeerPath& path = *peer.path;
  const std::int64_t last_sent = read(path.last_sent), last_received = read(path.last_received);
  const std::int64_t data_received = path.data_received_since.load(std::memory_order_seq_cst);
  const std::int64_t data_sent = path.data_sent_since.load(std::memory_order_seq_cst);
  if (data_received > last_sent) out.keepalive = from_ns(data_received) + kKeepaliveTimeout;
  if (data_sent > last_received) {
    out.answer = from_ns(data_sent) + kKeepaliveTimeout + kRekeyTimeout + peer.answer_jitter;
  }
  if (peer.keepalive_s != 0 && identity_.valid) {
    const Instant last =
        std::max(from_ns(std::max(last_sent, last_received)), peer.persistent_base);
    out.persistent = peer.speak_at.value_or(last + std::chrono::seconds{peer.keepalive_s});
  }
  return out;
}

std::optional<Instant> Engine::next_timeout() const {
  std::optional<Instant> next;
  for (const auto& [id, peer] : peers_) {
    next = earliest(next, earliest(peer->retransmit_at, earliest(peer->zero_at, peer->twin_at)));
    const Deadlines due = deadlines(*peer);
    next = earliest(next, due.persistent);
    if (peer->watch_at) {
      next = earliest(next, earliest(peer->watch_at, earliest(due.keepalive, due.answer)));
    }
  }
  return next;
}

void Engine::handle_timeout(Now now) {
  for (auto& [id, peer] : peers_) run_timers(now, *peer);
}

void Engine::send_keepalive(Now now, Peer& peer) {
  if (has_session(peer, now.instant)) {
    peer.keepalive_due = true;
    make_ready(peer);
  } else {
    peer.another_keepalive = false;
    initiate(now, peer, false);
  }
}

void Engine::run_timers(Now now, Peer& peer) {
  const Instant at = now.instant;
  PeerPath& path = *peer.path;
  if (peer.twin_at && at >= *peer.twin_at) {
    peer.twin_at.reset();
    const auto to = path.address.load();
    if (to) queue_small(*to, &peer, peer.twin);
    peer.twin.clear();
  }
  if (peer.retransmit_at && at >= *peer.retransmit_at) {
    peer.retransmit_at.reset();
    if (peer.attempts > kMaxHandshakeAttempts) {
      // Rekey-Attempt-Time is over: nobody is there. New packets begin anew.
      drop_staged(peer);
      peer.keepalive_due = false;
      if (!peer.zero_at) peer.zero_at = at + 3 * kRejectAfterTime;
    } else {
      const unsigned attempts = peer.attempts + 1;
      path.address.forget_source();  // perhaps that was what did not work
      initiate(now, peer, true);
      peer.attempts = attempts;
    }
  }
  if (peer.zero_at && at >= *peer.zero_at) {
    peer.zero_at.reset();
    forget_initiation(peer);
    end_sessions(peer);
  }
  const Deadlines due = deadlines(peer);
  if (due.keepalive && at >= *due.keepalive) {
    // What came after the packet that began the wait asks for another one after this keepalive.
    const bool another = read(path.last_data_received) > read(path.data_received_since);
    path.data_received_since.store(0, std::memory_order_seq_cst);
    peer.another_keepalive = another;
    send_keepalive(now, peer);
  }
  if (due.answer && at >= *due.answer) {
    path.data_sent_since.store(0, std::memory_order_seq_cst);
    peer.answer_jitter = Duration{static_cast<Duration::rep>(
        rng_.below(static_cast<std::uint64_t>(kMaxTimeoutJitter.count())))};
    path.address.forget_source();
    initiate(now, peer, false);
  }
  if (due.persistent && at >= *due.persistent) {
    peer.persistent_base = at;
    peer.speak_at.reset();
    send_keepalive(now, peer);
  }
  if (!peer.watch_at || at < *peer.watch_at) return;
  const auto pending = [&] {
    const Deadlines left = deadlines(peer);
    return left.keepalive || left.answer;
  };
  if (pending()) {
    peer.watch_at = at + kKeepaliveTimeout;
    return;
  }
  peer.watch_at.reset();
  path.watched.store(false, std::memory_order_seq_cst);
  // A data thread that stamped before it could see this has not told us: look once more.
  if (pending()) watch(at, peer);
}

void Engine::handle_attention(Now now, std::uint64_t peer_id, std::uint32_t bits) {
  Peer* const peer = by_id(peer_id);
  if (peer == nullptr) return;
  if ((bits & kConfirmed) != 0) confirm_next(now, *peer);
  if ((bits & kWantTimer) != 0) watch(now.instant, *peer);
  if ((bits & kWantHandshake) != 0) initiate(now, *peer, false);
}

}  // namespace myst::core::wireguard
