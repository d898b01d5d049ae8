#include "core/crypto/aes.hpp"

#include <mbedtls/aes.h>
#include <mbedtls/gcm.h>

namespace myst {
namespace {

struct Aes {
  Aes() { mbedtls_aes_init(&context); }
  ~Aes() { mbedtls_aes_free(&context); }
  Aes(const Aes&) = delete;
  Aes& operator=(const Aes&) = delete;
  mbedtls_aes_context context;
};

struct Gcm {
  explicit Gcm(const Secret<32>& key) {
    mbedtls_gcm_init(&context);
    (void)mbedtls_gcm_setkey(&context, MBEDTLS_CIPHER_ID_AES, key.data(), 256);
  }
  ~Gcm() { mbedtls_gcm_free(&context); }
  Gcm(const Gcm&) = delete;
  Gcm& operator=(const Gcm&) = delete;
  mbedtls_gcm_context context;
};

}  // namespace

void aes128_ctr(const Secret<16>& key, const ByteArray<16>& counter, MutableByteSpan data) {
  Aes aes;
  ByteArray<16> block = counter, stream{};
  std::size_t offset = 0;
  (void)mbedtls_aes_setkey_enc(&aes.context, key.data(), 128);
  (void)mbedtls_aes_crypt_ctr(&aes.context, data.size(), &offset, block.data(), stream.data(),
                              data.data(), data.data());
  wipe(stream.data(), stream.size());
}

Status aes128_cbc_decrypt(const Secret<16>& key, const ByteArray<16>& iv, MutableByteSpan data) {
  if (data.size() % 16 != 0) return Error{Errc::Malformed, 0, "AES-CBC length"};
  Aes aes;
  ByteArray<16> chain = iv;
  (void)mbedtls_aes_setkey_dec(&aes.context, key.data(), 128);
  if (mbedtls_aes_crypt_cbc(&aes.context, MBEDTLS_AES_DECRYPT, data.size(), chain.data(),
                            data.data(), data.data()) != 0) {
    return Error{Errc::Malformed, 0, "AES-CBC"};
  }
  return {};
}

Bytes aes256_gcm_seal(const Secret<32>& key, const ByteArray<12>& nonce, ByteSpan plaintext) {
  Gcm gcm(key);
  Bytes out(plaintext.size() + kGcmTagSize);
  (void)mbedtls_gcm_crypt_and_tag(&gcm.context, MBEDTLS_GCM_ENCRYPT, plaintext.size(), nonce.data(),
                                  nonce.size(), nullptr, 0, plaintext.data(), out.data(),
                                  kGcmTagSize, out.data() + plaintext.size());
  return out;
}

Result<Bytes> aes256_gcm_open(const Secret<32>& key, const ByteArray<12>& nonce, ByteSpan sealed) {
  if (sealed.size() < kGcmTagSize) return Error{Errc::Rejected, 0, "sealed text below tag size"};
  Gcm gcm(key);
  const std::size_t size = sealed.size() - kGcmTagSize;
  Bytes out(size);
  if (mbedtls_gcm_auth_decrypt(&gcm.context, size, nonce.data(), nonce.size(), nullptr, 0,
                               sealed.data() + size, kGcmTagSize, sealed.data(), out.data()) != 0) {
    return Error{Errc::Rejected, 0, "sealed text does not open"};
  }
  return out;
}

}  // namespace myst
