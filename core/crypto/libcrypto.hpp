// The few functions of OpenSSL's libcrypto that tunnel data needs, loaded with the first tunnel and
// not with the program: linked, the library costs an idle node 1.4 MB of memory, 0.4 MB of it
// private.
#pragma once

#include <openssl/evp.h>

namespace myst::detail {

struct Libcrypto {
  decltype(&EVP_CIPHER_CTX_new) context_new;
  decltype(&EVP_CIPHER_CTX_free) context_free;
  decltype(&EVP_CIPHER_CTX_ctrl) context_ctrl;
  decltype(&EVP_CipherInit_ex) cipher_init;
  decltype(&EVP_CipherUpdate) cipher_update;
  decltype(&EVP_CipherFinal_ex) cipher_final;
  const EVP_CIPHER* chacha20_poly1305;
};

// Null where the library is missing or has no ChaCha20-Poly1305: libsodium then does the work.
// Thread-safe; loaded once, for good.
const Libcrypto* libcrypto();

}  // namespace myst::detail
