#include "core/crypto/aead.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <cassert>
#include <limits>

#include "core/crypto/sodium_ready.hpp"

namespace myst {
namespace {

EVP_CIPHER_CTX* evp(void* context) { return static_cast<EVP_CIPHER_CTX*>(context); }

// Fetched once: a fetch by every context would take libcrypto's locks. Without configuration
// file, so that a system's openssl.cnf neither costs start time nor changes what we get.
EVP_CIPHER* cipher() {
  static EVP_CIPHER* const kCipher = [] {
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
    return EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  }();
  return kCipher;
}

bool fits(MutableByteSpan buffer) {
  return buffer.size() >= kAeadTagSize &&
         buffer.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max());
}

}  // namespace

AeadNonce counter_nonce(std::uint64_t counter) {
  AeadNonce nonce{};
  for (unsigned i = 0; i < 8; ++i) nonce[4 + i] = static_cast<std::uint8_t>(counter >> (8 * i));
  return nonce;
}

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

void detail::CipherContextFree::operator()(void* context) const {
  EVP_CIPHER_CTX_free(evp(context));  // wipes the key
}

BulkAead::BulkAead(Direction direction) {
  if (cipher() == nullptr) return;
  context_.reset(EVP_CIPHER_CTX_new());
  if (context_ != nullptr &&
      EVP_CipherInit_ex(evp(context_.get()), cipher(), nullptr, nullptr, nullptr,
                        direction == Direction::Seal ? 1 : 0) != 1) {
    context_.reset();
  }
}

bool BulkAead::set_key(const Secret<32>& key) {
  return usable() &&
         EVP_CipherInit_ex(evp(context_.get()), nullptr, nullptr, key.data(), nullptr, -1) == 1;
}

bool BulkAead::seal(std::uint64_t counter, MutableByteSpan buffer) {
  if (!usable() || !fits(buffer)) return false;
  EVP_CIPHER_CTX* const context = evp(context_.get());
  const AeadNonce nonce = counter_nonce(counter);
  const int size = static_cast<int>(buffer.size() - kAeadTagSize);
  int written = 0;
  std::uint8_t* const data = buffer.data();
  return EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
         (size == 0 || EVP_EncryptUpdate(context, data, &written, data, size) == 1) &&
         EVP_EncryptFinal_ex(context, data + size, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, data + size) == 1;
}

bool BulkAead::open(std::uint64_t counter, MutableByteSpan buffer) {
  if (!usable() || !fits(buffer)) return false;
  EVP_CIPHER_CTX* const context = evp(context_.get());
  const AeadNonce nonce = counter_nonce(counter);
  const int size = static_cast<int>(buffer.size() - kAeadTagSize);
  int written = 0;
  std::uint8_t* const data = buffer.data();
  return EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kAeadTagSize, data + size) == 1 &&
         (size == 0 || EVP_DecryptUpdate(context, data, &written, data, size) == 1) &&
         EVP_DecryptFinal_ex(context, data + size, &written) == 1;
}

}  // namespace myst
