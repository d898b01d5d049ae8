// One WireGuard device without sockets, clocks and threads: peers, handshakes, timers, cookies and
// the packets that wait for a session. The owner feeds what data threads could not settle by
// themselves, then drains, in this order:
//
//   engine.handle_message(now, from, bytes, under_load);      // or any other input
//   if (auto table = engine.take_table()) publish(std::move(table));
//   retire(engine.take_retired());                            // nothing points there any more
//   while (auto out = engine.poll_transmit(buffer)) send(*out, buffer);
//   while (auto event = engine.poll_event()) ...
//   timer.arm(engine.next_timeout());
//
// Established traffic never comes here: data threads seal and open it with the keys of the
// published Table (shared_state.hpp).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/fixed_queue.hpp"
#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/secret.hpp"
#include "core/base/time.hpp"
#include "core/wireguard/cookie.hpp"
#include "core/wireguard/messages.hpp"
#include "core/wireguard/noise.hpp"
#include "core/wireguard/shared_state.hpp"

namespace myst::core::wireguard {

// Room for packets that wait for a handshake, shared by all devices of a process.
struct StageBudget {
  std::size_t free_bytes = 256 * 1024;
};

class Engine {
 public:
  static constexpr std::size_t kMaxPeers = 1024;       // full: add_peer says so
  static constexpr std::size_t kMaxAllowedIps = 8192;  // of all peers; full: add_allowed_ip says so
  static constexpr std::size_t kMaxSmall = 32;
  static constexpr std::size_t kMaxStaged = 16;  // packets a peer; full: its oldest is dropped

  struct Keypair {
    std::unique_ptr<SendKey> send;
    std::unique_ptr<ReceiveKey> receive;
    explicit operator bool() const { return send != nullptr; }
  };

  // Read by the owner; changed by the functions below.
  struct Peer {
    Peer(const PublicKey& key, std::uint64_t number);
    Remote remote;
    std::uint64_t id;
    std::uint16_t keepalive_s = 0;
    std::vector<IpPrefix> allowed_ips;  // sorted, host bits cleared
    std::unique_ptr<PeerPath> path;
    std::optional<WallTime> last_handshake;
    bool has_preshared_key = false;

    // The engine's own.
    CookieStore cookies;
    std::optional<HandshakeState> initiated;  // we wait for the response to it
    Timestamp greatest_received{}, last_timestamp{};
    std::optional<Instant> initiation_consumed, handshake_sent;
    unsigned attempts = 0;
    Keypair current, previous, next;
    std::optional<Instant> retransmit_at, zero_at, watch_at;
    std::optional<Instant> speak_at;  // a keepalive that was just configured
    // The first message of a peer's first handshake, to go out once more as it is.
    std::optional<Instant> twin_at;
    Bytes twin;
    Instant persistent_base{};
    Duration answer_jitter{};
    std::deque<Bytes> staged;
    bool keepalive_due = false, another_keepalive = false, ready = false;
  };

  struct Transmit {
    PathAddress to;
    PeerPath* path = nullptr;  // whose tx_bytes it counts; null: a cookie reply
    std::size_t size = 0;
  };
  struct Event {
    PublicKey peer{};
    bool had_session = false;  // a renewal: the one before still worked
  };

  Engine(Rng& rng, StageBudget& budget, std::uint64_t device = 0);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // --- configuration. A changed table is ready for take_table() afterwards.
  void set_private_key(const Secret<32>& key);  // ends all sessions when it differs; zero: none
  const Identity& identity() const { return identity_; }
  void set_mtu(std::size_t mtu) { mtu_ = mtu; }
  std::size_t mtu() const { return mtu_; }
  Peer* find_peer(const PublicKey& key);
  // Rejected: our own key. Full: kMaxPeers. An existing peer is returned as it is.
  Result<Peer*> add_peer(const PublicKey& key);
  void remove_peer(const PublicKey& key);
  void remove_all_peers();
  void set_preshared_key(Peer& peer, const Secret<32>& key);  // zero: none
  void set_endpoint(Peer& peer, const Endpoint& endpoint);
  void set_keepalive(Instant now, Peer& peer, std::uint16_t seconds);
  // Takes the prefix from the peer that had it.
  Status add_allowed_ip(Peer& peer, const IpPrefix& prefix);
  void remove_allowed_ip(Peer& peer, const IpPrefix& prefix);
  void clear_allowed_ips(Peer& peer);
  // In order of creation.
  const std::map<std::uint64_t, std::unique_ptr<Peer>>& peers() const { return peers_; }
  // Forgets sessions and handshakes (the link went down); configuration stays.
  void reset_sessions();

  // --- inputs
  // A handshake or cookie message whose mac1 is right (cookies have none). Error: dropped.
  Status handle_message(Now now, const PathAddress& from, ByteSpan message, bool under_load);
  // A packet a data thread had no key for: staged, and a handshake begins. Empty: only the latter.
  void handle_unsent(Now now, std::uint64_t peer_id, ByteSpan packet);
  void handle_attention(Now now, std::uint64_t peer_id, std::uint32_t bits);
  void handle_timeout(Now now);

  // --- outputs
  std::unique_ptr<Table> take_table();  // null: unchanged
  std::vector<std::unique_ptr<Retired>> take_retired();
  // One datagram into `buffer` (room for the largest packet and its overhead).
  std::optional<Transmit> poll_transmit(Now now, MutableByteSpan buffer);
  std::optional<Event> poll_event();
  // Handshake messages that wait for poll_transmit(); beyond kMaxSmall the newest are dropped.
  std::size_t waiting_messages() const { return small_.size(); }
  std::optional<Instant> next_timeout() const;

 private:
  struct Small {
    PathAddress to;
    std::uint64_t peer_id = 0;  // 0: none
    ByteArray<kInitiationSize> bytes{};
    std::size_t size = 0;
  };
  struct IndexOwner {
    std::uint64_t peer_id = 0;
    bool handshake = false;  // else a session
  };

  Peer* by_id(std::uint64_t id);
  std::uint32_t new_index(std::uint64_t peer_id, bool handshake);
  void compute_static(Peer& peer);
  void retire_keypair(Keypair& pair);
  void publish_send_keys(Peer& peer);
  void forget_initiation(Peer& peer);
  void end_sessions(Peer& peer);
  void drop_staged(Peer& peer);
  void stage(Peer& peer, ByteSpan packet);
  void make_ready(Peer& peer);
  void queue_small(const PathAddress& to, Peer* peer, ByteSpan message);

  // engine_handshake.cpp
  Status consume_initiation(Now now, const PathAddress& from, ByteSpan message);
  Status consume_response(Now now, const PathAddress& from, ByteSpan message);
  Status consume_cookie(Now now, ByteSpan message);
  void initiate(Now now, Peer& peer, bool retry);
  Keypair make_keypair(Instant now, Peer& peer, TransportKeys&& keys, std::uint32_t local_index,
                       std::uint32_t remote_index, bool initiator);
  void handshake_complete(Now now, Peer& peer, bool had_session);
  void confirm_next(Now now, Peer& peer);
  bool has_session(const Peer& peer, Instant now) const;
  void set_address(Peer& peer, const PathAddress& from);

  // engine_timers.cpp
  struct Deadlines {
    std::optional<Instant> keepalive, answer, persistent;
  };
  Deadlines deadlines(const Peer& peer) const;
  void run_timers(Now now, Peer& peer);
  void watch(Instant now, Peer& peer);
  void send_keepalive(Now now, Peer& peer);
  void send_twin(Instant now, Peer& peer, ByteSpan message);
  void sent(Instant now, Peer& peer, bool data);
  void received(Instant now, Peer& peer);

  Rng& rng_;
  StageBudget& budget_;
  std::uint64_t device_;
  Identity identity_;
  CookieChecker checker_;
  RateLimiter limiter_;
  std::size_t mtu_ = 1420;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, std::unique_ptr<Peer>> peers_;
  std::map<PublicKey, std::uint64_t> by_key_;
  std::map<IpPrefix, std::uint64_t, bool (*)(const IpPrefix&, const IpPrefix&)> routes_;
  std::map<std::uint32_t, IndexOwner> indices_;
  bool table_dirty_ = true;
  std::vector<std::unique_ptr<Retired>> retired_;
  std::deque<std::uint64_t> ready_;  // peers with something to send; each at most once
  // Full: the newest handshake message is dropped; every one of them is repeated by its timer.
  FixedQueue<Small, kMaxSmall> small_;
  FixedQueue<Event, 64> events_;  // full: the event is lost, statistics still show the handshake
};

}  // namespace myst::core::wireguard
