// What a provider hands to Hermes with each request so that a lost R can be had back: the R and its
// agreement, encrypted under a key only this identity derives, in hex.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/u256.hpp"
#include "core/identity/signer.hpp"

namespace myst::payment {

struct RecoveryData {
  Bytes r;
  U256 agreement_id;
};

std::string recovery_text(const RecoveryData& data);  // {"r":"<hex>","agreement_id":<n>}
// Malformed: not exactly that text.
Result<RecoveryData> parse_recovery_text(std::string_view text);

Result<std::string> seal_recovery(const Signer& signer, Rng& rng, const RecoveryData& data);
// Rejected: not ours. Unsupported: the signer cannot decrypt.
Result<RecoveryData> open_recovery(const Signer& signer, std::string_view hex);

}  // namespace myst::payment
