#include "drivers/ethereum/reader.hpp"

#include <utility>

namespace myst::ethereum {
namespace {

constexpr Error kNoContract{Errc::NotFound, 0, "no contract code at given address"};

}  // namespace

Error error_of(const RpcClient::Done& done) {
  if (!done.refused) return done.failure;
  if (chain::is_final(*done.refused)) {
    return Error{Errc::Rejected, static_cast<int>(done.refused->code),
                 "the chain refused the call"};
  }
  return Error{Errc::Unavailable, static_cast<int>(done.refused->code),
               "the chain endpoints refused the call"};
}

std::string text_of(const RpcClient::Done& done) {
  if (!done.refused) return done.failure.what;
  std::string text = done.refused->message;
  if (!done.refused->data.empty()) text += ": " + chain::revert_reason(done.refused->data);
  return text;
}

template <typename T>
void Reader::ask(const char* method, std::string params, Result<T> (*parse)(std::string_view),
                 Callback<T> done) {
  client_.call(method, std::move(params),
               [parse, done = std::move(done)](const RpcClient::Done& answer) {
                 if (!answer.result) return done(error_of(answer));
                 done(parse(*answer.result));
               });
}

template <typename T>
void Reader::read(const Address& to, Bytes calldata, BlockTag at, Result<T> (*parse)(ByteSpan),
                  Callback<T> done) {
  ask<Bytes>("eth_call", call_params(to, calldata, at), read_data,
             [this, to, at, parse, done = std::move(done)](const Result<Bytes>& returned) {
               if (!returned.ok()) return done(returned.error());
               if (!returned->empty()) return done(parse(*returned));
               if (at.kind == BlockTag::Kind::Number) return done(kNoContract);
               // A call to an account without code succeeds and returns nothing. A server that lags
               // may say the same of a contract: so the code is asked for.
               has_code(to, [done](const Result<bool>& code) {
                 if (!code.ok()) return done(code.error());
                 if (!*code) return done(kNoContract);
                 done(Error{Errc::Malformed, 0, "the contract returned nothing"});
               });
             });
}

void Reader::is_registered(const Address& registry, const Address& identity, Callback<bool> done) {
  read<bool>(registry, chain::registry::is_registered(identity), BlockTag::Latest,
             chain::parse_boolean, std::move(done));
}
void Reader::is_hermes(const Address& registry, const Address& hermes, Callback<bool> done) {
  read<bool>(registry, chain::registry::is_hermes(hermes), BlockTag::Latest, chain::parse_boolean,
             std::move(done));
}
void Reader::beneficiary(const Address& registry, const Address& identity, Callback<Address> done) {
  read<Address>(registry, chain::registry::get_beneficiary(identity), BlockTag::Latest,
                chain::parse_address, std::move(done));
}
void Reader::hermes_record(const Address& registry, const Address& hermes,
                           Callback<chain::registry::HermesRecord> done) {
  read<chain::registry::HermesRecord>(registry, chain::registry::get_hermes(hermes),
                                      BlockTag::Latest, chain::registry::parse_hermes,
                                      std::move(done));
}
void Reader::hermes_url(const Address& registry, const Address& hermes,
                        Callback<std::string> done) {
  read<std::string>(registry, chain::registry::get_hermes_url(hermes), BlockTag::Latest,
                    chain::registry::parse_url, std::move(done));
}
void Reader::channel_implementation(const Address& registry, const U256& version,
                                    Callback<Address> done) {
  read<Address>(registry, chain::registry::get_channel_implementation(version), BlockTag::Latest,
                chain::parse_address, std::move(done));
}
void Reader::registry_nonce(const Address& registry, Callback<U256> done) {
  read<U256>(registry, chain::registry::last_nonce(), BlockTag::Latest, chain::parse_number,
             std::move(done));
}

void Reader::provider_channel(const Address& hermes, const Digest32& channel_id, BlockTag at,
                              Callback<chain::hermes::Channel> done) {
  read<chain::hermes::Channel>(hermes, chain::hermes::channels(channel_id), at,
                               chain::hermes::parse_channel, std::move(done));
}
void Reader::hermes_fee(const Address& hermes, Callback<chain::hermes::Fee> done) {
  read<chain::hermes::Fee>(hermes, chain::hermes::last_fee(), BlockTag::Latest,
                           chain::hermes::parse_fee, std::move(done));
}
void Reader::settlement_fee(const Address& hermes, const Wei& amount, Callback<Wei> done) {
  read<Wei>(hermes, chain::hermes::calculate_hermes_fee(amount), BlockTag::Latest,
            chain::parse_number, std::move(done));
}
void Reader::hermes_active(const Address& hermes, Callback<bool> done) {
  read<bool>(hermes, chain::hermes::is_hermes_active(), BlockTag::Latest, chain::parse_boolean,
             std::move(done));
}
void Reader::hermes_operator(const Address& hermes, Callback<Address> done) {
  read<Address>(hermes, chain::hermes::get_operator(), BlockTag::Latest, chain::parse_address,
                std::move(done));
}
void Reader::stake_thresholds(const Address& hermes,
                              Callback<chain::hermes::StakeThresholds> done) {
  read<chain::hermes::StakeThresholds>(hermes, chain::hermes::get_stake_thresholds(),
                                       BlockTag::Latest, chain::hermes::parse_stake_thresholds,
                                       std::move(done));
}
void Reader::available_balance(const Address& hermes, Callback<Wei> done) {
  read<Wei>(hermes, chain::hermes::available_balance(), BlockTag::Latest, chain::parse_number,
            std::move(done));
}

void Reader::consumer_channel(const Address& channel,
                              Callback<std::optional<chain::channel::Hermes>> done) {
  consumer_channel(channel, BlockTag::Latest, std::move(done));
}
void Reader::consumer_channel(const Address& channel, BlockTag at,
                              Callback<std::optional<chain::channel::Hermes>> done) {
  using Found = std::optional<chain::channel::Hermes>;
  read<chain::channel::Hermes>(channel, chain::channel::hermes(), at, chain::channel::parse_hermes,
                               [done = std::move(done)](Result<chain::channel::Hermes> found) {
                                 if (found.ok()) return done(Found(std::move(*found)));
                                 if (found.error().code == Errc::NotFound) return done(Found());
                                 done(found.error());
                               });
}
void Reader::token_balance(const Address& token, const Address& owner, Callback<Wei> done) {
  token_balance(token, owner, BlockTag::Latest, std::move(done));
}
void Reader::token_balance(const Address& token, const Address& owner, BlockTag at,
                           Callback<Wei> done) {
  read<Wei>(token, chain::token::balance_of(owner), at, chain::parse_number, std::move(done));
}

void Reader::latest_block(Callback<chain::Block> done) {
  ask<std::optional<chain::Block>>(
      "eth_getBlockByNumber", block_params(std::nullopt), read_block,
      [done = std::move(done)](Result<std::optional<chain::Block>> block) {
        if (!block.ok()) return done(block.error());
        if (!*block) return done(Error{Errc::Malformed, 0, "no latest block"});
        done(std::move(**block));
      });
}
void Reader::block(std::uint64_t number, Callback<std::optional<chain::Block>> done) {
  ask<std::optional<chain::Block>>("eth_getBlockByNumber", block_params(number), read_block,
                                   std::move(done));
}
void Reader::nonce(const Address& account, BlockTag at, Callback<std::uint64_t> done) {
  ask<std::uint64_t>("eth_getTransactionCount", address_params(account, at), read_u64,
                     std::move(done));
}
void Reader::native_balance(const Address& account, Callback<Wei> done) {
  ask<U256>("eth_getBalance", address_params(account, BlockTag::Latest), read_quantity,
            std::move(done));
}
void Reader::has_code(const Address& address, Callback<bool> done) {
  ask<Bytes>("eth_getCode", address_params(address, BlockTag::Latest), read_data,
             [done = std::move(done)](const Result<Bytes>& code) {
               if (!code.ok()) return done(code.error());
               done(!code->empty());
             });
}
void Reader::receipt(const Digest32& transaction, Callback<std::optional<chain::Receipt>> done) {
  ask<std::optional<chain::Receipt>>("eth_getTransactionReceipt", hash_params(transaction),
                                     read_receipt, std::move(done));
}
void Reader::logs(const chain::LogFilter& filter, std::uint64_t from_block,
                  std::optional<std::uint64_t> to_block, Callback<std::vector<chain::Log>> done) {
  ask<std::vector<chain::Log>>("eth_getLogs", logs_params(filter, from_block, to_block), read_logs,
                               std::move(done));
}

}  // namespace myst::ethereum
