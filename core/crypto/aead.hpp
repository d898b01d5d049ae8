// ChaCha20-Poly1305 (RFC 8439) twice: one-shot functions for handshakes, through libsodium; and for
// tunnel data an object per thread and direction through libcrypto, whose NEON and AVX code is the
// fastest at hand. libcrypto is loaded by the first such object, not at program start; where it is
// missing, libsodium does this too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/base/result.hpp"
#include "core/base/secret.hpp"
#include "core/base/span.hpp"

namespace myst {

inline constexpr std::size_t kAeadTagSize = 16;
using AeadNonce = ByteArray<12>;

// Four zero bytes, then the counter little-endian: the nonce of WireGuard's messages.
inline AeadNonce counter_nonce(std::uint64_t counter) {
  AeadNonce nonce{};
  for (unsigned i = 0; i < 8; ++i) nonce[4 + i] = static_cast<std::uint8_t>(counter >> (8 * i));
  return nonce;
}

// out: plaintext.size() + 16 bytes, ciphertext then tag; may start where the plaintext does.
void aead_seal(const Secret<32>& key, const AeadNonce& nonce, ByteSpan associated,
               ByteSpan plaintext, MutableByteSpan out);
// out: sealed.size() - 16 bytes. Rejected: altered, another key, or shorter than a tag; out is then
// without meaning.
Status aead_open(const Secret<32>& key, const AeadNonce& nonce, ByteSpan associated,
                 ByteSpan sealed, MutableByteSpan out);

// XChaCha20-Poly1305 with a 24-byte nonce, as WireGuard's cookies use it. Same rules.
void xaead_seal(const Secret<32>& key, const ByteArray<24>& nonce, ByteSpan associated,
                ByteSpan plaintext, MutableByteSpan out);
Status xaead_open(const Secret<32>& key, const ByteArray<24>& nonce, ByteSpan associated,
                  ByteSpan sealed, MutableByteSpan out);

namespace detail {
struct Libcrypto;
struct AeadContextFree {
  void operator()(void* context) const;
};
struct ChachaContextFree {
  void operator()(void* context) const;
};
struct PolyContextFree {
  void operator()(void* context) const;
};
}  // namespace detail

// Seals and opens in place without associated data. One object serves one thread and one
// direction; a key change is cheap. No call allocates but the constructor.
class BulkAead {
 public:
  enum class Direction : std::uint8_t { Seal, Open };
  explicit BulkAead(Direction direction);
  ~BulkAead();

  bool set_key(const Secret<32>& key);
  // buffer: plaintext and 16 bytes of room for the tag.
  bool seal(std::uint64_t counter, MutableByteSpan buffer);
  // buffer: ciphertext and tag; false: altered or another key, and the buffer is without meaning.
  bool open(std::uint64_t counter, MutableByteSpan buffer);

 private:
  static constexpr std::size_t kBlock = 64;
  static constexpr std::size_t kAtOnce = 2048;

  bool cipher_at_once(std::uint64_t counter, const std::uint8_t* data, std::size_t size);
  bool seal_at_once(std::uint64_t counter, std::uint8_t* data, std::size_t size);
  bool open_at_once(std::uint64_t counter, std::uint8_t* data, std::size_t size);

  Direction direction_;
  const detail::Libcrypto* library_;
  // libcrypto's, or null: the whole for messages above kAtOnce, its two parts for all others.
  std::unique_ptr<void, detail::AeadContextFree> aead_;
  std::unique_ptr<void, detail::ChachaContextFree> chacha_;
  std::unique_ptr<void, detail::PolyContextFree> poly_;
  Secret<32> key_;  // where libcrypto is missing
  // A block of zeros, which becomes Poly1305's key, the message, and room for its last block and
  // for what the tag covers behind it.
  alignas(kBlock) std::uint8_t work_[kBlock + kAtOnce + kBlock] = {};
};

}  // namespace myst
