// What the network's contracts say, read over JSON-RPC. Nothing is cached here.
//
// Errors: NotFound: no contract at that address; Rejected: the contract reverted, or the servers
// refused the call; Malformed: what came back is not what the function returns; Timeout,
// Unavailable, Full: nobody answered.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/chain/contracts.hpp"
#include "core/chain/events.hpp"
#include "core/chain/types.hpp"
#include "drivers/ethereum/codec.hpp"
#include "drivers/ethereum/rpc_client.hpp"

namespace myst::ethereum {

class Reader {
 public:
  template <typename T>
  using Callback = std::function<void(Result<T>)>;

  // The client outlives this and calls back exactly once, never from inside the call.
  explicit Reader(RpcClient& client) : client_(client) {}
  RpcClient& client() { return client_; }

  // --- registry
  void is_registered(const Address& registry, const Address& identity, Callback<bool> done);
  void is_hermes(const Address& registry, const Address& hermes, Callback<bool> done);
  void beneficiary(const Address& registry, const Address& identity, Callback<Address> done);
  void hermes_record(const Address& registry, const Address& hermes,
                     Callback<chain::registry::HermesRecord> done);
  void hermes_url(const Address& registry, const Address& hermes, Callback<std::string> done);
  void channel_implementation(const Address& registry, const U256& version, Callback<Address> done);
  void registry_nonce(const Address& registry, Callback<U256> done);

  // --- hermes
  void provider_channel(const Address& hermes, const Digest32& channel_id, BlockTag at,
                        Callback<chain::hermes::Channel> done);
  void hermes_fee(const Address& hermes, Callback<chain::hermes::Fee> done);
  void settlement_fee(const Address& hermes, const Wei& amount, Callback<Wei> done);
  void hermes_active(const Address& hermes, Callback<bool> done);
  void hermes_operator(const Address& hermes, Callback<Address> done);
  void stake_thresholds(const Address& hermes, Callback<chain::hermes::StakeThresholds> done);
  void available_balance(const Address& hermes, Callback<Wei> done);

  // --- consumer channel and token
  // nullopt: not deployed.
  void consumer_channel(const Address& channel,
                        Callback<std::optional<chain::channel::Hermes>> done);
  // As it was at that block, which servers remember for a hundred or so: nullopt also when it was
  // not deployed yet.
  void consumer_channel(const Address& channel, BlockTag at,
                        Callback<std::optional<chain::channel::Hermes>> done);
  void token_balance(const Address& token, const Address& owner, BlockTag at, Callback<Wei> done);
  void token_balance(const Address& token, const Address& owner, Callback<Wei> done);

  // --- the chain itself
  void latest_block(Callback<chain::Block> done);
  void block(std::uint64_t number, Callback<std::optional<chain::Block>> done);
  // Next nonce of an account: with transactions that wait (Pending), or only mined ones.
  void nonce(const Address& account, BlockTag at, Callback<std::uint64_t> done);
  void native_balance(const Address& account, Callback<Wei> done);
  void has_code(const Address& address, Callback<bool> done);
  void receipt(const Digest32& transaction, Callback<std::optional<chain::Receipt>> done);
  // One window; servers bound it (Polygon's to some thousand blocks): see chain::LogScan.
  void logs(const chain::LogFilter& filter, std::uint64_t from_block,
            std::optional<std::uint64_t> to_block, Callback<std::vector<chain::Log>> done);

 private:
  template <typename T>
  void read(const Address& to, Bytes calldata, BlockTag at, Result<T> (*parse)(ByteSpan),
            Callback<T> done);
  template <typename T>
  void ask(const char* method, std::string params, Result<T> (*parse)(std::string_view),
           Callback<T> done);
  RpcClient& client_;
};

// The error of a call that did not succeed.
Error error_of(const RpcClient::Done& done);
// The same as a sentence, with the reason of a revert.
std::string text_of(const RpcClient::Done& done);

}  // namespace myst::ethereum
