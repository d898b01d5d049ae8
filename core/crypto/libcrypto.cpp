#include "core/crypto/libcrypto.hpp"

#include <dlfcn.h>
#include <openssl/crypto.h>

#include <optional>
#include <type_traits>

namespace myst::detail {
namespace {

std::optional<Libcrypto> load() {
  void* const library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return std::nullopt;
  bool complete = true;
  const auto take = [&](auto& function, const char* name) {
    void* const found = dlsym(library, name);
    complete = complete && found != nullptr;
    // POSIX gives functions as object pointers.
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(found);
  };
  Libcrypto out{};
  decltype(&OPENSSL_init_crypto) init = nullptr;
  decltype(&EVP_CIPHER_fetch) fetch = nullptr;
  take(out.context_new, "EVP_CIPHER_CTX_new");
  take(out.context_free, "EVP_CIPHER_CTX_free");
  take(out.context_ctrl, "EVP_CIPHER_CTX_ctrl");
  take(out.cipher_init, "EVP_CipherInit_ex");
  take(out.cipher_update, "EVP_CipherUpdate");
  take(out.cipher_final, "EVP_CipherFinal_ex");
  take(init, "OPENSSL_init_crypto");
  take(fetch, "EVP_CIPHER_fetch");
  if (!complete) return std::nullopt;
  // Without configuration file, so that a system's openssl.cnf neither costs start time nor changes
  // what we get. Fetched once: a fetch by every context would take libcrypto's locks.
  (void)init(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  out.chacha20_poly1305 = fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  if (out.chacha20_poly1305 == nullptr) return std::nullopt;
  return out;
}

}  // namespace

const Libcrypto* libcrypto() {
  static const std::optional<Libcrypto> kLibrary = load();
  return kLibrary ? &*kLibrary : nullptr;
}

}  // namespace myst::detail
