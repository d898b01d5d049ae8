#include "core/chain/contracts.hpp"

namespace myst::chain {
namespace {

constexpr std::size_t kMaxUrl = 2048;

Bytes plain(std::uint32_t selector) { return CallWriter(selector, 0).finish(); }

Bytes of_address(std::uint32_t selector, const Address& address) {
  return CallWriter(selector, 1).address(address).finish();
}

Bytes of_number(std::uint32_t selector, const U256& number) {
  return CallWriter(selector, 1).number(number).finish();
}

}  // namespace

Result<bool> parse_boolean(ByteSpan returned) { return WordReader(returned).boolean(0); }
Result<U256> parse_number(ByteSpan returned) { return WordReader(returned).number(0); }
Result<Address> parse_address(ByteSpan returned) { return WordReader(returned).address(0); }

namespace registry {

Bytes is_registered(const Address& identity) { return of_address(0xc3c5a547, identity); }
Bytes is_hermes(const Address& hermes) { return of_address(0xcdd596e0, hermes); }
Bytes get_beneficiary(const Address& identity) { return of_address(0x505a1b31, identity); }
Bytes get_hermes(const Address& hermes) { return of_address(0xe0b6c323, hermes); }
Bytes get_hermes_url(const Address& hermes) { return of_address(0xbf1eb88a, hermes); }
Bytes get_hermes_address(const Address& operator_key) {
  return of_address(0xacc831d0, operator_key);
}
Bytes get_channel_implementation(const U256& version) { return of_number(0x41ca71ab, version); }
Bytes get_channel_address(const Address& identity, const Address& hermes) {
  return CallWriter(0xe617aaac, 2).address(identity).address(hermes).finish();
}
Bytes last_nonce() { return plain(0x52631ab4); }
Bytes is_initialized() { return plain(0x392e53cd); }

Result<HermesRecord> parse_hermes(ByteSpan returned) {
  MYST_TRY_ASSIGN(const WordReader record, WordReader(returned).tuple(0));
  HermesRecord out;
  MYST_TRY_ASSIGN(out.operator_key, record.address(0));
  MYST_TRY_ASSIGN(out.implementation_version, record.number(1));
  // Word 2 is a function: address and selector, left-aligned. It names one that does not exist.
  MYST_TRY_ASSIGN(const ByteSpan url, record.bytes(3, kMaxUrl));
  out.url = std::string(as_text(url));
  return out;
}

Result<std::string> parse_url(ByteSpan returned) {
  MYST_TRY_ASSIGN(const ByteSpan url, WordReader(returned).bytes(0, kMaxUrl));
  return std::string(as_text(url));
}

Bytes register_identity(const Address& hermes, const Wei& stake, const Wei& fee,
                        const Address& beneficiary, ByteSpan signature) {
  return CallWriter(0xcf10c969, 5)
      .address(hermes)
      .number(stake)
      .number(fee)
      .address(beneficiary)
      .bytes(signature)
      .finish();
}

Bytes open_consumer_channel(const Address& hermes, const Wei& fee, ByteSpan signature) {
  return CallWriter(0x04614e0b, 3).address(hermes).number(fee).bytes(signature).finish();
}

Bytes set_beneficiary(const Address& identity, const Address& beneficiary, ByteSpan signature) {
  return CallWriter(0xd0171d79, 3).address(identity).address(beneficiary).bytes(signature).finish();
}

Bytes register_hermes(const Address& operator_key, const Wei& stake, std::uint16_t fee,
                      const Wei& min_stake, const Wei& max_stake, std::string_view url) {
  return CallWriter(0xd5929fe3, 6)
      .address(operator_key)
      .number(stake)
      .number(fee)
      .number(min_stake)
      .number(max_stake)
      .bytes(as_bytes(url))
      .finish();
}

Bytes update_hermes_url(const Address& hermes, std::string_view url, ByteSpan signature) {
  return CallWriter(0xadd10dda, 3).address(hermes).bytes(as_bytes(url)).bytes(signature).finish();
}

Bytes initialize(const Address& token, const Address& dex, const Wei& minimal_hermes_stake,
                 const Address& channel_implementation, const Address& hermes_implementation,
                 const Address& parent) {
  return CallWriter(0xff9935cb, 6)
      .address(token)
      .address(dex)
      .number(minimal_hermes_stake)
      .address(channel_implementation)
      .address(hermes_implementation)
      .address(parent)
      .finish();
}

}  // namespace registry

namespace hermes {
namespace {

CallWriter settlement_call(std::uint32_t selector, std::size_t arguments, const Settlement& s) {
  CallWriter call(selector, arguments);
  call.address(s.identity).number(s.amount).number(s.fee).word(s.r).bytes(s.signature);
  return call;
}

}  // namespace

Bytes channels(const Digest32& channel_id) {
  return CallWriter(0x7a7ebd7b, 1).word(channel_id).finish();
}
Bytes last_fee() { return plain(0x9801134e); }
Bytes get_active_fee() { return plain(0x8d886fac); }
Bytes calculate_hermes_fee(const Wei& amount) { return of_number(0x1f4f12c6, amount); }
Bytes is_hermes_active() { return plain(0xbc96a1e9); }
Bytes get_status() { return plain(0x4e69d560); }
Bytes get_operator() { return plain(0xe7f43c68); }
Bytes get_registry() { return plain(0x5ab1bd53); }
Bytes get_stake_thresholds() { return plain(0x9ed9903e); }
Bytes get_hermes_stake() { return plain(0x306db49b); }
Bytes available_balance() { return plain(0xab2f0e51); }
Bytes minimal_expected_balance() { return plain(0x94c7915d); }

Result<Channel> parse_channel(ByteSpan returned) {
  const WordReader words(returned);
  Channel out;
  MYST_TRY_ASSIGN(out.settled, words.number(0));
  MYST_TRY_ASSIGN(out.stake, words.number(1));
  MYST_TRY_ASSIGN(out.last_used_nonce, words.number(2));
  MYST_TRY_ASSIGN(out.timelock, words.number(3));
  return out;
}

Result<Fee> parse_fee(ByteSpan returned) {
  const WordReader words(returned);
  MYST_TRY_ASSIGN(const std::uint64_t value, words.u64(0));
  if (value > 10000) return Error{Errc::Malformed, 0, "hermes fee above all"};
  Fee out;
  out.per_10000 = static_cast<std::uint16_t>(value);
  MYST_TRY_ASSIGN(out.valid_from, words.u64(1));
  return out;
}

Result<StakeThresholds> parse_stake_thresholds(ByteSpan returned) {
  const WordReader words(returned);
  StakeThresholds out;
  MYST_TRY_ASSIGN(out.min, words.number(0));
  MYST_TRY_ASSIGN(out.max, words.number(1));
  return out;
}

Result<State> parse_state(ByteSpan returned) {
  MYST_TRY_ASSIGN(const std::uint64_t value, WordReader(returned).u64(0));
  if (value > 3) return Error{Errc::Malformed, 0, "hermes state"};
  return static_cast<State>(value);
}

Bytes settle_promise(const Settlement& s) { return settlement_call(0x48d9f01e, 5, s).finish(); }

Bytes settle_with_beneficiary(const Settlement& s, const Address& beneficiary,
                              ByteSpan beneficiary_signature) {
  return settlement_call(0x53d2a0ff, 7, s)
      .address(beneficiary)
      .bytes(beneficiary_signature)
      .finish();
}

Bytes pay_and_settle(const Settlement& s, const Address& beneficiary,
                     ByteSpan beneficiary_signature) {
  return settlement_call(0x52a8e78d, 7, s)
      .address(beneficiary)
      .bytes(beneficiary_signature)
      .finish();
}

Bytes settle_into_stake(const Settlement& s) { return settlement_call(0x71d2ff1b, 5, s).finish(); }

Bytes increase_stake(const Digest32& channel_id, const Wei& amount) {
  return CallWriter(0x39f97626, 2).word(channel_id).number(amount).finish();
}

Bytes decrease_stake(const Address& identity, const Wei& amount, const Wei& fee,
                     ByteSpan signature) {
  return CallWriter(0x7295973a, 4)
      .address(identity)
      .number(amount)
      .number(fee)
      .bytes(signature)
      .finish();
}

}  // namespace hermes

namespace channel {

Bytes hermes() { return plain(0xd8092c92); }
Bytes operator_key() { return plain(0x570ca735); }

Result<Hermes> parse_hermes(ByteSpan returned) {
  const WordReader words(returned);
  Hermes out;
  MYST_TRY_ASSIGN(out.operator_key, words.address(0));
  MYST_TRY_ASSIGN(out.contract, words.address(1));
  MYST_TRY_ASSIGN(out.settled, words.number(2));
  return out;
}

Bytes settle_promise(const Wei& amount, const Wei& fee, const ByteArray<32>& r,
                     ByteSpan signature) {
  return CallWriter(0x6f174630, 4).number(amount).number(fee).word(r).bytes(signature).finish();
}

}  // namespace channel

namespace token {

Bytes balance_of(const Address& owner) { return of_address(0x70a08231, owner); }
Bytes allowance(const Address& owner, const Address& spender) {
  return CallWriter(0xdd62ed3e, 2).address(owner).address(spender).finish();
}
Bytes total_supply() { return plain(0x18160ddd); }
Bytes transfer(const Address& to, const Wei& amount) {
  return CallWriter(0xa9059cbb, 2).address(to).number(amount).finish();
}
Bytes approve(const Address& spender, const Wei& amount) {
  return CallWriter(0x095ea7b3, 2).address(spender).number(amount).finish();
}
Bytes mint(const Address& to, const Wei& amount) {
  return CallWriter(0x40c10f19, 2).address(to).number(amount).finish();
}

}  // namespace token

}  // namespace myst::chain
