#include "core/crypto/sha2.hpp"

#include <sodium.h>

#include <algorithm>
#include <cassert>

#include "core/base/secret.hpp"
#include "core/crypto/sodium_ready.hpp"

namespace myst {
namespace {

struct Hmac256 {
  static constexpr std::size_t kSize = crypto_auth_hmacsha256_BYTES;
  using State = crypto_auth_hmacsha256_state;
  static void init(State& s, ByteSpan key) {
    crypto_auth_hmacsha256_init(&s, detail::not_null(key), key.size());
  }
  static void update(State& s, ByteSpan data) {
    crypto_auth_hmacsha256_update(&s, data.data(), data.size());
  }
  static void finish(State& s, std::uint8_t* out) { crypto_auth_hmacsha256_final(&s, out); }
};

struct Hmac512 {
  static constexpr std::size_t kSize = crypto_auth_hmacsha512_BYTES;
  using State = crypto_auth_hmacsha512_state;
  static void init(State& s, ByteSpan key) {
    crypto_auth_hmacsha512_init(&s, detail::not_null(key), key.size());
  }
  static void update(State& s, ByteSpan data) {
    crypto_auth_hmacsha512_update(&s, data.data(), data.size());
  }
  static void finish(State& s, std::uint8_t* out) { crypto_auth_hmacsha512_final(&s, out); }
};

template <typename H>
ByteArray<H::kSize> hmac(ByteSpan key, ByteSpan data) {
  typename H::State state;
  ByteArray<H::kSize> out;
  H::init(state, key);
  H::update(state, data);
  H::finish(state, out.data());
  wipe(&state, sizeof state);
  return out;
}

template <typename H>
void hkdf(ByteSpan salt, ByteSpan input_key, ByteSpan info, MutableByteSpan out) {
  assert(out.size() <= 255 * H::kSize);
  const ByteArray<H::kSize> zeros{};
  Secret<H::kSize> key(hmac<H>(salt.empty() ? ByteSpan(zeros) : salt, input_key));
  Secret<H::kSize> block;
  std::size_t done = 0;
  for (std::uint8_t index = 1; done < out.size(); ++index) {
    typename H::State state;
    H::init(state, key.bytes());
    if (index > 1) H::update(state, block.bytes());
    H::update(state, info);
    H::update(state, ByteSpan(&index, 1));
    H::finish(state, block.mutable_bytes().data());
    wipe(&state, sizeof state);
    const std::size_t count = std::min(out.size() - done, H::kSize);
    std::copy_n(block.data(), count, out.data() + done);
    done += count;
  }
}

}  // namespace

Digest32 sha256(ByteSpan data) {
  Digest32 out;
  crypto_hash_sha256(out.data(), data.data(), data.size());
  return out;
}

Digest32 hmac_sha256(ByteSpan key, ByteSpan data) { return hmac<Hmac256>(key, data); }
ByteArray<64> hmac_sha512(ByteSpan key, ByteSpan data) { return hmac<Hmac512>(key, data); }

void hkdf_sha256(ByteSpan salt, ByteSpan input_key, ByteSpan info, MutableByteSpan out) {
  hkdf<Hmac256>(salt, input_key, info, out);
}
void hkdf_sha512(ByteSpan salt, ByteSpan input_key, ByteSpan info, MutableByteSpan out) {
  hkdf<Hmac512>(salt, input_key, info, out);
}

void pbkdf2_hmac_sha256(ByteSpan password, ByteSpan salt, std::uint32_t iterations,
                        MutableByteSpan out) {
  // The keyed state is computed once and copied: half the work of the textbook form.
  Hmac256::State keyed;
  Hmac256::init(keyed, password);
  std::size_t done = 0;
  for (std::uint32_t index = 1; done < out.size(); ++index) {
    const ByteArray<4> number = {
        static_cast<std::uint8_t>(index >> 24), static_cast<std::uint8_t>(index >> 16),
        static_cast<std::uint8_t>(index >> 8), static_cast<std::uint8_t>(index)};
    Secret<32> step, sum;
    Hmac256::State state = keyed;
    Hmac256::update(state, salt);
    Hmac256::update(state, number);
    Hmac256::finish(state, step.mutable_bytes().data());
    sum = Secret<32>(step);
    for (std::uint32_t i = 1; i < iterations; ++i) {
      state = keyed;
      Hmac256::update(state, step.bytes());
      Hmac256::finish(state, step.mutable_bytes().data());
      for (std::size_t k = 0; k < 32; ++k) sum.mutable_bytes()[k] ^= step.data()[k];
    }
    wipe(&state, sizeof state);
    const std::size_t count = std::min<std::size_t>(out.size() - done, 32);
    std::copy_n(sum.data(), count, out.data() + done);
    done += count;
  }
  wipe(&keyed, sizeof keyed);
}

}  // namespace myst
