// Transactions as bytes: legacy with replay protection (EIP-155) and EIP-1559, signed.
// Deterministic: the same transaction signed twice has the same hash.
#pragma once

#include <cstdint>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/u256.hpp"
#include "core/chain/types.hpp"
#include "core/crypto/digest.hpp"
#include "core/identity/address.hpp"
#include "core/identity/signer.hpp"

namespace myst::chain {

// What the sender is ready to pay for a unit of gas.
struct Fees {
  Wei max_fee;          // EIP-1559: base fee and tip together; legacy: the price
  Wei tip;              // EIP-1559 only
  bool legacy = false;  // the chain has no base fee

  bool operator==(const Fees& o) const {
    return max_fee == o.max_fee && tip == o.tip && legacy == o.legacy;
  }
};

struct Transaction {
  std::uint64_t chain_id = 0;
  std::uint64_t nonce = 0;
  Fees fees;
  std::uint64_t gas_limit = 0;
  Address to;  // contracts are not created
  Wei value;
  Bytes data;
};

struct SignedTransaction {
  Bytes raw;
  Digest32 hash{};
};

Bytes unsigned_bytes(const Transaction& transaction);
Digest32 signing_hash(const Transaction& transaction);
Result<SignedTransaction> sign(const Transaction& transaction, const Signer& signer);

// --- fees

struct FeePolicy {
  Wei min_tip{1000000000};     // Polygon's validators want 30 gwei: set it there
  Wei max_fee{1000000000000};  // never more for a unit of gas; 1,000 gwei
  // The next blocks' base fee may double before the transaction is mined.
  unsigned base_fee_factor = 2;
};
// From the last blocks: median of their tips, at least min_tip; factor times the next base fee
// on top. Never above max_fee. nullopt: no base fee is told, use a legacy price.
std::optional<Fees> suggest(const FeeHistory& history, const FeePolicy& policy);
Fees suggest_legacy(const Wei& gas_price, const FeePolicy& policy);

// Fees that replace a transaction with `old` ones: servers want a tenth more of both, this gives an
// eighth, or what is suggested now if that is more. nullopt: the policy's limit is in the way.
std::optional<Fees> raised(const Fees& old, const Fees& suggested, const FeePolicy& policy);

}  // namespace myst::chain
