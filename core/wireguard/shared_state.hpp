// What the loop's thread and the data threads share of a device, without locks:
//
//   Table      immutable: keys by receiver index, routes, mac1 key. The loop publishes a new one.
//   SendKey    immutable but for the nonce counter, which any sender takes numbers from.
//   ReceiveKey immutable but for the replay window, which is the receiving thread's.
//   PeerPath   one a peer: where to send to, counters, and the stamps the timers are made of.
//
// Objects that may still be in use are not deleted but given out as Retired; their owner deletes
// them once every data thread has passed a moment in which it held nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/secret.hpp"
#include "core/base/time.hpp"
#include "core/crypto/digest.hpp"
#include "core/wireguard/allowed_ips.hpp"
#include "core/wireguard/messages.hpp"
#include "core/wireguard/replay_window.hpp"

namespace myst::core::wireguard {

struct Retired {
  virtual ~Retired() = default;
};

// Two ends of the outer path. `local` and `interface_index` keep answers on the address and link
// the peer spoke to; unset where the kernel shall choose.
struct PathAddress {
  Endpoint remote;
  std::optional<IpAddress> local;
  std::uint32_t interface_index = 0;  // also the scope of a link-local remote
  bool operator==(const PathAddress& o) const {
    return remote == o.remote && local == o.local && interface_index == o.interface_index;
  }
  bool operator!=(const PathAddress& o) const { return !(*this == o); }
};

// A PathAddress that one thread may change while another reads it: a sequence lock over words.
class SharedAddress {
 public:
  std::uint32_t version() const { return sequence_.load(std::memory_order_acquire); }
  // nullopt: none known. `version` (may be null) gets what version() was.
  std::optional<PathAddress> load(std::uint32_t* version = nullptr) const;
  void store(const std::optional<PathAddress>& address);
  void forget_source();  // keeps the remote end

 private:
  static constexpr std::size_t kWords = 10;
  std::atomic<std::uint32_t> sequence_{0};
  std::atomic<std::uint32_t> words_[kWords] = {};
};

struct PeerPath;
struct ReceiveKey;

struct SendKey : Retired {
  Secret<32> key;
  const ReceiveKey* receive = nullptr;  // of the same pair, retired together with it
  std::uint32_t remote_index = 0;
  std::int64_t born = 0;  // nanoseconds of Instant
  bool initiator = false;
  std::atomic<std::uint64_t> next_counter{0};
  std::int64_t asked = 0;  // the sending thread's: when it asked for a successor
};

struct ReceiveKey : Retired {
  Secret<32> key;
  std::uint32_t local_index = 0;
  std::int64_t born = 0;
  bool initiator = false;
  PeerPath* path = nullptr;
  // The receiving thread's:
  ReplayWindow window;
  bool asked_last_minute = false;
  // Set by the receiving thread with the first packet: a responder may use the session from then.
  std::atomic<bool> confirmed{false};
};

// What a data thread wants of the loop, bits of PeerPath::attention.
inline constexpr std::uint32_t kWantHandshake = 1;  // no key, or the key is getting old
inline constexpr std::uint32_t kWantTimer = 2;      // a timer may have to run
inline constexpr std::uint32_t kConfirmed = 4;      // a responder's new session carries data

inline std::int64_t to_ns(Instant t) { return t.time_since_epoch().count(); }
inline Instant from_ns(std::int64_t ns) { return Instant{Duration{ns}}; }

struct PeerPath : Retired {
  std::atomic<SendKey*> send_key{nullptr};
  // A responder's new key, for sending as soon as it is confirmed: the answer to the packet that
  // confirms it leaves before the loop has heard of it, and the peer may have no older session.
  std::atomic<SendKey*> next_key{nullptr};
  SendKey* key_to_send() const {
    SendKey* const next = next_key.load(std::memory_order_seq_cst);
    if (next != nullptr && next->receive->confirmed.load(std::memory_order_acquire)) return next;
    return send_key.load(std::memory_order_seq_cst);
  }
  SharedAddress address;
  std::uint64_t id = 0;      // of the peer in its engine, never reused
  std::uint64_t device = 0;  // the driver's number for the device

  // As `wg show` counts.
  std::atomic<std::uint64_t> tx_bytes{0}, rx_bytes{0};

  // Stamps in nanoseconds of Instant, 0: never. Written once a batch.
  std::atomic<std::int64_t> last_sent{0};            // anything authentic
  std::atomic<std::int64_t> last_received{0};        // anything authentic
  std::atomic<std::int64_t> last_data_received{0};   // with a packet inside
  std::atomic<std::int64_t> data_sent_since{0};      // first data after last_received
  std::atomic<std::int64_t> data_received_since{0};  // first data after last_sent
  // The loop looks at the stamps by itself within Keepalive-Timeout; else it has to be told.
  std::atomic<bool> watched{false};

  std::atomic<std::uint32_t> attention{0};
  PeerPath* next_attention = nullptr;  // see AttentionList

  // The receiving thread's memory of the address it has seen last.
  PathAddress seen;
  std::uint32_t seen_version = 0;
};

// Peers that want something of the loop. Any thread adds, the loop takes all.
class AttentionList {
 public:
  // True: the loop must be woken, because the list was empty.
  bool add(PeerPath& path, std::uint32_t bits) {
    if (path.attention.fetch_or(bits, std::memory_order_acq_rel) != 0) return false;  // is listed
    PeerPath* head = head_.load(std::memory_order_relaxed);
    do {
      path.next_attention = head;
    } while (!head_.compare_exchange_weak(head, &path, std::memory_order_release,
                                          std::memory_order_relaxed));
    return head == nullptr;
  }
  // Calls f(path, bits) for each peer listed.
  template <typename F>
  void take_all(F&& f) {
    PeerPath* at = head_.exchange(nullptr, std::memory_order_acquire);
    while (at != nullptr) {
      PeerPath* const next = at->next_attention;
      const std::uint32_t bits = at->attention.exchange(0, std::memory_order_acq_rel);
      f(*at, bits);
      at = next;
    }
  }

 private:
  std::atomic<PeerPath*> head_{nullptr};
};

// Everything a data thread looks up, as of one moment.
struct Table : Retired {
  struct Key {
    std::uint32_t index;
    ReceiveKey* key;
  };
  std::vector<Key> keys;  // sorted by index
  PrefixTrie routes;      // values: positions in `paths`
  std::vector<PeerPath*> paths;
  Digest32 mac1{};

  ReceiveKey* find_key(std::uint32_t index) const;
  // By the destination (or source) of an IP packet's header; null: no peer, or no IP packet.
  PeerPath* route_v4(const std::uint8_t* address) const {
    const std::uint32_t at = routes.find_v4(address);
    return at == PrefixTrie::kNone ? nullptr : paths[at];
  }
  PeerPath* route_v6(const std::uint8_t* address) const {
    const std::uint32_t at = routes.find_v6(address);
    return at == PrefixTrie::kNone ? nullptr : paths[at];
  }
};

// What the data threads do to the stamps: once a batch, after it was sent or accepted. The value
// says what the loop has to hear, 0: nothing.
std::uint32_t note_sent(PeerPath& path, std::int64_t now, bool data);
std::uint32_t note_received(PeerPath& path, std::int64_t now, bool data);

// May this key still send, and does it want a successor?
enum class KeyUse : std::uint8_t { Fresh, Aging, Dead };
KeyUse send_key_use(const SendKey& key, std::int64_t now);

}  // namespace myst::core::wireguard
