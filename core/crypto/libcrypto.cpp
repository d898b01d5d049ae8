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

constexpr char kCipher[] = "ChaCha20-Poly1305";

// POSIX gives functions as object pointers; OSSL_DISPATCH gives them as functions of another type.
template <typename Function, typename Found>
void take(Function*& function, Found found, bool& complete) {
  complete = complete && found != nullptr;
  function = reinterpret_cast<Function*>(found);
}

// "ChaCha20-Poly1305" among names like "AES-128-GCM:id-aes128-GCM:2.16.840...".
bool is_cipher(const char* names) {
  for (std::string_view left = names; !left.empty();) {
    const std::size_t colon = left.find(':');
    if (left.substr(0, colon) == kCipher) return true;
    left = colon == std::string_view::npos ? std::string_view() : left.substr(colon + 1);
  }
  return false;
}

bool take_functions(const OSSL_DISPATCH* at, Libcrypto& out) {
  bool complete = true;
  for (; at->function_id != 0; ++at) {
    switch (at->function_id) {
      case OSSL_FUNC_CIPHER_NEWCTX:
        take(out.context_new, at->function, complete);
        break;
      case OSSL_FUNC_CIPHER_FREECTX:
        take(out.context_free, at->function, complete);
        break;
      case OSSL_FUNC_CIPHER_ENCRYPT_INIT:
        take(out.seal_init, at->function, complete);
        break;
      case OSSL_FUNC_CIPHER_DECRYPT_INIT:
        take(out.open_init, at->function, complete);
        break;
      case OSSL_FUNC_CIPHER_UPDATE:
        take(out.update, at->function, complete);
        break;
      case OSSL_FUNC_CIPHER_FINAL:
        take(out.final, at->function, complete);
        break;
      case OSSL_FUNC_CIPHER_GET_CTX_PARAMS:
        take(out.get_params, at->function, complete);
        break;
      case OSSL_FUNC_CIPHER_SET_CTX_PARAMS:
        take(out.set_params, at->function, complete);
        break;
      default:
        break;
    }
  }
  return complete && out.context_new != nullptr && out.context_free != nullptr &&
         out.seal_init != nullptr && out.open_init != nullptr && out.update != nullptr &&
         out.final != nullptr && out.get_params != nullptr && out.set_params != nullptr;
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
  const EVP_CIPHER* const cipher = fetch(nullptr, kCipher, nullptr);
  const OSSL_PROVIDER* const provider = cipher == nullptr ? nullptr : provider_of(cipher);
  if (provider == nullptr) return std::nullopt;
  int no_cache = 0;
  const OSSL_ALGORITHM* at = query(provider, OSSL_OP_CIPHER, &no_cache);
  for (; at != nullptr && at->algorithm_names != nullptr; ++at) {
    if (!is_cipher(at->algorithm_names)) continue;
    Libcrypto out{};
    out.cipher = cipher;
    out.provider_context = context_of(provider);
    if (take_functions(at->implementation, out)) return out;
  }
  return std::nullopt;
}

}  // namespace

const Libcrypto* libcrypto() {
  static const std::optional<Libcrypto> kLibrary = load();
  return kLibrary ? &*kLibrary : nullptr;
}

}  // namespace myst::detail
