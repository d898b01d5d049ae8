#include "core/crypto/libcrypto.hpp"

#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include <optional>
#include <string_view>
#include <type_traits>

namespace myst::detail {
namespace {

// POSIX gives functions as object pointers; OSSL_DISPATCH gives them as functions of another type.
template <typename Function, typename Found>
void take(Function*& function, Found found, bool& complete) {
  complete = complete && found != nullptr;
  function = reinterpret_cast<Function*>(found);
}

// "ChaCha20-Poly1305" among names like "AES-128-GCM:id-aes128-GCM:2.16.840...".
bool is_named(const char* names, std::string_view name) {
  for (std::string_view left = names; !left.empty();) {
    const std::size_t colon = left.find(':');
    if (left.substr(0, colon) == name) return true;
    left = colon == std::string_view::npos ? std::string_view() : left.substr(colon + 1);
  }
  return false;
}

const OSSL_DISPATCH* find(const OSSL_ALGORITHM* at, std::string_view name) {
  for (; at != nullptr && at->algorithm_names != nullptr; ++at) {
    if (is_named(at->algorithm_names, name)) return at->implementation;
  }
  return nullptr;
}

template <typename Function>
void take(Function*& function, const OSSL_DISPATCH* at, int id, bool& complete) {
  for (; at != nullptr && at->function_id != 0; ++at) {
    if (at->function_id == id) return take(function, at->function, complete);
  }
  complete = false;
}

bool take_cipher(const OSSL_DISPATCH* at, LibcryptoCipher& out) {
  bool complete = true;
  take(out.context_new, at, OSSL_FUNC_CIPHER_NEWCTX, complete);
  take(out.context_free, at, OSSL_FUNC_CIPHER_FREECTX, complete);
  take(out.seal_init, at, OSSL_FUNC_CIPHER_ENCRYPT_INIT, complete);
  take(out.open_init, at, OSSL_FUNC_CIPHER_DECRYPT_INIT, complete);
  take(out.update, at, OSSL_FUNC_CIPHER_UPDATE, complete);
  take(out.final, at, OSSL_FUNC_CIPHER_FINAL, complete);
  take(out.get_params, at, OSSL_FUNC_CIPHER_GET_CTX_PARAMS, complete);
  take(out.set_params, at, OSSL_FUNC_CIPHER_SET_CTX_PARAMS, complete);
  return complete;
}

bool take_mac(const OSSL_DISPATCH* at, LibcryptoMac& out) {
  bool complete = true;
  take(out.context_new, at, OSSL_FUNC_MAC_NEWCTX, complete);
  take(out.context_free, at, OSSL_FUNC_MAC_FREECTX, complete);
  take(out.init, at, OSSL_FUNC_MAC_INIT, complete);
  take(out.update, at, OSSL_FUNC_MAC_UPDATE, complete);
  take(out.final, at, OSSL_FUNC_MAC_FINAL, complete);
  return complete;
}

std::optional<Libcrypto> load() {
  void* const library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return std::nullopt;
  bool complete = true;
  std::remove_pointer_t<decltype(&OPENSSL_init_crypto)>* init = nullptr;
  std::remove_pointer_t<decltype(&EVP_CIPHER_fetch)>* fetch = nullptr;
  std::remove_pointer_t<decltype(&EVP_CIPHER_get0_provider)>* provider_of = nullptr;
  std::remove_pointer_t<decltype(&OSSL_PROVIDER_query_operation)>* query = nullptr;
  std::remove_pointer_t<decltype(&OSSL_PROVIDER_get0_provider_ctx)>* context_of = nullptr;
  take(init, dlsym(library, "OPENSSL_init_crypto"), complete);
  take(fetch, dlsym(library, "EVP_CIPHER_fetch"), complete);
  take(provider_of, dlsym(library, "EVP_CIPHER_get0_provider"), complete);
  take(query, dlsym(library, "OSSL_PROVIDER_query_operation"), complete);
  take(context_of, dlsym(library, "OSSL_PROVIDER_get0_provider_ctx"), complete);
  if (!complete) return std::nullopt;
  // Without configuration file, so that a system's openssl.cnf neither costs start time nor changes
  // what we get.
  (void)init(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  const EVP_CIPHER* const cipher = fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  const OSSL_PROVIDER* const provider = cipher == nullptr ? nullptr : provider_of(cipher);
  if (provider == nullptr) return std::nullopt;
  int no_cache = 0;
  const OSSL_ALGORITHM* const ciphers = query(provider, OSSL_OP_CIPHER, &no_cache);
  const OSSL_ALGORITHM* const macs = query(provider, OSSL_OP_MAC, &no_cache);
  Libcrypto out{};
  out.held = cipher;
  out.provider_context = context_of(provider);
  if (!take_cipher(find(ciphers, "ChaCha20-Poly1305"), out.aead) ||
      !take_cipher(find(ciphers, "ChaCha20"), out.chacha) ||
      !take_mac(find(macs, "POLY1305"), out.poly)) {
    return std::nullopt;
  }
  return out;
}

}  // namespace

const Libcrypto* libcrypto() {
  static const std::optional<Libcrypto> kLibrary = load();
  return kLibrary ? &*kLibrary : nullptr;
}

}  // namespace myst::detail
