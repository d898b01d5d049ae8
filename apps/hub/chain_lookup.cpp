#include "apps/hub/chain_lookup.hpp"

#include "core/payment/channel.hpp"

namespace myst::hub {
namespace {

using core::hermes::ChannelKind;
using core::hermes::ConsumerFacts;
using core::hermes::ProviderFacts;

const Error kUnknownChain{Errc::NotFound, 0, "a chain that is not ours"};

}  // namespace

Chains::Chains(platform::Loop& loop, const std::vector<ChainContracts>& contracts,
               std::uint64_t confirmations)
    : confirmations_(confirmations) {
  for (const ChainContracts& one : contracts) {
    ethereum::RpcClient::Options options;
    options.urls = one.rpc;
    options.chain_id = one.chain_id;
    options.user_agent = "myst-hub";
    Chain chain;
    chain.contracts = one;
    chain.client = std::make_unique<ethereum::RpcClient>(loop, std::move(options));
    chain.reader = std::make_unique<ethereum::Reader>(*chain.client);
    chains_.emplace(one.chain_id, std::move(chain));
  }
}

Chains::Chain* Chains::find(std::uint64_t chain_id) {
  const auto at = chains_.find(chain_id);
  return at == chains_.end() ? nullptr : &at->second;
}

void Chains::consumer(const core::hermes::ConsumerKey& key, Callback<ConsumerFacts> done) {
  const Chain* chain = find(key.chain);
  if (chain == nullptr) return done(kUnknownChain);
  ethereum::Reader& reader = *chain->reader;
  const ChainContracts& contracts = chain->contracts;
  const Address channel = payment::consumer_channel(
      key.identity, contracts.hermes, contracts.registry, contracts.channel_implementation);
  using Opened = Result<std::optional<chain::channel::Hermes>>;
  // One after the other: what is taken out of the channel meanwhile is then missing in the balance
  // and not yet in `settled`. The other way round it would count twice.
  const auto with_settled = [&reader, token = contracts.token, channel, done](ethereum::BlockTag at,
                                                                              const Wei& settled) {
    reader.token_balance(token, channel, at, [settled, done](const Result<Wei>& balance) {
      if (!balance.ok()) return done(balance.error());
      done(ConsumerFacts{true, *balance, settled});
    });
  };
  // Money that came in blocks which may still be taken back does not count: both figures are those
  // of a block so deep. Before the channel was opened nothing was taken out of it.
  const auto look_deeper = [&reader, channel, done, with_settled, depth = confirmations_ - 1] {
    reader.latest_block([&reader, channel, done, with_settled,
                         depth](const Result<chain::Block>& latest) {
      if (!latest.ok()) return done(latest.error());
      const auto at = ethereum::BlockTag::at(latest->number < depth ? 0 : latest->number - depth);
      reader.consumer_channel(channel, at, [at, done, with_settled](const Opened& opened) {
        if (!opened.ok()) return done(opened.error());
        with_settled(at, *opened ? (**opened).settled : Wei());
      });
    });
  };
  const auto with_channel = [done, with_settled, look_deeper,
                             deep = confirmations_ > 1](const Opened& opened) {
    if (!opened.ok()) return done(opened.error());
    if (!*opened) return done(ConsumerFacts{});
    if (deep) return look_deeper();
    with_settled(ethereum::BlockTag::Latest, (**opened).settled);
  };
  reader.is_registered(contracts.registry, key.identity,
                       [&reader, channel, done, with_channel](const Result<bool>& registered) {
                         if (!registered.ok()) return done(registered.error());
                         if (!*registered) return done(ConsumerFacts{});
                         reader.consumer_channel(channel, with_channel);
                       });
}

void Chains::provider(const core::hermes::ProviderKey& key, Callback<ProviderFacts> done) {
  const Chain* chain = find(key.chain);
  if (chain == nullptr) return done(kUnknownChain);
  ethereum::Reader& reader = *chain->reader;
  const ChainContracts& contracts = chain->contracts;
  const Digest32 channel = key.kind == ChannelKind::Withdrawal
                               ? payment::withdrawal_channel_id(key.identity, contracts.hermes)
                               : payment::provider_channel_id(key.identity, contracts.hermes);
  // Both questions travel in one request.
  struct Both {
    std::optional<chain::hermes::Channel> channel;
    std::optional<Address> beneficiary;
    bool failed = false;
  };
  const auto both = std::make_shared<Both>();
  const auto check = [both, done](const Error* error) {
    if (both->failed) return;
    if (error != nullptr) {
      both->failed = true;
      return done(*error);
    }
    if (!both->channel || !both->beneficiary) return;
    done(ProviderFacts{both->channel->settled, both->channel->stake, *both->beneficiary});
  };
  reader.provider_channel(contracts.hermes, channel, ethereum::BlockTag::Latest,
                          [both, check](const Result<chain::hermes::Channel>& found) {
                            if (!found.ok()) return check(&found.error());
                            both->channel = *found;
                            check(nullptr);
                          });
  reader.beneficiary(contracts.registry, key.identity, [both, check](const Result<Address>& found) {
    if (!found.ok()) return check(&found.error());
    both->beneficiary = *found;
    check(nullptr);
  });
}

void Chains::ask(const Question& question, Answer done) {
  using Machine = core::transactor::Transactor;
  Chain* chain = find(question.chain);
  if (chain == nullptr) return done(kUnknownChain);
  if (const auto* registered = std::get_if<Machine::AskRegistered>(&question.ask)) {
    return ask_registered(*chain, *registered, std::move(done));
  }
  if (const auto* open = std::get_if<Machine::AskOpen>(&question.ask)) {
    return ask_open(*chain, *open, std::move(done));
  }
  const auto& settled = std::get<Machine::AskSettled>(question.ask);
  chain->reader->provider_channel(settled.hermes, settled.channel, ethereum::BlockTag::Latest,
                                  [done](const Result<chain::hermes::Channel>& found) {
                                    if (!found.ok()) return done(found.error());
                                    done(ChainAnswer(found->settled));
                                  });
}

void Chains::ask_registered(Chain& chain, const core::transactor::Transactor::AskRegistered& what,
                            Answer done) {
  ethereum::Reader& reader = *chain.reader;
  const Address token = chain.contracts.token, channel = what.channel;
  reader.is_registered(chain.contracts.registry, what.identity,
                       [&reader, token, channel, done](const Result<bool>& registered) {
                         using Registered = core::transactor::Transactor::Registered;
                         if (!registered.ok()) return done(registered.error());
                         if (*registered || channel.is_zero()) {
                           return done(ChainAnswer(Registered{*registered, Wei()}));
                         }
                         reader.token_balance(token, channel, [done](const Result<Wei>& balance) {
                           if (!balance.ok()) return done(balance.error());
                           done(ChainAnswer(Registered{false, *balance}));
                         });
                       });
}

void Chains::ask_open(Chain& chain, const core::transactor::Transactor::AskOpen& what,
                      Answer done) {
  ethereum::Reader& reader = *chain.reader;
  const Address registry = chain.contracts.registry, identity = what.identity;
  const auto then = [&reader, registry, identity, done](bool open) {
    reader.is_registered(registry, identity, [open, done](const Result<bool>& registered) {
      if (!registered.ok()) return done(registered.error());
      done(ChainAnswer(core::transactor::Transactor::Open{*registered, open}));
    });
  };
  const auto look = [&reader, then, done](const Address& channel) {
    reader.consumer_channel(
        channel, [then, done](const Result<std::optional<chain::channel::Hermes>>& found) {
          if (!found.ok()) return done(found.error());
          then(found->has_value());
        });
  };
  if (!what.channel.is_zero()) return look(what.channel);
  // Each Hermes has the implementation of its registration: another address for the same identity.
  reader.hermes_record(registry, what.hermes,
                       [&reader, registry, identity, hermes = what.hermes, look, then,
                        done](const Result<chain::registry::HermesRecord>& record) {
                         if (!record.ok()) return done(record.error());
                         // Who is no Hermes has no channels.
                         if (record->operator_key.is_zero()) return then(false);
                         reader.channel_implementation(
                             registry, record->implementation_version,
                             [registry, identity, hermes, look, done](const Result<Address>& code) {
                               if (!code.ok()) return done(code.error());
                               look(payment::consumer_channel(identity, hermes, registry, *code));
                             });
                       });
}

}  // namespace myst::hub
