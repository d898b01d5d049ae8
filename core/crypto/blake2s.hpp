// BLAKE2s (RFC 7693), keyed BLAKE2s, HMAC-BLAKE2s and the key chain of the Noise protocol as
// WireGuard uses it. By hand: libsodium has only BLAKE2b, and loading libcrypto for a handshake
// would cost three megabytes on a node that never opens a tunnel of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "core/base/secret.hpp"
#include "core/base/span.hpp"
#include "core/crypto/digest.hpp"

namespace myst {

class Blake2s {
 public:
  // size 1..32; a key of 1..32 bytes makes it a MAC.
  explicit Blake2s(std::size_t size = 32, ByteSpan key = {});
  ~Blake2s();
  Blake2s(const Blake2s&) = default;
  Blake2s& operator=(const Blake2s&) = default;
  Blake2s& update(ByteSpan data);
  void finish(MutableByteSpan out);  // out has the size given to the constructor

 private:
  void compress(bool last);
  std::array<std::uint32_t, 8> state_;
  ByteArray<64> block_{};
  std::size_t filled_ = 0;
  std::uint64_t count_ = 0;
  std::size_t size_;
};

Digest32 blake2s(std::initializer_list<ByteSpan> parts);  // of their concatenation
ByteArray<16> blake2s_mac(ByteSpan key, ByteSpan data);   // keyed, 16 bytes out
Digest32 hmac_blake2s(ByteSpan key, std::initializer_list<ByteSpan> parts);

// HKDF as Noise defines it: outputs 1, 2, 3 of (chaining key, input). Empty input allowed.
struct Kdf1 {
  Secret<32> first;
};
struct Kdf2 {
  Secret<32> first, second;
};
struct Kdf3 {
  Secret<32> first, second, third;
};
Kdf1 kdf1(const Secret<32>& chaining_key, ByteSpan input);
Kdf2 kdf2(const Secret<32>& chaining_key, ByteSpan input);
Kdf3 kdf3(const Secret<32>& chaining_key, ByteSpan input);

}  // namespace myst
