#include "core/wireguard/cookie.hpp"

#include <algorithm>

#include "core/crypto/aead.hpp"
#include "core/crypto/blake2s.hpp"

namespace myst::core::wireguard {
namespace {

constexpr std::string_view kLabelMac1 = "mac1----";
constexpr std::string_view kLabelCookie = "cookie--";

ByteSpan without_macs(ByteSpan message) { return message.first(message.size() - 2 * kMacSize); }
ByteSpan without_mac2(ByteSpan message) { return message.first(message.size() - kMacSize); }
ByteSpan mac1_of(ByteSpan message) {
  return message.subspan(message.size() - 2 * kMacSize, kMacSize);
}
ByteSpan mac2_of(ByteSpan message) { return message.subspan(message.size() - kMacSize, kMacSize); }

}  // namespace

Digest32 mac1_key(const PublicKey& public_key) {
  return blake2s({as_bytes(kLabelMac1), public_key});
}

bool mac1_valid(const Digest32& key, ByteSpan message) {
  if (message.size() < 2 * kMacSize) return false;
  return equal_constant_time(blake2s_mac(key, without_macs(message)), mac1_of(message));
}

bool has_mac2(ByteSpan message) {
  const auto type = message_type(message);
  if (type != MessageType::Initiation && type != MessageType::Response) return false;
  const ByteSpan mac2 = mac2_of(message);
  return std::any_of(mac2.begin(), mac2.end(), [](std::uint8_t byte) { return byte != 0; });
}

CookieChecker::CookieChecker(const PublicKey& own)
    : mac1_key_(wireguard::mac1_key(own)), cookie_key_(blake2s({as_bytes(kLabelCookie), own})) {}

ByteArray<16> CookieChecker::cookie_for(const Endpoint& from) const {
  ByteArray<18> source{};
  const ByteSpan ip = from.ip.bytes();
  std::copy(ip.begin(), ip.end(), source.begin());
  source[ip.size()] = static_cast<std::uint8_t>(from.port >> 8);
  source[ip.size() + 1] = static_cast<std::uint8_t>(from.port & 0xff);
  return blake2s_mac(secret_.bytes(), ByteSpan(source).first(ip.size() + 2));
}

bool CookieChecker::mac2_valid(Instant now, const Endpoint& from, ByteSpan message) const {
  if (!secret_made_ || now - *secret_made_ > kCookieLifetime) return false;
  const ByteArray<16> cookie = cookie_for(from);
  return equal_constant_time(blake2s_mac(cookie, without_mac2(message)), mac2_of(message));
}

ByteArray<kCookieReplySize> CookieChecker::make_reply(Instant now, const Endpoint& from,
                                                      ByteSpan message, Rng& rng) {
  if (!secret_made_ || now - *secret_made_ > kCookieLifetime) {
    rng.fill(secret_.mutable_bytes());
    secret_made_ = now;
  }
  ByteArray<kCookieReplySize> reply{};
  store_le32(reply.data(), static_cast<std::uint32_t>(MessageType::Cookie));
  std::copy_n(message.begin() + 4, 4, reply.begin() + 4);  // their sender is our receiver
  const auto nonce = rng.bytes<24>();
  std::copy(nonce.begin(), nonce.end(), reply.begin() + 8);
  xaead_seal(Secret<32>(cookie_key_), nonce, mac1_of(message), cookie_for(from),
             MutableByteSpan(reply).subspan(32));
  return reply;
}

CookieStore::CookieStore(const PublicKey& peer)
    : mac1_key_(wireguard::mac1_key(peer)), cookie_key_(blake2s({as_bytes(kLabelCookie), peer})) {}

void CookieStore::add_macs(Instant now, MutableByteSpan message) {
  const ByteSpan view(message.data(), message.size());
  last_mac1_ = blake2s_mac(mac1_key_, without_macs(view));
  sent_ = true;
  std::copy(last_mac1_.begin(), last_mac1_.end(), message.end() - 2 * kMacSize);
  if (cookie_received_ && now - *cookie_received_ < kCookieLifetime - kCookieLatency) {
    const ByteArray<16> mac2 = blake2s_mac(cookie_, without_mac2(view));
    std::copy(mac2.begin(), mac2.end(), message.end() - kMacSize);
  } else {
    std::fill(message.end() - kMacSize, message.end(), std::uint8_t{0});
  }
}

Status CookieStore::consume_reply(Instant now, ByteSpan reply) {
  if (!sent_) return Error{Errc::Rejected, 0, "cookie without handshake"};
  ByteArray<24> nonce;
  std::copy_n(reply.begin() + 8, nonce.size(), nonce.begin());
  ByteArray<16> cookie;
  MYST_TRY(xaead_open(Secret<32>(cookie_key_), nonce, last_mac1_, reply.subspan(32), cookie));
  cookie_ = cookie;
  cookie_received_ = now;
  sent_ = false;  // one reply a message
  return {};
}

bool RateLimiter::allow(Instant now, const IpAddress& source) {
  constexpr Duration kCost = std::chrono::milliseconds{50};
  constexpr Duration kBurst = 5 * kCost;
  const IpAddress key = source.is_v6() ? IpPrefix{source, 64}.network().ip : source;
  if (!swept_ || now - *swept_ >= std::chrono::seconds{1}) {
    swept_ = now;
    for (auto it = buckets_.begin(); it != buckets_.end();) {
      it = now - it->second.last > std::chrono::seconds{1} ? buckets_.erase(it) : std::next(it);
    }
  }
  const auto found = buckets_.find(key);
  if (found == buckets_.end()) {
    if (buckets_.size() >= kMaxSources) return false;
    buckets_.emplace(key, Bucket{now, kBurst - kCost});
    return true;
  }
  Bucket& bucket = found->second;
  bucket.credit = std::min(kBurst, bucket.credit + (now - bucket.last));
  bucket.last = now;
  if (bucket.credit < kCost) return false;
  bucket.credit -= kCost;
  return true;
}

}  // namespace myst::core::wireguard
