#include <openssl/evp.h>
#include <sodium.h>

#include <limits>

#include "core/crypto/aead.hpp"
#include "core/crypto/libcrypto.hpp"
#include "core/crypto/sodium_ready.hpp"

namespace myst {
namespace {

EVP_CIPHER_CTX* evp(void* context) { return static_cast<EVP_CIPHER_CTX*>(context); }

bool fits(MutableByteSpan buffer) {
  return buffer.size() >= kAeadTagSize &&
         buffer.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max());
}

}  // namespace

void detail::CipherContextFree::operator()(void* context) const {
  detail::libcrypto()->context_free(evp(context));  // wipes the key
}

BulkAead::BulkAead(Direction direction) {
  detail::sodium_ready();
  const detail::Libcrypto* const lib = detail::libcrypto();
  if (lib == nullptr) return;
  context_.reset(lib->context_new());
  if (context_ != nullptr &&
      lib->cipher_init(evp(context_.get()), lib->chacha20_poly1305, nullptr, nullptr, nullptr,
                       direction == Direction::Seal ? 1 : 0) != 1) {
    context_.reset();
  }
}

bool BulkAead::set_key(const Secret<32>& key) {
  if (context_ == nullptr) {
    key_ = key;
    return true;
  }
  return detail::libcrypto()->cipher_init(evp(context_.get()), nullptr, nullptr, key.data(),
                                          nullptr, -1) == 1;
}

bool BulkAead::seal(std::uint64_t counter, MutableByteSpan buffer) {
  if (!fits(buffer)) return false;
  const AeadNonce nonce = counter_nonce(counter);
  const std::size_t size = buffer.size() - kAeadTagSize;
  std::uint8_t* const data = buffer.data();
  if (context_ == nullptr) {
    return crypto_aead_chacha20poly1305_ietf_encrypt_detached(data, data + size, nullptr, data,
                                                              size, nullptr, 0, nullptr,
                                                              nonce.data(), key_.data()) == 0;
  }
  const detail::Libcrypto& lib = *detail::libcrypto();
  EVP_CIPHER_CTX* const context = evp(context_.get());
  int written = 0;
  return lib.cipher_init(context, nullptr, nullptr, nullptr, nonce.data(), -1) == 1 &&
         (size == 0 ||
          lib.cipher_update(context, data, &written, data, static_cast<int>(size)) == 1) &&
         lib.cipher_final(context, data + size, &written) == 1 &&
         lib.context_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, data + size) == 1;
}

bool BulkAead::open(std::uint64_t counter, MutableByteSpan buffer) {
  if (!fits(buffer)) return false;
  const AeadNonce nonce = counter_nonce(counter);
  const std::size_t size = buffer.size() - kAeadTagSize;
  std::uint8_t* const data = buffer.data();
  if (context_ == nullptr) {
    return crypto_aead_chacha20poly1305_ietf_decrypt_detached(
               data, nullptr, data, size, data + size, nullptr, 0, nonce.data(), key_.data()) == 0;
  }
  const detail::Libcrypto& lib = *detail::libcrypto();
  EVP_CIPHER_CTX* const context = evp(context_.get());
  int written = 0;
  return lib.cipher_init(context, nullptr, nullptr, nullptr, nonce.data(), -1) == 1 &&
         lib.context_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kAeadTagSize, data + size) == 1 &&
         (size == 0 ||
          lib.cipher_update(context, data, &written, data, static_cast<int>(size)) == 1) &&
         lib.cipher_final(context, data + size, &written) == 1;
}

}  // namespace myst
