// The mbedtls side of TlsTrust, TlsIdentity and TlsStream; for platform/net/tls_*.cpp only. Builds
// with mbedtls 2.28 and 3.6.
#pragma once

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include "platform/net/tls_trust.hpp"
#include "platform/system/random.hpp"

namespace myst::platform {

struct TlsTrust::Native {
  Native() { mbedtls_x509_crt_init(&chain); }
  ~Native() { mbedtls_x509_crt_free(&chain); }
  Native(const Native&) = delete;
  Native& operator=(const Native&) = delete;
  mbedtls_x509_crt chain;
};

struct TlsIdentity::Native {
  Native() {
    mbedtls_x509_crt_init(&chain);
    mbedtls_pk_init(&key);
  }
  ~Native() {
    mbedtls_pk_free(&key);
    mbedtls_x509_crt_free(&chain);
  }
  Native(const Native&) = delete;
  Native& operator=(const Native&) = delete;
  mbedtls_x509_crt chain;
  mbedtls_pk_context key;
};

inline int tls_random(void*, unsigned char* out, std::size_t size) {
  SystemRng().fill({out, size});
  return 0;
}

}  // namespace myst::platform
