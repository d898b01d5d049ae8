#include "platform/net/tls_trust.hpp"

#include <unistd.h>

#include <cstdlib>

#include "core/base/secret.hpp"
#include "platform/net/tls_native.hpp"
#include "platform/system/files.hpp"

namespace myst::platform {
namespace {

constexpr std::size_t kMaxBundle = 4 * 1024 * 1024;

const char* system_bundle() {
  const char* chosen = std::getenv("SSL_CERT_FILE");
  if (chosen != nullptr && *chosen != '\0') return chosen;
  // Debian and Alpine, Fedora, the BSD way.
  constexpr const char* kDebian = "/etc/ssl/certs/ca-certificates.crt";
  for (const char* path : {kDebian, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}) {
    if (::access(path, R_OK) == 0) return path;
  }
  return kDebian;
}

}  // namespace

TlsTrust::TlsTrust() : native_(new Native) {}
TlsTrust::~TlsTrust() = default;
TlsIdentity::TlsIdentity() : native_(new Native) {}
TlsIdentity::~TlsIdentity() = default;

Result<std::shared_ptr<const TlsTrust>> TlsTrust::from_pem(std::string_view pem) {
  std::shared_ptr<TlsTrust> trust(new TlsTrust);
  const std::string text(pem);  // mbedtls knows PEM by its closing zero, which counts
  const int failed =
      mbedtls_x509_crt_parse(&trust->native_->chain,
                             reinterpret_cast<const unsigned char*>(text.c_str()), text.size() + 1);
  if (failed < 0 || trust->native_->chain.raw.p == nullptr) {
    return Error{Errc::Malformed, failed, "certificate authorities"};
  }
  return std::shared_ptr<const TlsTrust>(std::move(trust));
}

Result<std::shared_ptr<const TlsTrust>> TlsTrust::from_file(const std::string& path) {
  MYST_TRY_ASSIGN(const std::string pem, read_file(path, kMaxBundle));
  return from_pem(pem);
}

Result<std::shared_ptr<const TlsTrust>> TlsTrust::system() {
  // The loop's thread is the only one that dials.
  static std::weak_ptr<const TlsTrust> shared;
  if (auto trust = shared.lock()) return trust;
  auto trust = from_file(system_bundle());
  if (trust.ok()) shared = *trust;
  return trust;
}

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::from_pem(std::string_view certificates,
                                                                 std::string_view key) {
  std::shared_ptr<TlsIdentity> identity(new TlsIdentity);
  const std::string chain(certificates);
  if (const int error = mbedtls_x509_crt_parse(
          &identity->native_->chain, reinterpret_cast<const unsigned char*>(chain.c_str()),
          chain.size() + 1);
      error != 0) {
    return Error{Errc::Malformed, error, "tls certificate"};
  }
  std::string secret(key);
  const auto* bytes = reinterpret_cast<const unsigned char*>(secret.c_str());
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  const int error = mbedtls_pk_parse_key(&identity->native_->key, bytes, secret.size() + 1, nullptr,
                                         0, tls_random, nullptr);
#else
  const int error =
      mbedtls_pk_parse_key(&identity->native_->key, bytes, secret.size() + 1, nullptr, 0);
#endif
  wipe(secret.data(), secret.size());
  if (error != 0) return Error{Errc::Malformed, error, "tls key"};
  return std::shared_ptr<const TlsIdentity>(std::move(identity));
}

}  // namespace myst::platform
