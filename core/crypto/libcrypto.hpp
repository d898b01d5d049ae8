// ChaCha20-Poly1305 of OpenSSL's libcrypto, which tunnel data needs, loaded with the first tunnel
// and not with the program: linked, the library costs an idle node 1.4 MB of memory, 0.4 MB of it
// private.
//
// The provider's own functions, found by the documented way a library context finds them
// (provider-base(7)): the EVP layer above them asks for the length of the nonce and for the tag by
// name, which is 5 % of a full packet and 12 % of a small one.
#pragma once

#include <openssl/core_dispatch.h>

namespace myst::detail {

struct LibcryptoCipher {
  OSSL_FUNC_cipher_newctx_fn* context_new;
  OSSL_FUNC_cipher_freectx_fn* context_free;
  OSSL_FUNC_cipher_encrypt_init_fn* seal_init;
  OSSL_FUNC_cipher_decrypt_init_fn* open_init;
  OSSL_FUNC_cipher_update_fn* update;
  OSSL_FUNC_cipher_final_fn* final;
  OSSL_FUNC_cipher_get_ctx_params_fn* get_params;
  OSSL_FUNC_cipher_set_ctx_params_fn* set_params;
};

struct LibcryptoMac {
  OSSL_FUNC_mac_newctx_fn* context_new;
  OSSL_FUNC_mac_freectx_fn* context_free;
  OSSL_FUNC_mac_init_fn* init;
  OSSL_FUNC_mac_update_fn* update;
  OSSL_FUNC_mac_final_fn* final;
};

struct Libcrypto {
  const void* held;        // an EVP_CIPHER, for good: it keeps its provider
  LibcryptoCipher aead;    // ChaCha20-Poly1305
  LibcryptoCipher chacha;  // ChaCha20
  LibcryptoMac poly;       // Poly1305
  void* provider_context;
};

// Null where the library is missing or has no ChaCha20-Poly1305: libsodium then does the work.
// Thread-safe; loaded once, for good.
const Libcrypto* libcrypto();

}  // namespace myst::detail
