#include "core/identity/signed_subject.hpp"

#include <limits>

#include "core/base/text.hpp"

namespace myst {
namespace {

constexpr std::string_view kPrefix = "signed.";

}  // namespace

std::string signed_subject(const Signer& signer, std::int64_t unix_seconds,
                           std::string_view topic) {
  std::string text = std::to_string(unix_seconds);
  text += '.';
  text += topic;
  const auto signature = signer.sign(as_bytes(text));
  if (!signature.ok()) return {};
  std::string subject(kPrefix);
  subject += to_base64url(*signature);
  subject += '.';
  subject += text;
  return subject;
}

Result<SignedSubject> parse_signed_subject(std::string_view subject) {
  if (subject.substr(0, kPrefix.size()) != kPrefix) {
    return Error{Errc::Malformed, 0, "subject is not signed"};
  }
  subject.remove_prefix(kPrefix.size());
  const std::size_t dot = subject.find('.');
  // 87 characters are 65 bytes; anything else need not be decoded to be refused.
  if (dot != 87) return Error{Errc::Malformed, 0, "signed subject signature"};
  SignedSubject out;
  MYST_TRY_ASSIGN(const Bytes signature, from_base64url(subject.substr(0, dot)));
  MYST_TRY_ASSIGN(out.signature, signature_from_bytes(signature));
  out.signed_text = subject.substr(dot + 1);
  const std::size_t second = out.signed_text.find('.');
  if (second == std::string_view::npos || second + 1 == out.signed_text.size()) {
    return Error{Errc::Malformed, 0, "signed subject without topic"};
  }
  const auto seconds = parse_decimal(out.signed_text.substr(0, second));
  if (!seconds || *seconds > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return Error{Errc::Malformed, 0, "signed subject time"};
  }
  out.unix_seconds = static_cast<std::int64_t>(*seconds);
  out.topic = out.signed_text.substr(second + 1);
  return out;
}

Result<Address> recover_signer(const SignedSubject& subject) {
  return recover_signer(as_bytes(subject.signed_text), subject.signature);
}

}  // namespace myst
