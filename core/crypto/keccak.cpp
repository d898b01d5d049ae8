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
constexpr std::uint64_t rotate(std::uint64_t value, unsigned by) {
  return value << by | value >> (64 - by);
}

// One round, lane (x, y) at x + 5 * y. Every index is a constant, so that the compiler may keep
// lanes in registers whatever it thinks of unrolling.
inline void round(std::uint64_t (&a)[25], std::uint64_t constant) {
  const std::uint64_t c0 = a[0] ^ a[5] ^ a[10] ^ a[15] ^ a[20];
  const std::uint64_t c1 = a[1] ^ a[6] ^ a[11] ^ a[16] ^ a[21];
  const std::uint64_t c2 = a[2] ^ a[7] ^ a[12] ^ a[17] ^ a[22];
  const std::uint64_t c3 = a[3] ^ a[8] ^ a[13] ^ a[18] ^ a[23];
  const std::uint64_t c4 = a[4] ^ a[9] ^ a[14] ^ a[19] ^ a[24];
  const std::uint64_t d0 = c4 ^ rotate(c1, 1), d1 = c0 ^ rotate(c2, 1), d2 = c1 ^ rotate(c3, 1);
  const std::uint64_t d3 = c2 ^ rotate(c4, 1), d4 = c3 ^ rotate(c0, 1);
  const std::uint64_t b0 = a[0] ^ d0, b1 = rotate(a[6] ^ d1, 44), b2 = rotate(a[12] ^ d2, 43),
                      b3 = rotate(a[18] ^ d3, 21), b4 = rotate(a[24] ^ d4, 14);
  const std::uint64_t b5 = rotate(a[3] ^ d3, 28), b6 = rotate(a[9] ^ d4, 20),
                      b7 = rotate(a[10] ^ d0, 3), b8 = rotate(a[16] ^ d1, 45),
                      b9 = rotate(a[22] ^ d2, 61);
  const std::uint64_t b10 = rotate(a[1] ^ d1, 1), b11 = rotate(a[7] ^ d2, 6),
                      b12 = rotate(a[13] ^ d3, 25), b13 = rotate(a[19] ^ d4, 8),
                      b14 = rotate(a[20] ^ d0, 18);
  const std::uint64_t b15 = rotate(a[4] ^ d4, 27), b16 = rotate(a[5] ^ d0, 36),
                      b17 = rotate(a[11] ^ d1, 10), b18 = rotate(a[17] ^ d2, 15),
                      b19 = rotate(a[23] ^ d3, 56);
  const std::uint64_t b20 = rotate(a[2] ^ d2, 62), b21 = rotate(a[8] ^ d3, 55),
                      b22 = rotate(a[14] ^ d4, 39), b23 = rotate(a[15] ^ d0, 41),
                      b24 = rotate(a[21] ^ d1, 2);
  a[0] = b0 ^ (~b1 & b2) ^ constant;
  a[1] = b1 ^ (~b2 & b3);
  a[2] = b2 ^ (~b3 & b4);
  a[3] = b3 ^ (~b4 & b0);
  a[4] = b4 ^ (~b0 & b1);
  a[5] = b5 ^ (~b6 & b7);
  a[6] = b6 ^ (~b7 & b8);
  a[7] = b7 ^ (~b8 & b9);
  a[8] = b8 ^ (~b9 & b5);
  a[9] = b9 ^ (~b5 & b6);
  a[10] = b10 ^ (~b11 & b12);
  a[11] = b11 ^ (~b12 & b13);
  a[12] = b12 ^ (~b13 & b14);
  a[13] = b13 ^ (~b14 & b10);
  a[14] = b14 ^ (~b10 & b11);
  a[15] = b15 ^ (~b16 & b17);
  a[16] = b16 ^ (~b17 & b18);
  a[17] = b17 ^ (~b18 & b19);
  a[18] = b18 ^ (~b19 & b15);
  a[19] = b19 ^ (~b15 & b16);
  a[20] = b20 ^ (~b21 & b22);
  a[21] = b21 ^ (~b22 & b23);
  a[22] = b22 ^ (~b23 & b24);
  a[23] = b23 ^ (~b24 & b20);
  a[24] = b24 ^ (~b20 & b21);
}

void permute(std::array<std::uint64_t, 25>& state) {
  std::uint64_t a[25];
  std::copy(state.begin(), state.end(), a);
  for (const std::uint64_t constant : kRoundConstants) round(a, constant);
  std::copy(std::begin(a), std::end(a), state.begin());
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
