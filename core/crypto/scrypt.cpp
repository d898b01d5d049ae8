#include "core/crypto/scrypt.hpp"

#include <sodium.h>

#include <cerrno>

#include "core/crypto/sodium_ready.hpp"

namespace myst {

std::uint64_t ScryptCost::memory_bytes() const {
  // RFC 7914: V is 128*r*N, B is 128*r*p, the block mixer needs 256*r and a bit.
  constexpr std::uint64_t kTooMuch = UINT64_MAX;
  const std::uint64_t block = std::uint64_t{128} * r;
  if (block == 0) return 0;
  if (n > (kTooMuch >> 2) / block || p > (kTooMuch >> 2) / block) return kTooMuch;
  return block * n + block * p + 2 * block + 64;
}

Status scrypt(ByteSpan password, ByteSpan salt, const ScryptCost& cost, MutableByteSpan out) {
  // The bound on r * p is the RFC's; the one on memory keeps every sum below 2^32 for 32-bit.
  if (cost.n < 2 || (cost.n & (cost.n - 1)) != 0 || cost.r == 0 || cost.p == 0 ||
      std::uint64_t{cost.r} * cost.p >= (1u << 30)) {
    return Error{Errc::Malformed, 0, "scrypt parameters"};
  }
  if (cost.memory_bytes() > (std::uint64_t{1} << 31)) {
    return Error{Errc::Unavailable, 0, "scrypt parameters ask for more than 2 GB"};
  }
  detail::sodium_ready();
  // libsodium maps its working memory and unmaps it before it returns, so nothing stays in malloc.
  if (crypto_pwhash_scryptsalsa208sha256_ll(detail::not_null(password), password.size(),
                                            detail::not_null(salt), salt.size(), cost.n, cost.r,
                                            cost.p, out.data(), out.size()) != 0) {
    if (errno == EINVAL) return Error{Errc::Malformed, 0, "scrypt parameters"};
    return Error{Errc::Unavailable, 0, "not enough memory for scrypt"};
  }
  return {};
}

}  // namespace myst
