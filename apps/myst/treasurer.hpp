// Runs the money of the node: executes what core/money asks for (Hermes, transactor, chain,
// storage) and tells the rest of the node what came of it. In a network without a chain nothing of
// this is ever asked.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apps/myst/chains.hpp"
#include "core/base/rng.hpp"
#include "core/config/node_config.hpp"
#include "core/money/treasury.hpp"
#include "core/node/effects.hpp"
#include "drivers/hermes/client.hpp"
#include "drivers/storage/store.hpp"
#include "drivers/transactor/client.hpp"
#include "platform/http/client.hpp"
#include "platform/loop/loop.hpp"
#include "platform/loop/timer.hpp"

namespace myst::app {

class Treasurer {
 public:
  struct Config {
    core::money::Treasury::Config treasury;
    std::string transactor_url;
  };
  static Config configured(const core::NodeConfig& config, const Chains& chains);

  Treasurer(platform::Loop& loop, Rng& rng, platform::HttpClient& http, Chains& chains,
            storage::Store& store, Config config);

  void start();
  // What an identity's figures show has changed.
  void on_change(std::function<void(const Address&)> changed) { changed_ = std::move(changed); }

  void unlocked(std::shared_ptr<const Signer> signer);
  void locked(const Address& identity);
  // An accepted payment of a consumer, for a promise of Hermes.
  void exchange(core::node::RequestPromise&& request, std::function<void(Status)> done);
  // What the identity promised so far, with what Hermes knows of it: asked once a run, so that a
  // copied identity or a lost database does not promise less than before.
  void grand_total(std::uint64_t chain, const Address& identity, const Address& hermes,
                   std::function<void(Result<Wei>)> done);

  // The balance that Hermes itself keeps for an identity without a channel; what was promised of it
  // is in our books when this is answered.
  void offchain(const Address& identity, const Address& hermes,
                Chains::Callback<std::optional<Chains::Offchain>> done);

  // Empty: settled, or there was nothing to settle.
  using SettleDone = std::function<void(const std::string& problem)>;
  void settle(const Address& provider, std::vector<Address> hermeses,
              std::optional<Address> beneficiary, bool into_stake, SettleDone done);
  // Empty once Hermes has promised it; zero hermes: the active one.
  void withdraw(core::money::Treasury::WithdrawRequest request, SettleDone done);
  void decrease_stake(const Address& provider, const Wei& amount, SettleDone done);
  void migrate(const Address& identity, SettleDone done);
  void check_migration(const Address& identity, std::function<void(Result<bool>)> done);
  using RegisterDone = std::function<void(const core::money::RegisterDone&)>;
  void register_identity(core::money::Registrar::Order order, RegisterDone done);

  std::vector<core::money::Treasury::HermesEarnings> earnings(const Address& provider) const {
    return treasury_.earnings(provider);
  }
  void refresh(const Address& provider);
  transactor::Client& transactor() { return transactor_; }

 private:
  using Outcome = core::money::Outcome;
  using ActionId = core::money::ActionId;
  struct HermesPlace {
    Address operator_key;
    std::string url;
  };
  template <typename F>
  void run(F&& feed) {
    feed(treasury_, loop_.now());
    drain();
  }
  void drain();
  void tell(const core::money::Event& event);
  void answer(ActionId id, Result<Outcome> result);
  template <typename T>
  auto answerer(ActionId id) {
    return [this, id](Result<T> result) {
      if (result.ok()) {
        answer(id, Outcome(std::move(*result)));
      } else {
        answer(id, Result<Outcome>(result.error()));
      }
    };
  }
  auto status_answerer(ActionId id) {
    return [this, id](const Status& status) {
      if (status.ok()) {
        answer(id, Outcome(core::money::Done{}));
      } else {
        answer(id, Result<Outcome>(status.error()));
      }
    };
  }
  // Where a Hermes is asked and who signs for it; read once from its registry.
  void find_hermes(std::uint64_t chain, const Address& hermes,
                   std::function<void(Result<HermesPlace>)> done);

  void execute(core::money::CallHermes&& action);
  void execute(core::money::FindOperator&& action);
  void execute(core::money::FindFee&& action);
  void execute(core::money::ReadChannel&& action);
  void execute(core::money::ReadPurse&& action);
  void execute(core::money::StoreOwnPayment&& action);
  void execute(core::money::LoadOwnPayment&& action);
  void execute(core::money::StoreWithdrawal&& action);
  void execute(core::money::EndWithdrawal&& action);
  void execute(core::money::LoadWithdrawals&& action);
  void execute(core::money::LoadPromised&& action);
  void execute(core::money::FindChannel&& action);
  void execute(core::money::CheckOwnChannel&& action);
  void execute(core::money::ReadHermesFee&& action);
  void execute(core::money::ReadBeneficiary&& action);
  void execute(core::money::ReadRegistryNonce&& action);
  void execute(core::money::CallTransactor&& action);
  void execute(core::money::CheckEligible&& action);
  void execute(core::money::ReadRegistrations&& action);
  void execute(core::money::CheckRegistry&& action);
  void execute(core::money::ReadQueue&& action);
  void execute(core::money::FindSettlements&& action);
  void execute(core::money::LoadPromises&& action);
  void execute(core::money::LoadClaims&& action);
  void execute(core::money::StorePromise&& action);
  void execute(core::money::StoreSettlement&& action);
  void execute(core::money::LoadPayoutWallet&& action);
  void execute(core::money::StoreOpenSettlement&& action);
  void execute(core::money::EndOpenSettlement&& action);
  void execute(core::money::LoadOpenSettlements&& action);

  platform::Loop& loop_;
  Chains& chains_;
  storage::Store& store_;
  hermes::Client hermes_;
  transactor::Client transactor_;
  core::money::Treasury treasury_;
  platform::Timer timer_;
  std::function<void(const Address&)> changed_;
  std::map<std::pair<std::uint64_t, Address>, HermesPlace> places_;  // bounded
  std::set<std::pair<Address, Address>> totals_known_;               // identity, hermes
  std::map<std::uint64_t, std::function<void(Status)>> exchanges_;
  std::map<std::uint64_t, SettleDone> settling_;
  std::map<std::uint64_t, RegisterDone> registering_;
  std::map<std::uint64_t, std::function<void(Result<bool>)>> checking_;
  std::uint64_t next_request_ = 1;
  bool draining_ = false;
};

}  // namespace myst::app
