#include "core/crypto/aead.hpp"

#include <sodium.h>

#include <cassert>

#include "core/crypto/sodium_ready.hpp"

namespace myst {
void aead_seal(const Secret<32>& key, const AeadNonce& nonce, ByteSpan associated,
               ByteSpan plaintext, MutableByteSpan out) {
  assert(out.size() == plaintext.size() + kAeadTagSize);
  detail::sodium_ready();
  (void)crypto_aead_chacha20poly1305_ietf_encrypt(
      out.data(), nullptr, plaintext.data(), plaintext.size(), associated.data(), associated.size(),
      nullptr, nonce.data(), key.data());
}

Status aead_open(const Secret<32>& key, const AeadNonce& nonce, ByteSpan associated,
                 ByteSpan sealed, MutableByteSpan out) {
  detail::sodium_ready();
  if (sealed.size() < kAeadTagSize) return Error{Errc::Rejected, 0, "sealed text below tag size"};
  assert(out.size() == sealed.size() - kAeadTagSize);
  if (crypto_aead_chacha20poly1305_ietf_decrypt(out.data(), nullptr, nullptr, sealed.data(),
                                                sealed.size(), associated.data(), associated.size(),
                                                nonce.data(), key.data()) != 0) {
    return Error{Errc::Rejected, 0, "sealed text does not open"};
  }
  return {};
}

void xaead_seal(const Secret<32>& key, const ByteArray<24>& nonce, ByteSpan associated,
                ByteSpan plaintext, MutableByteSpan out) {
  assert(out.size() == plaintext.size() + kAeadTagSize);
  detail::sodium_ready();
  (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
      out.data(), nullptr, plaintext.data(), plaintext.size(), associated.data(), associated.size(),
      nullptr, nonce.data(), key.data());
}

Status xaead_open(const Secret<32>& key, const ByteArray<24>& nonce, ByteSpan associated,
                  ByteSpan sealed, MutableByteSpan out) {
  detail::sodium_ready();
  if (sealed.size() < kAeadTagSize) return Error{Errc::Rejected, 0, "sealed text below tag size"};
  assert(out.size() == sealed.size() - kAeadTagSize);
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          out.data(), nullptr, nullptr, sealed.data(), sealed.size(), associated.data(),
          associated.size(), nonce.data(), key.data()) != 0) {
    return Error{Errc::Rejected, 0, "sealed text does not open"};
  }
  return {};
}

}  // namespace myst
