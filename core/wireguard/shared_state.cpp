#include "core/wireguard/shared_state.hpp"

#include <algorithm>
#include <cstring>

namespace myst::core::wireguard {
namespace {

// Words: 0 flags, 1..4 remote address, 5..8 local address, 9 interface; the port is in the flags.
constexpr std::uint32_t kHasRemote = 1u << 16, kRemoteV6 = 1u << 17, kHasLocal = 1u << 18,
                        kLocalV6 = 1u << 19;

void put(std::uint32_t* words, const IpAddress& ip) {
  std::uint8_t bytes[16] = {};
  const ByteSpan from = ip.bytes();
  std::copy(from.begin(), from.end(), bytes);
  std::memcpy(words, bytes, 16);
}

IpAddress get(const std::uint32_t* words, bool v6) {
  ByteArray<16> bytes;
  std::memcpy(bytes.data(), words, 16);
  if (v6) return IpAddress::v6(bytes);
  return IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

}  // namespace

std::optional<PathAddress> SharedAddress::load(std::uint32_t* version) const {
  std::uint32_t words[kWords];
  std::uint32_t before = 0;
  for (;;) {
    before = sequence_.load(std::memory_order_acquire);
    if ((before & 1) != 0) continue;  // a writer is between two stores, a few nanoseconds
    // Acquire, so that the second look at the sequence cannot come before these.
    for (std::size_t i = 0; i < kWords; ++i) words[i] = words_[i].load(std::memory_order_acquire);
    if (sequence_.load(std::memory_order_relaxed) == before) break;
  }
  if (version != nullptr) *version = before;
  if ((words[0] & kHasRemote) == 0) return std::nullopt;
  PathAddress out;
  out.remote.ip = get(words + 1, (words[0] & kRemoteV6) != 0);
  out.remote.port = static_cast<std::uint16_t>(words[0] & 0xffff);
  if ((words[0] & kHasLocal) != 0) out.local = get(words + 5, (words[0] & kLocalV6) != 0);
  out.interface_index = words[9];
  return out;
}

void SharedAddress::store(const std::optional<PathAddress>& address) {
  std::uint32_t words[kWords] = {};
  if (address) {
    words[0] = kHasRemote | address->remote.port;
    if (address->remote.ip.is_v6()) words[0] |= kRemoteV6;
    put(words + 1, address->remote.ip);
    if (address->local) {
      words[0] |= kHasLocal;
      if (address->local->is_v6()) words[0] |= kLocalV6;
      put(words + 5, *address->local);
    }
    words[9] = address->interface_index;
  }
  // Two threads may write (roaming in the receiving one, handshakes in the loop): odd is the lock.
  std::uint32_t even = sequence_.load(std::memory_order_relaxed);
  do {
    even &= ~std::uint32_t{1};
  } while (!sequence_.compare_exchange_weak(even, even + 1, std::memory_order_acquire,
                                            std::memory_order_relaxed));
  for (std::size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_release);
  sequence_.store(even + 2, std::memory_order_release);
}

void SharedAddress::forget_source() {
  std::optional<PathAddress> address = load();
  if (!address || (!address->local && address->interface_index == 0)) return;
  address->local.reset();
  const bool link_local = address->remote.ip.is_v6() && address->remote.ip.bytes()[0] == 0xfe &&
                          (address->remote.ip.bytes()[1] & 0xc0) == 0x80;
  if (!link_local) address->interface_index = 0;
  store(address);
}

ReceiveKey* Table::find_key(std::uint32_t index) const {
  const auto at = std::lower_bound(keys.begin(), keys.end(), index,
                                   [](const Key& key, std::uint32_t i) { return key.index < i; });
  return at != keys.end() && at->index == index ? at->key : nullptr;
}

// Stamps of one instant keep the order of the calls: what comes later is not earlier than what it
// answers, and what asks anew is later than what it follows.
std::uint32_t note_sent(PeerPath& path, std::int64_t now, bool data) {
  path.last_sent.store(std::max(now, path.data_received_since.load(std::memory_order_relaxed)),
                       std::memory_order_relaxed);
  if (!data) return 0;
  // An answer is awaited from the first packet after the peer was heard last.
  const std::int64_t heard = path.last_received.load(std::memory_order_relaxed);
  if (path.data_sent_since.load(std::memory_order_relaxed) > heard) return 0;
  path.data_sent_since.store(std::max(now, heard + 1), std::memory_order_seq_cst);
  return path.watched.load(std::memory_order_seq_cst) ? 0 : kWantTimer;
}

std::uint32_t note_received(PeerPath& path, std::int64_t now, bool data) {
  path.last_received.store(std::max(now, path.data_sent_since.load(std::memory_order_relaxed)),
                           std::memory_order_relaxed);
  if (!data) return 0;
  path.last_data_received.store(now, std::memory_order_relaxed);
  const std::int64_t spoke = path.last_sent.load(std::memory_order_relaxed);
  if (path.data_received_since.load(std::memory_order_relaxed) > spoke) return 0;
  path.data_received_since.store(std::max(now, spoke + 1), std::memory_order_seq_cst);
  return path.watched.load(std::memory_order_seq_cst) ? 0 : kWantTimer;
}

KeyUse send_key_use(const SendKey& key, std::int64_t now) {
  const std::int64_t age = now - key.born;
  const std::uint64_t used = key.next_counter.load(std::memory_order_relaxed);
  if (age >= kRejectAfterTime.count() || used >= kRejectAfterMessages) return KeyUse::Dead;
  if (used >= kRekeyAfterMessages || (key.initiator && age >= kRekeyAfterTime.count())) {
    return KeyUse::Aging;
  }
  return KeyUse::Fresh;
}

}  // namespace myst::core::wireguard
