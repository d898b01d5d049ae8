// NATS subjects that carry who publishes and when:
//   signed.<base64url without padding of the signature>.<unix seconds>.<topic>
// signed over "<unix seconds>.<topic>", v raw. A broker gate reads the first three words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/identity/address.hpp"
#include "core/identity/signature.hpp"
#include "core/identity/signer.hpp"

namespace myst {

// Empty when the signer cannot sign.
std::string signed_subject(const Signer& signer, std::int64_t unix_seconds, std::string_view topic);

struct SignedSubject {
  Signature signature{};
  std::int64_t unix_seconds = 0;
  std::string_view topic;        // a part of the parsed text
  std::string_view signed_text;  // "<unix seconds>.<topic>", a part of the parsed text
};

// Malformed: not of that shape. Nothing is verified yet; views point into `subject`.
Result<SignedSubject> parse_signed_subject(std::string_view subject);
// Who signed it; the caller judges the time and whether this identity may use the topic.
Result<Address> recover_signer(const SignedSubject& subject);

}  // namespace myst
