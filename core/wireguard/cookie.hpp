// mac1, mac2 and cookie replies: what a flood of handshakes has to pay before we compute.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "core/base/net.hpp"
#include "core/base/rng.hpp"
#include "core/base/secret.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/crypto/digest.hpp"
#include "core/wireguard/noise.hpp"

namespace myst::core::wireguard {

// Key of mac1 for messages to the holder of `public_key`.
Digest32 mac1_key(const PublicKey& public_key);
// Message: an initiation or a response. Any thread.
bool mac1_valid(const Digest32& key, ByteSpan message);
// An initiation or response that shows a cookie, right or wrong. Any thread.
bool has_mac2(ByteSpan message);

// The receiver's side, one per device.
class CookieChecker {
 public:
  explicit CookieChecker(const PublicKey& own);
  const Digest32& mac1_key() const { return mac1_key_; }
  bool mac2_valid(Instant now, const Endpoint& from, ByteSpan message) const;
  // Answers an initiation or response whose mac1 is right.
  ByteArray<kCookieReplySize> make_reply(Instant now, const Endpoint& from, ByteSpan message,
                                         Rng& rng);

 private:
  ByteArray<16> cookie_for(const Endpoint& from) const;
  Digest32 mac1_key_, cookie_key_;
  Secret<32> secret_;
  std::optional<Instant> secret_made_;
};

// The sender's side, one per peer.
class CookieStore {
 public:
  explicit CookieStore(const PublicKey& peer);
  void add_macs(Instant now, MutableByteSpan message);
  // Rejected: not an answer to what we sent last.
  Status consume_reply(Instant now, ByteSpan reply);

 private:
  Digest32 mac1_key_, cookie_key_;
  ByteArray<16> last_mac1_{};
  bool sent_ = false;
  ByteArray<16> cookie_{};
  std::optional<Instant> cookie_received_;
};

// Handshakes a source address may cost us while under load, after it has proven by its cookie that
// it is real: 20 a second, 5 at once (as the kernel module). IPv6 sources count by /64.
class RateLimiter {
 public:
  static constexpr std::size_t kMaxSources = 1024;  // full: the source is refused
  bool allow(Instant now, const IpAddress& source);

 private:
  struct Bucket {
    Instant last;
    Duration credit;
  };
  std::map<IpAddress, Bucket> buckets_;
  std::optional<Instant> swept_;
};

}  // namespace myst::core::wireguard
