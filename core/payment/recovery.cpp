#include "core/payment/recovery.hpp"

#include "core/base/text.hpp"

namespace myst::payment {
namespace {

// node: session/pingpong/hermes_promise_handler.go; the reader of it is always the writer, so the
// exact text is the grammar.
constexpr std::string_view kBefore = "{\"r\":\"";
constexpr std::string_view kBetween = "\",\"agreement_id\":";
constexpr std::string_view kAfter = "}";

}  // namespace

std::string recovery_text(const RecoveryData& data) {
  std::string text(kBefore);
  text += to_hex(data.r);
  text += kBetween;
  text += data.agreement_id.to_string();
  text += kAfter;
  return text;
}

Result<RecoveryData> parse_recovery_text(std::string_view text) {
  const Error malformed{Errc::Malformed, 0, "recovery data"};
  const std::size_t between = text.find(kBetween);
  if (text.substr(0, kBefore.size()) != kBefore || between == std::string_view::npos ||
      between < kBefore.size() || text.back() != kAfter[0]) {
    return malformed;
  }
  const std::size_t number = between + kBetween.size();
  if (number >= text.size()) return malformed;
  RecoveryData data;
  MYST_TRY_ASSIGN(data.r, from_hex(text.substr(kBefore.size(), between - kBefore.size())));
  MYST_TRY_ASSIGN(data.agreement_id, U256::parse(text.substr(number, text.size() - 1 - number)));
  return data;
}

Result<std::string> seal_recovery(const Signer& signer, Rng& rng, const RecoveryData& data) {
  MYST_TRY_ASSIGN(const Bytes sealed, signer.encrypt_for_self(rng, as_bytes(recovery_text(data))));
  return to_hex(sealed);
}

Result<RecoveryData> open_recovery(const Signer& signer, std::string_view hex) {
  MYST_TRY_ASSIGN(const Bytes sealed, from_hex(hex));
  MYST_TRY_ASSIGN(const Bytes text, signer.decrypt_from_self(sealed));
  return parse_recovery_text(as_text(text));
}

}  // namespace myst::payment
