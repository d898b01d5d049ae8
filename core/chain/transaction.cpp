#include "core/chain/transaction.hpp"

#include <algorithm>

#include "core/chain/rlp.hpp"
#include "core/crypto/keccak.hpp"

namespace myst::chain {
namespace {

constexpr std::uint8_t kDynamicFee = 0x02;  // EIP-2718 type of EIP-1559

RlpList fields_of(const Transaction& t) {
  RlpList list;
  if (t.fees.legacy) {
    list.number(t.nonce)
        .number(t.fees.max_fee)
        .number(t.gas_limit)
        .bytes(t.to.bytes())
        .number(t.value)
        .bytes(t.data);
  } else {
    list.number(t.chain_id)
        .number(t.nonce)
        .number(t.fees.tip)
        .number(t.fees.max_fee)
        .number(t.gas_limit)
        .bytes(t.to.bytes())
        .number(t.value)
        .bytes(t.data)
        .list(RlpList());  // access list
  }
  return list;
}

Bytes typed(Bytes payload) {
  payload.insert(payload.begin(), kDynamicFee);
  return payload;
}

Wei eighth_more(const Wei& value) {
  return Wei::saturating_add(Wei::saturating_add(value, value.divided_by(8)), Wei(1));
}

}  // namespace

Bytes unsigned_bytes(const Transaction& t) {
  RlpList list = fields_of(t);
  if (!t.fees.legacy) return typed(list.finish());
  return list.number(t.chain_id).number(0).number(0).finish();  // EIP-155
}

Digest32 signing_hash(const Transaction& t) { return keccak256(unsigned_bytes(t)); }

Result<SignedTransaction> sign(const Transaction& t, const Signer& signer) {
  MYST_TRY_ASSIGN(const Signature signature, signer.sign_digest(signing_hash(t)));
  const ByteSpan all(signature);
  MYST_TRY_ASSIGN(const U256 r, U256::from_bytes(all.first(32)));
  MYST_TRY_ASSIGN(const U256 s, U256::from_bytes(all.subspan(32, 32)));
  const std::uint64_t recovery = signature[64];
  RlpList list = fields_of(t);
  SignedTransaction out;
  if (t.fees.legacy) {
    // 64 bits are enough for v of any chain id below 2^63.
    const U256 v = U256::saturating_add(U256::saturating_mul(t.chain_id, 2), 35 + recovery);
    out.raw = list.number(v).number(r).number(s).finish();
  } else {
    out.raw = typed(list.number(recovery).number(r).number(s).finish());
  }
  out.hash = keccak256(out.raw);
  return out;
}

std::optional<Fees> suggest(const FeeHistory& history, const FeePolicy& policy) {
  if (history.base_fees.empty()) return std::nullopt;
  std::vector<Wei> tips = history.tips;
  Fees out;
  if (!tips.empty()) {
    const auto middle = tips.begin() + static_cast<std::ptrdiff_t>(tips.size() / 2);
    std::nth_element(tips.begin(), middle, tips.end());
    out.tip = *middle;
  }
  out.tip = std::min(std::max(out.tip, policy.min_tip), policy.max_fee);
  const Wei base = Wei::saturating_mul(history.base_fees.back(), policy.base_fee_factor);
  out.max_fee = std::min(Wei::saturating_add(base, out.tip), policy.max_fee);
  return out;
}

Fees suggest_legacy(const Wei& gas_price, const FeePolicy& policy) {
  Fees out;
  out.legacy = true;
  out.max_fee = std::min(std::max(gas_price, policy.min_tip), policy.max_fee);
  return out;
}

std::optional<Fees> raised(const Fees& old, const Fees& suggested, const FeePolicy& policy) {
  Fees out = old;
  out.max_fee = std::max(eighth_more(old.max_fee), suggested.max_fee);
  if (out.max_fee > policy.max_fee) {
    // The last step may be a smaller one, as long as servers take it: a tenth.
    const Wei least =
        Wei::saturating_add(Wei::saturating_add(old.max_fee, old.max_fee.divided_by(10)), Wei(1));
    if (least > policy.max_fee) return std::nullopt;
    out.max_fee = policy.max_fee;
  }
  if (!old.legacy) out.tip = std::min(std::max(eighth_more(old.tip), suggested.tip), out.max_fee);
  return out;
}

}  // namespace myst::chain
