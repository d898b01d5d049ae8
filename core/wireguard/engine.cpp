#include "core/wireguard/engine.hpp"

#include <algorithm>
#include <utility>

#include "core/crypto/aead.hpp"

namespace myst::core::wireguard {
namespace {

bool prefix_less(const IpPrefix& a, const IpPrefix& b) {
  return a.ip != b.ip ? a.ip < b.ip : a.length < b.length;
}

}  // namespace

Engine::Peer::Peer(const PublicKey& key, std::uint64_t number) : id(number), cookies(key) {
  remote.public_key = key;
  path = std::make_unique<PeerPath>();
  path->id = number;
}

Engine::Engine(Rng& rng, StageBudget& budget, std::uint64_t device)
    : rng_(rng), budget_(budget), device_(device), checker_(PublicKey{}), routes_(prefix_less) {}

Engine::~Engine() {
  for (auto& [id, peer] : peers_) drop_staged(*peer);
}

Engine::Peer* Engine::by_id(std::uint64_t id) {
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : found->second.get();
}

Engine::Peer* Engine::find_peer(const PublicKey& key) {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : by_id(found->second);
}

std::uint32_t Engine::new_index(std::uint64_t peer_id, bool handshake) {
  for (;;) {
    const auto index = static_cast<std::uint32_t>(rng_.u64());
    if (indices_.emplace(index, IndexOwner{peer_id, handshake}).second) return index;
  }
}

// --- configuration

void Engine::compute_static(Peer& peer) {
  peer.remote.static_static = Secret<32>{};
  if (!identity_.valid) return;
  auto shared = x25519::shared(identity_.private_key, peer.remote.public_key);
  if (shared.ok()) peer.remote.static_static = std::move(*shared);
}

void Engine::set_private_key(const Secret<32>& key) {
  Identity next = Identity::from(key);
  if (next.valid == identity_.valid && next.public_key == identity_.public_key) return;
  identity_ = std::move(next);
  checker_ = CookieChecker(identity_.public_key);
  if (identity_.valid) remove_peer(identity_.public_key);
  for (auto& [id, peer] : peers_) {
    forget_initiation(*peer);
    end_sessions(*peer);
    compute_static(*peer);
  }
  table_dirty_ = true;
}

Result<Engine::Peer*> Engine::add_peer(const PublicKey& key) {
  if (Peer* const known = find_peer(key)) return known;
  if (identity_.valid && key == identity_.public_key) {
    return Error{Errc::Rejected, 0, "peer has our own key"};
  }
  if (peers_.size() >= kMaxPeers) return Error{Errc::Full, 0, "peers of a device"};
  const std::uint64_t id = next_id_++;
  auto peer = std::make_unique<Peer>(key, id);
  peer->path->device = device_;
  compute_static(*peer);
  Peer* const added = peer.get();
  peers_.emplace(id, std::move(peer));
  by_key_.emplace(key, id);
  return added;
}

void Engine::remove_peer(const PublicKey& key) {
  Peer* const peer = find_peer(key);
  if (peer == nullptr) return;
  clear_allowed_ips(*peer);
  forget_initiation(*peer);
  end_sessions(*peer);
  drop_staged(*peer);
  for (std::size_t i = small_.size(); i > 0; --i) {
    auto message = small_.pop();
    if (message->peer_id != peer->id) (void)small_.push(std::move(*message));
  }
  if (peer->ready) ready_.erase(std::find(ready_.begin(), ready_.end(), peer->id));
  retired_.push_back(std::move(peer->path));
  table_dirty_ = true;
  by_key_.erase(key);
  peers_.erase(peer->id);
}

void Engine::remove_all_peers() {
  while (!peers_.empty()) remove_peer(peers_.begin()->second->remote.public_key);
}

void Engine::set_preshared_key(Peer& peer, const Secret<32>& key) {
  peer.remote.preshared_key = key;
  peer.has_preshared_key = key != Secret<32>{};
}

void Engine::set_endpoint(Peer& peer, const Endpoint& endpoint) {
  peer.path->address.store(PathAddress{endpoint, std::nullopt, 0});
}

void Engine::set_keepalive(Instant now, Peer& peer, std::uint16_t seconds) {
  // Newly set, it speaks at once: that opens the way through NATs and begins the session.
  if (seconds != 0 && peer.keepalive_s == 0) peer.speak_at = now;
  if (seconds == 0) peer.speak_at.reset();
  peer.keepalive_s = seconds;
}

Status Engine::add_allowed_ip(Peer& peer, const IpPrefix& prefix) {
  const IpPrefix network = prefix.network();
  const auto found = routes_.find(network);
  if (found != routes_.end()) {
    if (found->second == peer.id) return {};
    if (Peer* const owner = by_id(found->second)) remove_allowed_ip(*owner, network);
  } else if (routes_.size() >= kMaxAllowedIps) {
    return Error{Errc::Full, 0, "allowed IPs of a device"};
  }
  routes_.emplace(network, peer.id);
  peer.allowed_ips.insert(
      std::upper_bound(peer.allowed_ips.begin(), peer.allowed_ips.end(), network, prefix_less),
      network);
  table_dirty_ = true;
  return {};
}

void Engine::remove_allowed_ip(Peer& peer, const IpPrefix& prefix) {
  const IpPrefix network = prefix.network();
  const auto found = routes_.find(network);
  if (found == routes_.end() || found->second != peer.id) return;
  routes_.erase(found);
  peer.allowed_ips.erase(std::find(peer.allowed_ips.begin(), peer.allowed_ips.end(), network));
  table_dirty_ = true;
}

void Engine::clear_allowed_ips(Peer& peer) {
  for (const IpPrefix& prefix : peer.allowed_ips) routes_.erase(prefix);
  if (!peer.allowed_ips.empty()) table_dirty_ = true;
  peer.allowed_ips.clear();
}

void Engine::reset_sessions() {
  for (auto& [id, peer] : peers_) {
    forget_initiation(*peer);
    end_sessions(*peer);
    drop_staged(*peer);
    // The first packet after it is up again does not wait for what was sent before (Linux:
    // wg_stop).
    peer->handshake_sent.reset();
  }
}

// --- sessions

void Engine::retire_keypair(Keypair& pair) {
  if (!pair) return;
  indices_.erase(pair.receive->local_index);
  retired_.push_back(std::move(pair.send));
  retired_.push_back(std::move(pair.receive));
  table_dirty_ = true;
}

void Engine::publish_send_keys(Peer& peer) {
  // In this order: one that moves up is always found in one of the two.
  peer.path->send_key.store(peer.current.send.get(), std::memory_order_seq_cst);
  peer.path->next_key.store(peer.next.send.get(), std::memory_order_seq_cst);
}

void Engine::forget_initiation(Peer& peer) {
  if (peer.initiated) indices_.erase(peer.initiated->local_index);
  peer.initiated.reset();
  peer.twin_at.reset();
  peer.retransmit_at.reset();
  peer.attempts = 0;
}

void Engine::end_sessions(Peer& peer) {
  for (Keypair* const pair : {&peer.current, &peer.previous, &peer.next}) retire_keypair(*pair);
  publish_send_keys(peer);
  peer.zero_at.reset();
  peer.watch_at.reset();
  peer.path->watched.store(false, std::memory_order_seq_cst);
  peer.path->data_sent_since.store(0, std::memory_order_relaxed);
  peer.path->data_received_since.store(0, std::memory_order_relaxed);
  peer.keepalive_due = peer.another_keepalive = false;
}

// --- packets that wait

void Engine::drop_staged(Peer& peer) {
  for (const Bytes& packet : peer.staged) budget_.free_bytes += packet.size();
  peer.staged.clear();
}

void Engine::stage(Peer& peer, ByteSpan packet) {
  const auto drop_oldest = [&] {
    budget_.free_bytes += peer.staged.front().size();
    peer.staged.pop_front();
  };
  if (peer.staged.size() >= kMaxStaged) drop_oldest();
  while (budget_.free_bytes < packet.size() && !peer.staged.empty()) drop_oldest();
  if (budget_.free_bytes < packet.size()) return;
  budget_.free_bytes -= packet.size();
  peer.staged.push_back(to_bytes(packet));
}

void Engine::make_ready(Peer& peer) {
  if (peer.ready) return;
  peer.ready = true;
  ready_.push_back(peer.id);
}

void Engine::queue_small(const PathAddress& to, Peer* peer, ByteSpan message) {
  Small small;
  small.to = to;
  small.peer_id = peer == nullptr ? 0 : peer->id;
  std::copy(message.begin(), message.end(), small.bytes.begin());
  small.size = message.size();
  (void)small_.push(std::move(small));
}

void Engine::handle_unsent(Now now, std::uint64_t peer_id, ByteSpan packet) {
  Peer* const peer = by_id(peer_id);
  if (peer == nullptr) return;
  if (!packet.empty()) stage(*peer, packet);
  if (has_session(*peer, now.instant)) {
    make_ready(*peer);  // the session came while the packet was on its way to us
  } else {
    initiate(now, *peer, false);
  }
}

// --- outputs

std::unique_ptr<Table> Engine::take_table() {
  if (!table_dirty_) return nullptr;
  table_dirty_ = false;
  auto table = std::make_unique<Table>();
  std::map<std::uint64_t, std::uint32_t> position;
  table->paths.reserve(peers_.size());
  for (const auto& [id, peer] : peers_) {
    position[id] = static_cast<std::uint32_t>(table->paths.size());
    table->paths.push_back(peer->path.get());
    for (const Keypair* pair : {&peer->current, &peer->previous, &peer->next}) {
      if (*pair) table->keys.push_back({pair->receive->local_index, pair->receive.get()});
    }
  }
  std::sort(table->keys.begin(), table->keys.end(),
            [](const Table::Key& a, const Table::Key& b) { return a.index < b.index; });
  for (const auto& [prefix, id] : routes_) table->routes.insert(prefix, position[id]);
  table->mac1 = checker_.mac1_key();
  return table;
}

std::vector<std::unique_ptr<Retired>> Engine::take_retired() { return std::exchange(retired_, {}); }

std::optional<Engine::Event> Engine::poll_event() { return events_.pop(); }

std::optional<Engine::Transmit> Engine::poll_transmit(Now now, MutableByteSpan buffer) {
  if (auto small = small_.pop()) {
    std::copy_n(small->bytes.begin(), small->size, buffer.begin());
    Peer* const peer = by_id(small->peer_id);
    return Transmit{small->to, peer == nullptr ? nullptr : peer->path.get(), small->size};
  }
  while (!ready_.empty()) {
    Peer& peer = *by_id(ready_.front());
    const auto done = [&] {
      peer.ready = false;
      ready_.pop_front();
    };
    const bool keepalive = peer.staged.empty() && peer.keepalive_due;
    if (peer.staged.empty() && !keepalive) {
      done();
      continue;
    }
    const auto to = peer.path->address.load();
    if (!to || !has_session(peer, now.instant)) {
      done();
      if (to) initiate(now, peer, false);
      // That may have made a message, which is what this call is for.
      if (!small_.empty()) return poll_transmit(now, buffer);
      continue;
    }
    Bytes packet;
    if (!keepalive) {
      packet = std::move(peer.staged.front());
      peer.staged.pop_front();
      budget_.free_bytes += packet.size();
    }
    peer.keepalive_due = false;  // any packet is as good
    const std::size_t padded = padded_size(packet.size(), mtu_);
    const std::size_t size = padded + kTransportOverhead;
    if (size > buffer.size()) continue;
    packet.resize(padded);
    SendKey& key = *peer.current.send;
    const std::uint64_t counter = key.next_counter.fetch_add(1, std::memory_order_relaxed);
    write_transport_header(buffer.data(), key.remote_index, counter);
    aead_seal(key.key, counter_nonce(counter), {}, packet,
              buffer.subspan(kTransportHeaderSize, padded + kTagSize));
    sent(now.instant, peer, !keepalive);
    if (std::exchange(peer.another_keepalive, false)) {
      PeerPath& path = *peer.path;
      path.data_received_since.store(path.last_sent.load() + 1, std::memory_order_seq_cst);
      watch(now.instant, peer);
    }
    if (send_key_use(key, to_ns(now.instant)) == KeyUse::Aging) initiate(now, peer, false);
    return Transmit{*to, peer.path.get(), size};
  }
  return std::nullopt;
}

}  // namespace myst::core::wireguard
