#include "core/crypto/keccak.hpp"

#include <algorithm>
#include <cstring>

namespace myst {
namespace {

// FIPS 202 section 3.2; lanes of 64 bits, little-endian on the wire.
constexpr std::uint64_t kRoundConstants[24] = {
    0x0000000000000001u, 0x0000000000008082u, 0x800000000000808au, 0x8000000080008000u,
    0x000000000000808bu, 0x0000000080000001u, 0x8000000080008081u, 0x8000000000008009u,
    0x000000000000008au, 0x0000000000000088u, 0x0000000080008009u, 0x000000008000000au,
    0x000000008000808bu, 0x800000000000008bu, 0x8000000000008089u, 0x8000000000008003u,
    0x8000000000008002u, 0x8000000000000080u, 0x000000000000800au, 0x800000008000000au,
    0x8000000080008081u, 0x8000000000008080u, 0x0000000080000001u, 0x8000000080008008u};
// rho and pi along the cycle that starts at lane (1, 0).
constexpr unsigned kRotations[24] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                     27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};
constexpr std::size_t kLanes[24] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                    15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};

constexpr std::uint64_t rotate(std::uint64_t value, unsigned by) {
  return value << by | value >> (64 - by);
}

void permute(std::array<std::uint64_t, 25>& a) {
  for (const std::uint64_t constant : kRoundConstants) {
    std::uint64_t c[5];
#pragma GCC unroll 5
    for (std::size_t x = 0; x < 5; ++x) c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
#pragma GCC unroll 5
    for (std::size_t x = 0; x < 5; ++x) {
      const std::uint64_t d = c[(x + 4) % 5] ^ rotate(c[(x + 1) % 5], 1);
      a[x] ^= d;
      a[x + 5] ^= d;
      a[x + 10] ^= d;
      a[x + 15] ^= d;
      a[x + 20] ^= d;
    }
    std::uint64_t carried = a[1];
#pragma GCC unroll 24
    for (std::size_t i = 0; i < 24; ++i) {
      const std::uint64_t next = a[kLanes[i]];
      a[kLanes[i]] = rotate(carried, kRotations[i]);
      carried = next;
    }
#pragma GCC unroll 5
    for (std::size_t y = 0; y < 25; y += 5) {
      const std::uint64_t a0 = a[y], a1 = a[y + 1];
      a[y] ^= ~a1 & a[y + 2];
      a[y + 1] ^= ~a[y + 2] & a[y + 3];
      a[y + 2] ^= ~a[y + 3] & a[y + 4];
      a[y + 3] ^= ~a[y + 4] & a0;
      a[y + 4] ^= ~a0 & a1;
    }
    a[0] ^= constant;
  }
}

std::uint64_t little_endian(const std::uint8_t* p) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < 8; ++i) value |= std::uint64_t{p[i]} << (8 * i);
  return value;
}

}  // namespace

Keccak256& Keccak256::update(ByteSpan data) {
  while (!data.empty()) {
    const std::size_t count = std::min(data.size(), kRate - filled_);
    std::memcpy(block_.data() + filled_, data.data(), count);
    data = data.subspan(count);
    filled_ += count;
    if (filled_ == kRate) {
      for (std::size_t i = 0; i < kRate / 8; ++i) state_[i] ^= little_endian(&block_[8 * i]);
      permute(state_);
      filled_ = 0;
    }
  }
  return *this;
}

Digest32 Keccak256::finish() {
  std::memset(block_.data() + filled_, 0, kRate - filled_);
  block_[filled_] ^= 0x01;
  block_[kRate - 1] ^= 0x80;
  for (std::size_t i = 0; i < kRate / 8; ++i) state_[i] ^= little_endian(&block_[8 * i]);
  permute(state_);
  Digest32 digest;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::uint8_t>(state_[i / 8] >> (8 * (i % 8)));
  }
  return digest;
}

Digest32 keccak256(ByteSpan data) { return Keccak256().update(data).finish(); }

}  // namespace myst
