// The part of a hub that deals with money: contracts, chains, Hermes, transactor.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "apps/hub/accounts.hpp"
#include "apps/hub/cashier.hpp"
#include "apps/hub/chain_lookup.hpp"
#include "apps/hub/contracts.hpp"
#include "apps/hub/hermes_service.hpp"
#include "apps/hub/log.hpp"
#include "apps/hub/observer.hpp"
#include "apps/hub/options.hpp"
#include "apps/hub/transactor_service.hpp"
#include "core/identity/signer.hpp"
#include "platform/loop/timer.hpp"

namespace myst::hub {

class Money {
 public:
  // nullptr: a network without a chain. The text of an error is one sentence for the operator.
  static std::variant<std::unique_ptr<Money>, std::string> start(platform::Loop& loop,
                                                                 const Options& options, Log log);

  // False: not a path of ours.
  bool handle(const platform::HttpRequest& request, const platform::HttpExchangePtr& exchange);
  // The member `contracts` of the network document.
  std::string contracts(const std::string& base) const;
  void finish();  // everything is on the disk afterwards

  const HermesService* hermes() const { return hermes_.get(); }
  const TransactorService* transactor() const { return transactor_.get(); }
  const Accounts* accounts() const { return accounts_.get(); }
  // Why Hermes does not answer; empty: it does.
  const std::string& hermes_problem() const { return hermes_problem_; }

 private:
  Money(platform::Loop& loop, const Options& options, Log log);
  std::optional<std::string> open();
  std::optional<std::string> make_data_dir() const;
  std::optional<std::string> open_key(const std::string& path, std::optional<LocalSigner>& out);
  std::optional<std::string> open_ledger(std::unique_ptr<core::hermes::Ledger>& out) const;
  std::optional<std::string> open_hermes();
  std::optional<std::string> open_transactor();
  core::transactor::Terms transactor_terms() const;
  void learn_operators();
  void follow_gas();
  void roll_up();
  // A promise signed by somebody else than the contract's operator is worth nothing.
  void verify_operator();
  void operator_told(const ChainContracts& contracts, const Result<Address>& found);

  platform::Loop& loop_;
  const Options& options_;
  const Log log_;
  std::vector<ChainContracts> contracts_;
  std::unique_ptr<Observer> observer_;
  std::unique_ptr<Chains> chains_;  // dies first of the two: it calls the observer back
  std::optional<LocalSigner> hermes_key_;
  std::unique_ptr<HermesService> hermes_;
  std::size_t unverified_ = 0;  // chains whose Hermes contract has not named its operator yet
  bool wrong_key_ = false;
  std::string hermes_problem_;
  platform::Timer verify_timer_, gas_timer_, roll_up_timer_;
  std::optional<LocalSigner> transactor_key_;
  std::unique_ptr<Accounts> accounts_;
  std::unique_ptr<TransactorService> transactor_;
  std::unique_ptr<Cashier> cashier_;
};

}  // namespace myst::hub
