// Whom TLS believes: certificate authorities of a peer, certificate and key of ourselves. The types
// of mbedtls stay in the .cpp files.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace myst::platform {

class TlsTrust {
 public:
  // One or many PEM certificates; those that do not parse are left out as long as one does.
  static Result<std::shared_ptr<const TlsTrust>> from_pem(std::string_view pem);
  static Result<std::shared_ptr<const TlsTrust>> from_file(const std::string& path);
  // The system's bundle ($SSL_CERT_FILE, or where distributions put it). Read when asked for,
  // shared by those that hold it and freed with the last of them: it is half a megabyte that only
  // handshakes need.
  static Result<std::shared_ptr<const TlsTrust>> system();
  ~TlsTrust();
  TlsTrust(const TlsTrust&) = delete;
  TlsTrust& operator=(const TlsTrust&) = delete;

  struct Native;
  Native& native() const { return *native_; }

 private:
  TlsTrust();
  std::unique_ptr<Native> native_;
};

// What a TLS server shows.
class TlsIdentity {
 public:
  static Result<std::shared_ptr<const TlsIdentity>> from_pem(std::string_view certificates,
                                                             std::string_view key);
  ~TlsIdentity();
  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

  struct Native;
  Native& native() const { return *native_; }

 private:
  TlsIdentity();
  std::unique_ptr<Native> native_;
};

}  // namespace myst::platform
