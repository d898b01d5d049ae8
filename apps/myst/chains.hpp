// The chains of a network as the node knows them: endpoints, contracts, and what it reads there
// again and again (registrations, balances, the state of Hermes). Belongs to the loop's thread.
//
// While no endpoint answers, what was read before counts; what was never read is an error, and the
// caller asks again later.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/chain/registration.hpp"
#include "core/config/node_config.hpp"
#include "core/payment/settings.hpp"
#include "drivers/ethereum/reader.hpp"
#include "drivers/storage/store.hpp"
#include "platform/loop/loop.hpp"
#include "platform/loop/timer.hpp"

namespace myst::app {

class Chains {
 public:
  struct Chain {
    std::uint64_t id = 0;
    Address registry, hermes, channel_implementation, token;
    std::vector<Address> known_hermeses;
    std::vector<std::string> rpc;
  };
  struct Config {
    std::vector<Chain> chains;  // those with a registry
    std::uint64_t active = 0;
    std::uint16_t max_hermes_fee = 3000;  // 1/10000
    Duration hermes_recheck = std::chrono::hours{2};
    Duration call_limit = std::chrono::seconds{20};
    Duration balance_interval = std::chrono::hours{1};
    Duration close_interval = std::chrono::minutes{1};  // while a top-up or settlement is expected
    Duration close_time = std::chrono::minutes{10};
    std::string user_agent;
  };
  static Config configured(const core::NodeConfig& config);
  // What the node machine has to know of the active chain.
  static core::ChainConfig machine_config(const Config& config);

  template <typename T>
  using Callback = std::function<void(Result<T>)>;

  Chains(platform::Loop& loop, storage::Store& store, Config config);

  // Whether the network has a chain at all; without one everything below is Unsupported.
  bool present() const { return active_ != nullptr; }
  const Chain& active() const { return *active_; }  // only if present()
  const Chain* find(std::uint64_t chain_id) const;
  ethereum::Reader* reader(std::uint64_t chain_id);  // null: no such chain
  ethereum::Reader& reader() { return *readers_.at(active_->id).reader; }
  bool reachable() const;  // some endpoint of the active chain answered last time
  std::vector<std::string> hosts() const;
  void reconnect();

  // --- registration. Remembered on disk once it is Registered: never asked again.
  void registration(const Address& identity, Callback<chain::RegistrationState> done);
  std::optional<chain::RegistrationState> known_registration(const Address& identity) const;
  // For who notices it otherwise (the transactor's answer): stores and tells on_registered.
  void set_registration(const Address& identity, chain::RegistrationState state);
  // Called once for each identity that turns out to be registered.
  void on_registered(std::function<void(const Address&)> callback);

  // --- identities that have no channel on the chain, but a balance with a Hermes
  struct Offchain {
    Wei balance, settled;
  };
  // How Hermes is asked; nullopt: it knows nothing of the kind. Such an identity counts as
  // registered, which is not remembered, and has that balance.
  using AskOffchain = std::function<void(const Address& identity, const Address& hermes,
                                         Callback<std::optional<Offchain>> done)>;
  void on_no_channel(AskOffchain ask) { ask_offchain_ = std::move(ask); }

  // --- consumer channels
  // With the implementation of that Hermes, read once from its registry when it is not the active
  // one. On the active chain, and on any.
  void consumer_channel(const Address& identity, const Address& hermes, Callback<Address> done);
  void consumer_channel(std::uint64_t chain, const Address& identity, const Address& hermes,
                        Callback<Address> done);
  // Whether `wallet` is the identity's channel with the active Hermes or another known one.
  void is_own_channel(const Address& identity, const Address& wallet, Callback<bool> done);
  struct ChannelState {
    Address channel;
    bool deployed = false;
    Wei tokens;   // on the channel's address
    Wei settled;  // of promises
    Instant read_at{};
  };
  void channel_state(const Address& identity, const Address& hermes, Callback<ChannelState> done);
  // On any chain of the configuration; nothing is remembered.
  void purse(std::uint64_t chain, const Address& identity, const Address& hermes,
             Callback<ChannelState> done);
  // What the identity may still promise: tokens + settled - promised. `fresh` reads the chain in
  // any case; else a value of the last minute counts.
  void balance(const Address& identity, const Address& hermes, bool fresh, Callback<Wei> done);
  // The identity has promised that much in all: the balance follows, by what the channel held last.
  void promised(const Address& identity, const Address& hermes, const Wei& total);
  // The last one, without asking anybody.
  std::optional<Wei> known_balance(const Address& identity) const;
  // Reads the balance with the active Hermes again from time to time; `closely`: every minute, for
  // ten minutes from now on.
  void watch_balance(const Address& identity, bool closely);
  void on_balance(std::function<void(const Address&)> callback);  // it has changed

  // --- others
  // The implementation of its consumer channels. Rejected: no Hermes, not active, or its fee is
  // above the owner's limit.
  void check_hermes(const Address& hermes, Callback<Address> done);
  void beneficiary(const Address& identity, Callback<Address> done);
  // Provider's channel with a Hermes, pending transactions included.
  void provider_channel(const Address& identity, const Address& hermes,
                        Callback<chain::hermes::Channel> done);
  std::optional<Wei> known_stake(const Address& identity) const;  // with the active Hermes

 private:
  struct Reading {
    std::unique_ptr<ethereum::RpcClient> client;
    std::unique_ptr<ethereum::Reader> reader;
  };
  using IdentityAndHermes = std::pair<Address, Address>;
  Wei left_of(const Address& identity, const Address& hermes, const ChannelState& state,
              const Wei& promised);
  void arm_watch();
  void read_watched();
  storage::RegistrationStore::Key key_of(const Address& identity) const;
  void ask_registry(const Address& identity, chain::RegistrationState stored,
                    Callback<chain::RegistrationState> done);
  void compare_channels(std::shared_ptr<std::vector<Address>> hermeses, const Address& identity,
                        const Address& wallet, Callback<bool> done);
  void offchain(const Address& identity, const Address& hermes,
                Callback<std::optional<Offchain>> done);
  void implementation_of(const Chain& chain, const Address& hermes, Callback<Address> done);
  void read_channel(const Chain& chain, const Address& channel, Callback<ChannelState> done);

  platform::Loop& loop_;
  storage::Store& store_;
  Config config_;
  const Chain* active_ = nullptr;
  std::map<std::uint64_t, Reading> readers_;
  std::map<Address, chain::RegistrationState> registrations_;
  AskOffchain ask_offchain_;
  std::vector<std::function<void(const Address&)>> on_registered_;
  std::vector<std::function<void(const Address&)>> on_balance_;
  struct Watch {
    Instant next;
    Instant closely_until;
  };
  std::map<Address, Watch> watches_;  // unlocked identities: as many as the keystore has
  platform::Timer watch_timer_;
  std::map<std::pair<std::uint64_t, Address>, Address> implementations_;  // of channels, by Hermes
  // Bounded by kMaxRemembered each: emptied when full, and read again.
  std::map<IdentityAndHermes, ChannelState> channels_;
  std::map<Address, Wei> balances_, stakes_;
  struct HermesVerdict {
    Result<Address> implementation;
    Instant read_at;
  };
  std::map<Address, HermesVerdict> hermeses_;
};

}  // namespace myst::app
