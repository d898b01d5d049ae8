#include "core/crypto/blake2s.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace myst {
namespace {

// RFC 7693 sections 2.6 and 2.7.
constexpr std::uint32_t kInit[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
constexpr std::uint8_t kSigma[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                         {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                         {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                         {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                         {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                         {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                         {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                         {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                         {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                         {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

constexpr std::uint32_t rotate(std::uint32_t value, unsigned by) {
  return value >> by | value << (32 - by);
}

void mix(std::uint32_t& a, std::uint32_t& b, std::uint32_t& c, std::uint32_t& d, std::uint32_t x,
         std::uint32_t y) {
  a += b + x;
  d = rotate(d ^ a, 16);
  c += d;
  b = rotate(b ^ c, 12);
  a += b + y;
  d = rotate(d ^ a, 8);
  c += d;
  b = rotate(b ^ c, 7);
}

}  // namespace

Blake2s::Blake2s(std::size_t size, ByteSpan key) : size_(size) {
  assert(size >= 1 && size <= 32 && key.size() <= 32);
  std::copy(std::begin(kInit), std::end(kInit), state_.begin());
  state_[0] ^=
      0x01010000u ^ static_cast<std::uint32_t>(key.size() << 8) ^ static_cast<std::uint32_t>(size);
  if (!key.empty()) {
    std::memcpy(block_.data(), key.data(), key.size());
    filled_ = block_.size();
  }
}

Blake2s::~Blake2s() {
  wipe(state_.data(), sizeof state_);
  wipe(block_.data(), block_.size());
}

Blake2s& Blake2s::update(ByteSpan data) {
  while (!data.empty()) {
    // A full block waits: only when more follows is it known not to be the last.
    if (filled_ == block_.size()) compress(false);
    const std::size_t count = std::min(data.size(), block_.size() - filled_);
    std::memcpy(block_.data() + filled_, data.data(), count);
    filled_ += count;
    data = data.subspan(count);
  }
  return *this;
}

void Blake2s::finish(MutableByteSpan out) {
  assert(out.size() == size_);
  std::memset(block_.data() + filled_, 0, block_.size() - filled_);
  compress(true);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::uint8_t>(state_[i / 4] >> (8 * (i % 4)));
  }
}

void Blake2s::compress(bool last) {
  count_ += filled_;
  filled_ = 0;
  std::uint32_t m[16], v[16];
  for (std::size_t i = 0; i < 16; ++i) {
    m[i] = std::uint32_t{block_[4 * i]} | std::uint32_t{block_[4 * i + 1]} << 8 |
           std::uint32_t{block_[4 * i + 2]} << 16 | std::uint32_t{block_[4 * i + 3]} << 24;
  }
  std::copy(state_.begin(), state_.end(), v);
  std::copy(std::begin(kInit), std::end(kInit), v + 8);
  v[12] ^= static_cast<std::uint32_t>(count_);
  v[13] ^= static_cast<std::uint32_t>(count_ >> 32);
  if (last) v[14] = ~v[14];
  for (const auto& s : kSigma) {
    mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
    mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
    mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
    mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
    mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
    mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
    mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
    mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
  }
  for (std::size_t i = 0; i < 8; ++i) state_[i] ^= v[i] ^ v[i + 8];
  wipe(m, sizeof m);
  wipe(v, sizeof v);
}

Digest32 blake2s(std::initializer_list<ByteSpan> parts) {
  Blake2s hash;
  for (const ByteSpan part : parts) hash.update(part);
  Digest32 out;
  hash.finish(out);
  return out;
}

ByteArray<16> blake2s_mac(ByteSpan key, ByteSpan data) {
  ByteArray<16> out;
  Blake2s(out.size(), key).update(data).finish(out);
  return out;
}

Digest32 hmac_blake2s(ByteSpan key, std::initializer_list<ByteSpan> parts) {
  Secret<64> inner, outer;
  if (key.size() > inner.size()) {
    const Digest32 hashed = blake2s({key});
    std::copy(hashed.begin(), hashed.end(), inner.mutable_bytes().begin());
  } else {
    std::copy(key.begin(), key.end(), inner.mutable_bytes().begin());
  }
  for (std::size_t i = 0; i < inner.size(); ++i) {
    outer.mutable_bytes()[i] = inner.data()[i] ^ 0x5c;
    inner.mutable_bytes()[i] ^= 0x36;
  }
  Blake2s hash;
  hash.update(inner.bytes());
  for (const ByteSpan part : parts) hash.update(part);
  Secret<32> middle;
  hash.finish(middle.mutable_bytes());
  return blake2s({outer.bytes(), middle.bytes()});
}

Kdf3 kdf3(const Secret<32>& chaining_key, ByteSpan input) {
  const std::uint8_t one[] = {1}, two[] = {2}, three[] = {3};
  const Secret<32> key(hmac_blake2s(chaining_key.bytes(), {input}));
  Kdf3 out;
  out.first = Secret<32>(hmac_blake2s(key.bytes(), {one}));
  out.second = Secret<32>(hmac_blake2s(key.bytes(), {out.first.bytes(), two}));
  out.third = Secret<32>(hmac_blake2s(key.bytes(), {out.second.bytes(), three}));
  return out;
}

Kdf2 kdf2(const Secret<32>& chaining_key, ByteSpan input) {
  const std::uint8_t one[] = {1}, two[] = {2};
  const Secret<32> key(hmac_blake2s(chaining_key.bytes(), {input}));
  Kdf2 out;
  out.first = Secret<32>(hmac_blake2s(key.bytes(), {one}));
  out.second = Secret<32>(hmac_blake2s(key.bytes(), {out.first.bytes(), two}));
  return out;
}

Kdf1 kdf1(const Secret<32>& chaining_key, ByteSpan input) {
  const std::uint8_t one[] = {1};
  const Secret<32> key(hmac_blake2s(chaining_key.bytes(), {input}));
  return {Secret<32>(hmac_blake2s(key.bytes(), {one}))};
}

}  // namespace myst
