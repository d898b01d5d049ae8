// Certificates for tests, made on the spot: an authority and a leaf it signed.
#pragma once

#include <string>

#include "core/base/net.hpp"

namespace myst::test {

struct TlsCertificates {
  std::string authority;  // PEM
  std::string certificate;
  std::string key;
};

// For one DNS name and one address.
TlsCertificates make_tls_certificates(const std::string& name, const IpAddress& address);

}  // namespace myst::test
