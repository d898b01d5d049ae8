#include <openssl/core_names.h>
#include <sodium.h>

#include <limits>

#include "core/crypto/aead.hpp"
#include "core/crypto/libcrypto.hpp"
#include "core/crypto/sodium_ready.hpp"

namespace myst {
namespace {

bool fits(MutableByteSpan buffer) {
  return buffer.size() >= kAeadTagSize &&
         buffer.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max());
}

// The tag's place as the one parameter of a list.
struct TagParameter {
  explicit TagParameter(std::uint8_t* tag) {
    list[0].key = OSSL_CIPHER_PARAM_AEAD_TAG;
    list[0].data_type = OSSL_PARAM_OCTET_STRING;
    list[0].data = tag;
    list[0].data_size = kAeadTagSize;
  }
  OSSL_PARAM list[2] = {};
};

}  // namespace

void detail::CipherContextFree::operator()(void* context) const {
  detail::libcrypto()->context_free(context);  // wipes the key
}

BulkAead::BulkAead(Direction direction) : direction_(direction), library_(detail::libcrypto()) {
  detail::sodium_ready();
  if (library_ != nullptr) context_.reset(library_->context_new(library_->provider_context));
}

bool BulkAead::set_key(const Secret<32>& key) {
  if (context_ == nullptr) {
    key_ = key;
    return true;
  }
  auto* const init = direction_ == Direction::Seal ? library_->seal_init : library_->open_init;
  return init(context_.get(), key.data(), key.size(), nullptr, 0, nullptr) == 1;
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
  const detail::Libcrypto& lib = *library_;
  void* const context = context_.get();
  std::size_t written = 0;
  TagParameter tag(data + size);
  return lib.seal_init(context, nullptr, 0, nonce.data(), nonce.size(), nullptr) == 1 &&
         (size == 0 || lib.update(context, data, &written, size, data, size) == 1) &&
         lib.final(context, data + size, &written, kAeadTagSize) == 1 &&
         lib.get_params(context, tag.list) == 1;
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
  const detail::Libcrypto& lib = *library_;
  void* const context = context_.get();
  std::size_t written = 0;
  const TagParameter tag(data + size);
  return lib.open_init(context, nullptr, 0, nonce.data(), nonce.size(), nullptr) == 1 &&
         lib.set_params(context, tag.list) == 1 &&
         (size == 0 || lib.update(context, data, &written, size, data, size) == 1) &&
         lib.final(context, data + size, &written, kAeadTagSize) == 1;
}

}  // namespace myst
