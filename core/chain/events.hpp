// Event logs of the network's contracts. A log is believed only as far as it says: who reads one
// checks the contract's address and how deep its block lies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/u256.hpp"
#include "core/chain/abi.hpp"
#include "core/crypto/digest.hpp"
#include "core/identity/address.hpp"

namespace myst::chain {

struct Log {
  static constexpr std::size_t kMaxTopics = 4;
  Address address;
  std::vector<Word> topics;
  Bytes data;
  std::uint64_t block = 0;
  Digest32 block_hash{};
  Digest32 transaction{};
  std::uint64_t index = 0;  // within the block
  bool removed = false;     // by a reorganisation
};

// What to search for. No topic at a place: any.
struct LogFilter {
  std::vector<Address> addresses;
  std::vector<std::optional<Word>> topics;
};

namespace topic {
// keccak of the event's signature.
extern const Word kHermesPromiseSettled;  // (address i,bytes32 i,address i,uint256,uint256,bytes32)
extern const Word kChannelPromiseSettled;   // (address,uint256,uint256,bytes32)
extern const Word kNewStake;                // (bytes32 i,uint256)
extern const Word kRegisteredIdentity;      // (address i,address)
extern const Word kBeneficiaryChanged;      // (address i,address)
extern const Word kConsumerChannelCreated;  // (address i,address i,address)
extern const Word kRegisteredHermes;        // (address i,address,bytes)
extern const Word kHermesUrlUpdated;        // (address i,bytes)
extern const Word kTransfer;                // (address i,address i,uint256)
}  // namespace topic

// Malformed: another event, or not its shape.
struct HermesPromiseSettled {
  Address identity;
  Digest32 channel_id{};
  Address beneficiary;
  Wei sent_to_beneficiary;
  Wei fees;
  ByteArray<32> r{};  // the preimage, not its hash
};
Result<HermesPromiseSettled> read_hermes_promise_settled(const Log& log);

struct ChannelPromiseSettled {
  Address beneficiary;
  Wei amount;  // of this settlement
  Wei total_settled;
  ByteArray<32> r{};
};
Result<ChannelPromiseSettled> read_channel_promise_settled(const Log& log);

struct NewStake {
  Digest32 channel_id{};
  Wei stake;
};
Result<NewStake> read_new_stake(const Log& log);

struct RegisteredIdentity {
  Address identity, beneficiary;
};
Result<RegisteredIdentity> read_registered_identity(const Log& log);
// The same shape under another topic.
Result<RegisteredIdentity> read_beneficiary_changed(const Log& log);

struct ConsumerChannelCreated {
  Address identity, hermes, channel;
};
Result<ConsumerChannelCreated> read_consumer_channel_created(const Log& log);

struct Transfer {
  Address from, to;
  Wei amount;
};
Result<Transfer> read_transfer(const Log& log);

}  // namespace myst::chain
