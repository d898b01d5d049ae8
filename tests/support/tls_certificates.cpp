#include "tests/support/tls_certificates.hpp"

#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <sys/random.h>

#include <cstdio>
#include <cstdlib>

namespace myst::test {
namespace {

int random_bytes(void*, unsigned char* out, std::size_t size) {
  return ::getrandom(out, size, 0) == static_cast<ssize_t>(size) ? 0 : -1;
}

void must(int result, const char* what) {
  if (result >= 0) return;
  std::fprintf(stderr, "test certificates: %s: %d\n", what, result);
  std::abort();
}

struct Key {
  Key() {
    mbedtls_pk_init(&pk);
    must(mbedtls_pk_setup(&pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), "key");
    must(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(pk), random_bytes, nullptr),
         "key");
  }
  ~Key() { mbedtls_pk_free(&pk); }
  mbedtls_pk_context pk;
};

std::string write_certificate(Key& subject, Key& issuer, const std::string& name, bool authority,
                              const std::string& alternative_names) {
  mbedtls_x509write_cert crt;
  mbedtls_x509write_crt_init(&crt);
  mbedtls_x509write_crt_set_version(&crt, MBEDTLS_X509_CRT_VERSION_3);
  mbedtls_x509write_crt_set_md_alg(&crt, MBEDTLS_MD_SHA256);
  mbedtls_x509write_crt_set_subject_key(&crt, &subject.pk);
  mbedtls_x509write_crt_set_issuer_key(&crt, &issuer.pk);
  must(mbedtls_x509write_crt_set_subject_name(&crt, ("CN=" + name).c_str()), "subject");
  must(mbedtls_x509write_crt_set_issuer_name(&crt, "CN=test authority"), "issuer");
  must(mbedtls_x509write_crt_set_validity(&crt, "20200101000000", "20991231235959"), "validity");
  must(mbedtls_x509write_crt_set_basic_constraints(&crt, authority ? 1 : 0, -1), "constraints");
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  unsigned char serial[] = {1};
  must(mbedtls_x509write_crt_set_serial_raw(&crt, serial, sizeof serial), "serial");
#else
  mbedtls_mpi serial;
  mbedtls_mpi_init(&serial);
  must(mbedtls_mpi_lset(&serial, 1), "serial");
  must(mbedtls_x509write_crt_set_serial(&crt, &serial), "serial");
  mbedtls_mpi_free(&serial);
#endif
  if (!alternative_names.empty()) {
    must(mbedtls_x509write_crt_set_extension(
             &crt, MBEDTLS_OID_SUBJECT_ALT_NAME, MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0,
             reinterpret_cast<const unsigned char*>(alternative_names.data()),
             alternative_names.size()),
         "alternative names");
  }
  unsigned char pem[4096];
  must(mbedtls_x509write_crt_pem(&crt, pem, sizeof pem, random_bytes, nullptr), "write");
  mbedtls_x509write_crt_free(&crt);
  return reinterpret_cast<const char*>(pem);
}

}  // namespace

TlsCertificates make_tls_certificates(const std::string& name, const IpAddress& address) {
  Key authority, leaf;
  // RFC 5280 4.2.1.6: SEQUENCE OF GeneralName; dNSName is [2], iPAddress is [7]. Short lengths
  // only.
  const ByteSpan ip = address.bytes();
  std::string names = std::string("\x82") + static_cast<char>(name.size()) + name;
  names += "\x87";
  names += static_cast<char>(ip.size());
  names.append(as_text(ip));
  names = std::string("\x30") + static_cast<char>(names.size()) + names;

  TlsCertificates made;
  made.authority = write_certificate(authority, authority, "test authority", true, "");
  made.certificate = write_certificate(leaf, authority, name, false, names);
  unsigned char pem[2048];
  must(mbedtls_pk_write_key_pem(&leaf.pk, pem, sizeof pem), "write key");
  made.key = reinterpret_cast<const char*>(pem);
  return made;
}

}  // namespace myst::test
