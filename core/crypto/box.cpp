#include "core/crypto/box.hpp"

#include <sodium.h>

#include "core/crypto/sodium_ready.hpp"

namespace myst {

Result<Secret<32>> box_precompute(const Secret<32>& secret, const x25519::PublicKey& peer) {
  detail::sodium_ready();
  Secret<32> key;
  if (crypto_box_beforenm(key.mutable_bytes().data(), peer.data(), secret.data()) != 0) {
    return Error{Errc::Malformed, 0, "X25519 low-order point"};
  }
  return key;
}

Bytes box_seal(const Secret<32>& key, const BoxNonce& nonce, ByteSpan plaintext) {
  detail::sodium_ready();
  Bytes sealed(plaintext.size() + kBoxTagSize);
  (void)crypto_box_easy_afternm(sealed.data(), plaintext.data(), plaintext.size(), nonce.data(),
                                key.data());
  return sealed;
}

Result<Bytes> box_open(const Secret<32>& key, const BoxNonce& nonce, ByteSpan sealed) {
  detail::sodium_ready();
  if (sealed.size() < kBoxTagSize) return Error{Errc::Rejected, 0, "box shorter than its tag"};
  Bytes plaintext(sealed.size() - kBoxTagSize);
  if (crypto_box_open_easy_afternm(plaintext.data(), sealed.data(), sealed.size(), nonce.data(),
                                   key.data()) != 0) {
    return Error{Errc::Rejected, 0, "box does not open"};
  }
  return plaintext;
}

void salsa20_xor(const Secret<32>& key, const ByteArray<8>& nonce, MutableByteSpan data) {
  if (data.empty()) return;
  detail::sodium_ready();
  (void)crypto_stream_salsa20_xor(data.data(), data.data(), data.size(), nonce.data(), key.data());
}

}  // namespace myst
