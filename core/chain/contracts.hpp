// The network's contracts as bytes: calldata of the functions that node and hub call, and what they
// return. Registry, Hermes, consumer channel and token of contracts release 2.3
// (payments-smart-contracts: contracts/*.sol; payments: bindings).
//
// A function without parse_*: its result is not looked at. All parse errors are Malformed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/u256.hpp"
#include "core/chain/abi.hpp"
#include "core/crypto/digest.hpp"
#include "core/identity/address.hpp"
#include "core/identity/signature.hpp"

namespace myst::chain {

// One word, for the functions that return one.
Result<bool> parse_boolean(ByteSpan returned);
Result<U256> parse_number(ByteSpan returned);
Result<Address> parse_address(ByteSpan returned);

namespace registry {

// --- reads
Bytes is_registered(const Address& identity);           // bool
Bytes is_hermes(const Address& hermes);                 // bool
Bytes get_beneficiary(const Address& identity);         // address; zero: not registered
Bytes get_hermes(const Address& hermes);                // HermesRecord
Bytes get_hermes_url(const Address& hermes);            // text
Bytes get_hermes_address(const Address& operator_key);  // address
Bytes get_channel_implementation(const U256& version);  // address
Bytes get_channel_address(const Address& identity, const Address& hermes);  // address
Bytes last_nonce();                                                         // number
Bytes is_initialized();                                                     // bool

struct HermesRecord {
  Address operator_key;
  U256 implementation_version;
  std::string url;
};
Result<HermesRecord> parse_hermes(ByteSpan returned);
// At most 2,048 bytes; as registered, not checked to be a URL.
Result<std::string> parse_url(ByteSpan returned);

// --- transactions
Bytes register_identity(const Address& hermes, const Wei& stake, const Wei& fee,
                        const Address& beneficiary, ByteSpan signature);
Bytes open_consumer_channel(const Address& hermes, const Wei& fee, ByteSpan signature);
Bytes set_beneficiary(const Address& identity, const Address& beneficiary, ByteSpan signature);
Bytes register_hermes(const Address& operator_key, const Wei& stake, std::uint16_t fee,
                      const Wei& min_stake, const Wei& max_stake, std::string_view url);
Bytes update_hermes_url(const Address& hermes, std::string_view url, ByteSpan signature);
Bytes initialize(const Address& token, const Address& dex, const Wei& minimal_hermes_stake,
                 const Address& channel_implementation, const Address& hermes_implementation,
                 const Address& parent);

}  // namespace registry

namespace hermes {

// --- reads
Bytes channels(const Digest32& channel_id);     // Channel
Bytes last_fee();                               // Fee
Bytes get_active_fee();                         // number, 1/10000
Bytes calculate_hermes_fee(const Wei& amount);  // number
Bytes is_hermes_active();                       // bool
Bytes get_status();                             // number: Status
Bytes get_operator();                           // address
Bytes get_registry();                           // address
Bytes get_stake_thresholds();                   // StakeThresholds
Bytes get_hermes_stake();                       // number
Bytes available_balance();                      // number
Bytes minimal_expected_balance();               // number

struct Channel {  // an unknown one reads as four zeros
  Wei settled;    // cumulative
  Wei stake;
  U256 last_used_nonce;
  U256 timelock;
};
Result<Channel> parse_channel(ByteSpan returned);

struct Fee {
  std::uint16_t per_10000 = 0;
  std::uint64_t valid_from = 0;  // Unix seconds
};
Result<Fee> parse_fee(ByteSpan returned);

struct StakeThresholds {
  Wei min, max;
};
Result<StakeThresholds> parse_stake_thresholds(ByteSpan returned);

enum class State : std::uint8_t { Active, Paused, Punishment, Closed };
Result<State> parse_state(ByteSpan returned);

// --- transactions
struct Settlement {  // a promise of Hermes with its preimage
  Address identity;
  Wei amount;  // cumulative
  Wei fee;     // for the sender of the transaction; included in the amount
  ByteArray<32> r{};
  Signature signature{};  // of the operator, v 27/28
};
Bytes settle_promise(const Settlement& settlement);
Bytes settle_with_beneficiary(const Settlement& settlement, const Address& beneficiary,
                              ByteSpan beneficiary_signature);
Bytes pay_and_settle(const Settlement& settlement, const Address& beneficiary,
                     ByteSpan beneficiary_signature);
Bytes settle_into_stake(const Settlement& settlement);
Bytes increase_stake(const Digest32& channel_id, const Wei& amount);
Bytes decrease_stake(const Address& identity, const Wei& amount, const Wei& fee,
                     ByteSpan signature);

}  // namespace hermes

namespace channel {

Bytes hermes();        // Hermes; the call returns nothing where no channel is deployed
Bytes operator_key();  // address: the identity

struct Hermes {
  Address operator_key;
  Address contract;
  Wei settled;
};
Result<Hermes> parse_hermes(ByteSpan returned);

// A consumer's promise, cashed by Hermes.
Bytes settle_promise(const Wei& amount, const Wei& fee, const ByteArray<32>& r, ByteSpan signature);

}  // namespace channel

namespace token {

Bytes balance_of(const Address& owner);                         // number
Bytes allowance(const Address& owner, const Address& spender);  // number
Bytes total_supply();                                           // number
Bytes transfer(const Address& to, const Wei& amount);
Bytes approve(const Address& spender, const Wei& amount);
Bytes mint(const Address& to, const Wei& amount);

}  // namespace token

}  // namespace myst::chain
