#include <openssl/core_names.h>
#include <sodium.h>

#include <cstring>
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

void detail::AeadContextFree::operator()(void* context) const {
  detail::libcrypto()->aead.context_free(context);  // wipes the key, as the others do
}
void detail::ChachaContextFree::operator()(void* context) const {
  detail::libcrypto()->chacha.context_free(context);
}
void detail::PolyContextFree::operator()(void* context) const {
  detail::libcrypto()->poly.context_free(context);
}

BulkAead::BulkAead(Direction direction) : direction_(direction), library_(detail::libcrypto()) {
  detail::sodium_ready();
  if (library_ == nullptr) return;
  aead_.reset(library_->aead.context_new(library_->provider_context));
  chacha_.reset(library_->chacha.context_new(library_->provider_context));
  poly_.reset(library_->poly.context_new(library_->provider_context));
  if (aead_ == nullptr || chacha_ == nullptr || poly_ == nullptr) library_ = nullptr;
}

BulkAead::~BulkAead() { sodium_memzero(work_, sizeof work_); }

bool BulkAead::set_key(const Secret<32>& key) {
  if (library_ == nullptr) {
    key_ = key;
    return true;
  }
  const detail::LibcryptoCipher& aead = library_->aead;
  auto* const init = direction_ == Direction::Seal ? aead.seal_init : aead.open_init;
  return init(aead_.get(), key.data(), key.size(), nullptr, 0, nullptr) == 1 &&
         library_->chacha.seal_init(chacha_.get(), key.data(), key.size(), nullptr, 0, nullptr) ==
             1;
}

// libcrypto's AEAD calls ChaCha20 three times a message: for the block that becomes Poly1305's key,
// for the whole blocks, and for what is left. Where the library computes sixteen blocks side by
// side, the two lone ones took half of ChaCha20's time for a full packet. So here all blocks are
// one call, in a buffer of our own. RFC 8439, 2.6 and 2.8: block 0 makes the key, the data begin
// with block 1; the tag is over the ciphertext, zeros up to 16 bytes, and the lengths.
bool BulkAead::cipher_at_once(std::uint64_t counter, const std::uint8_t* data, std::size_t size) {
  std::memset(work_, 0, kBlock);
  if (size != 0) std::memcpy(work_ + kBlock, data, size);
  std::uint8_t start[16] = {};  // the number of the first block, and the nonce
  const AeadNonce nonce = counter_nonce(counter);
  std::memcpy(start + 4, nonce.data(), nonce.size());
  const std::size_t whole = kBlock + (size + kBlock - 1) / kBlock * kBlock;
  const detail::LibcryptoCipher& chacha = library_->chacha;
  std::size_t written = 0;
  return chacha.seal_init(chacha_.get(), nullptr, 0, start, sizeof start, nullptr) == 1 &&
         chacha.update(chacha_.get(), work_, &written, whole, work_, whole) == 1;
}

namespace {

// What the tag covers behind so much ciphertext.
struct Behind {
  explicit Behind(std::size_t sealed) : size((16 - sealed % 16) % 16 + 16) {
    for (std::size_t i = 0; i < 8; ++i) {
      bytes[size - 8 + i] = static_cast<std::uint8_t>(std::uint64_t{sealed} >> (8 * i));
    }
  }
  std::size_t size;
  std::uint8_t bytes[31] = {};
};

}  // namespace

bool BulkAead::seal_at_once(std::uint64_t counter, std::uint8_t* data, std::size_t size) {
  if (!cipher_at_once(counter, data, size)) return false;
  std::uint8_t* const sealed = work_ + kBlock;
  if (size != 0) std::memcpy(data, sealed, size);
  const Behind behind(size);
  std::memcpy(sealed + size, behind.bytes, sizeof behind.bytes);
  const detail::LibcryptoMac& poly = library_->poly;
  std::size_t written = 0;
  return poly.init(poly_.get(), work_, 32, nullptr) == 1 &&
         poly.update(poly_.get(), sealed, size + behind.size) == 1 &&
         poly.final(poly_.get(), data + size, &written, kAeadTagSize) == 1;
}

bool BulkAead::open_at_once(std::uint64_t counter, std::uint8_t* data, std::size_t size) {
  if (!cipher_at_once(counter, data, size)) return false;
  const Behind behind(size);
  const detail::LibcryptoMac& poly = library_->poly;
  std::uint8_t tag[kAeadTagSize];
  std::size_t written = 0;
  if (poly.init(poly_.get(), work_, 32, nullptr) != 1 ||
      (size != 0 && poly.update(poly_.get(), data, size) != 1) ||
      poly.update(poly_.get(), behind.bytes, behind.size) != 1 ||
      poly.final(poly_.get(), tag, &written, sizeof tag) != 1 ||
      sodium_memcmp(tag, data + size, sizeof tag) != 0) {
    return false;
  }
  if (size != 0) std::memcpy(data, work_ + kBlock, size);
  return true;
}

bool BulkAead::seal(std::uint64_t counter, MutableByteSpan buffer) {
  if (!fits(buffer)) return false;
  const AeadNonce nonce = counter_nonce(counter);
  const std::size_t size = buffer.size() - kAeadTagSize;
  std::uint8_t* const data = buffer.data();
  if (library_ == nullptr) {
    return crypto_aead_chacha20poly1305_ietf_encrypt_detached(data, data + size, nullptr, data,
                                                              size, nullptr, 0, nullptr,
                                                              nonce.data(), key_.data()) == 0;
  }
  if (size <= kAtOnce) return seal_at_once(counter, data, size);
  const detail::LibcryptoCipher& lib = library_->aead;
  void* const context = aead_.get();
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
  if (library_ == nullptr) {
    return crypto_aead_chacha20poly1305_ietf_decrypt_detached(
               data, nullptr, data, size, data + size, nullptr, 0, nonce.data(), key_.data()) == 0;
  }
  if (size <= kAtOnce) return open_at_once(counter, data, size);
  const detail::LibcryptoCipher& lib = library_->aead;
  void* const context = aead_.get();
  std::size_t written = 0;
  const TagParameter tag(data + size);
  return lib.open_init(context, nullptr, 0, nonce.data(), nonce.size(), nullptr) == 1 &&
         lib.set_params(context, tag.list) == 1 &&
         (size == 0 || lib.update(context, data, &written, size, data, size) == 1) &&
         lib.final(context, data + size, &written, kAeadTagSize) == 1;
}

}  // namespace myst
