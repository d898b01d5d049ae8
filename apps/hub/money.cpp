#include "apps/hub/money.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include "apps/hub/key_file.hpp"
#include "core/base/text.hpp"
#include "core/hub/hermes/pruning.hpp"
#include "core/hub/transactor/gas_fees.hpp"
#include "core/payment/channel.hpp"
#include "drivers/postgres/hermes_ledger.hpp"
#include "drivers/storage/hermes_ledger.hpp"
#include "platform/system/files.hpp"

namespace myst::hub {
namespace {

constexpr Duration kVerifyAgain = std::chrono::seconds{10};
constexpr Duration kGasInterval = std::chrono::minutes{1};
constexpr std::size_t kMaxContractsFile = 64 * 1024;
// Old agreements are looked for that often, and so many are rolled up at a time.
constexpr Duration kRollUp = std::chrono::hours{6}, kRollUpSoon = std::chrono::minutes{1};
constexpr std::size_t kRollUpAtOnce = 2000;

}  // namespace

Money::Money(platform::Loop& loop, const Options& options, Log log)
    : loop_(loop),
      options_(options),
      log_(std::move(log)),
      verify_timer_(loop, [this] { verify_operator(); }),
      gas_timer_(loop, [this] { follow_gas(); }),
      roll_up_timer_(loop, [this] { roll_up(); }) {}

std::variant<std::unique_ptr<Money>, std::string> Money::start(platform::Loop& loop,
                                                               const Options& options, Log log) {
  if (options.contracts_files.empty()) return std::unique_ptr<Money>();
  std::unique_ptr<Money> money(new Money(loop, options, std::move(log)));
  if (auto problem = money->open()) return std::move(*problem);
  return money;
}

std::optional<std::string> Money::open() {
  std::set<std::uint64_t> seen;
  for (const std::string& path : options_.contracts_files) {
    const auto text = platform::read_file(path, kMaxContractsFile);
    if (!text.ok()) return "cannot read --contracts " + path;
    auto contracts = read_contracts(*text);
    if (const auto* problem = std::get_if<std::string>(&contracts)) {
      return "--contracts " + path + " " + *problem;
    }
    auto& chain = std::get<ChainContracts>(contracts);
    if (chain.rpc.empty()) return "--contracts " + path + " names no rpc";
    if (!seen.insert(chain.chain_id).second) return "two --contracts are of the same chain";
    contracts_.push_back(std::move(chain));
  }
  chains_ = std::make_unique<Chains>(loop_, contracts_, options_.confirmations);
  observer_ = std::make_unique<Observer>(loop_, *chains_);
  if (!options_.hermes_key_file.empty()) {
    if (auto problem = open_hermes()) return problem;
  }
  if (hermes_ != nullptr) roll_up_timer_.arm_in(kRollUpSoon);
  if (!options_.transactor_key_file.empty()) {
    if (auto problem = open_transactor()) return problem;
  }
  if (hermes_ != nullptr && transactor_ != nullptr) {
    Cashier::Options cash;
    cash.threshold = options_.cash_threshold;
    cash.interval = options_.cash_interval;
    for (const ChainContracts& chain : contracts_) {
      if (chain.promise_collector) cash.collectors.insert(chain.chain_id);
    }
    cashier_ = std::make_unique<Cashier>(loop_, std::move(cash), *hermes_, *transactor_, *chains_);
    hermes_->on_cash([this] { return cashier_ != nullptr && cashier_->run(Wei(1)); });
  }
  return std::nullopt;
}

std::optional<std::string> Money::make_data_dir() const {
  const Status made = platform::make_directories(options_.data_dir, 0700);
  if (made.ok()) return std::nullopt;
  return "cannot make --data-dir " + options_.data_dir + ": " + std::strerror(made.error().detail);
}

std::optional<std::string> Money::open_key(const std::string& path,
                                           std::optional<LocalSigner>& out) {
  auto key = read_key_file(path, options_.key_passphrase_file);
  if (auto* problem = std::get_if<std::string>(&key)) return std::move(*problem);
  out.emplace(std::move(std::get<LocalSigner>(key)));
  if (is_exposed(path)) log_(Level::Warning, path + " can be read by others than its owner");
  return std::nullopt;
}

std::optional<std::string> Money::open_ledger(std::unique_ptr<core::hermes::Ledger>& out) const {
  if (!options_.ledger_url.empty()) {
    std::string said;
    auto shared = postgres::HermesLedger::open(options_.ledger_url, &said);
    if (!shared.ok()) {
      return std::string("cannot open --ledger: ") + shared.error().what +
             (said.empty() ? "" : ": " + std::string(trim(said)));
    }
    out = std::move(*shared);
    return std::nullopt;
  }
  const std::string path = options_.data_dir + "/hermes.db";
  auto own = storage::HermesLedger::open(path);
  if (!own.ok()) return "cannot open the ledger " + path + ": " + own.error().what;
  out = std::move(*own);
  return std::nullopt;
}

std::optional<std::string> Money::open_hermes() {
  if (auto problem = open_key(options_.hermes_key_file, hermes_key_)) return problem;
  if (auto problem = make_data_dir()) return problem;
  std::unique_ptr<core::hermes::Ledger> ledger;
  if (auto problem = open_ledger(ledger)) return problem;
  core::hermes::Hermes::Config config;
  config.terms.operator_key = hermes_key_->address();
  config.terms.max_unsettled = options_.max_unsettled;
  for (const ChainContracts& chain : contracts_) {
    config.terms.chains.push_back(
        {chain.chain_id, chain.registry, chain.hermes, chain.channel_implementation});
    // The contract's address follows from its operator: no need to ask where the file tells how.
    const bool follows = chain.hermes_implementation &&
                         payment::hermes_contract(hermes_key_->address(), chain.registry,
                                                  *chain.hermes_implementation) == chain.hermes;
    if (!follows) ++unverified_;
  }
  hermes_ = std::make_unique<HermesService>(loop_, std::move(config), *hermes_key_,
                                            std::move(ledger), *chains_);
  if (unverified_ > 0) {
    hermes_problem_ = "the chain has not confirmed the operator's key yet";
    verify_operator();
  }
  return std::nullopt;
}

core::transactor::Terms Money::transactor_terms() const {
  core::transactor::Terms out;
  for (const ChainContracts& contracts : contracts_) {
    core::transactor::ChainTerms chain;
    chain.id = contracts.chain_id;
    chain.registry = contracts.registry;
    chain.token = contracts.token;
    chain.channel_implementation = contracts.channel_implementation;
    chain.hermes = contracts.hermes;
    chain.hermeses = contracts.known_hermeses;
    chain.promise_collector = contracts.promise_collector;
    chain.fees = options_.fees;
    out.chains.push_back(std::move(chain));
  }
  return out;
}

std::optional<std::string> Money::open_transactor() {
  if (auto problem = open_key(options_.transactor_key_file, transactor_key_)) return problem;
  if (auto problem = make_data_dir()) return problem;
  const std::string transactions = options_.data_dir + "/transactions.db";
  auto sent = storage::TransactionStore::open(transactions);
  if (!sent.ok()) return "cannot open " + transactions + ": " + sent.error().what;
  const std::string tasks = options_.data_dir + "/transactor.db";
  auto store = storage::TaskStore::open(tasks);
  if (!store.ok()) return "cannot open " + tasks + ": " + store.error().what;

  accounts_ = std::make_unique<Accounts>(loop_, *transactor_key_, *chains_, std::move(*sent));
  std::map<std::uint64_t, chain::AccountQueue::Config> configs;
  for (const ChainContracts& contracts : contracts_) {
    configs[contracts.chain_id].fees = options_.gas;
    configs[contracts.chain_id].confirmations = options_.confirmations;
  }
  if (const Status opened = accounts_->open(configs); !opened.ok()) {
    return "cannot read " + transactions + ": " + opened.error().what;
  }
  TransactorService::Options service;
  service.terms = transactor_terms();
  service.machine.max_free_per_day = static_cast<std::size_t>(options_.free_per_day);
  transactor_ = std::make_unique<TransactorService>(loop_, std::move(service), std::move(*store),
                                                    *chains_, *accounts_);
  if (const Status restored = transactor_->restore(); !restored.ok()) {
    return "cannot read " + tasks + ": " + restored.error().what;
  }
  Accounts::Handlers handlers;
  handlers.transaction = [this](const chain::TransactionRecord& record) {
    transactor_->handle_transaction(record);
  };
  handlers.lost = [this](const std::string& wish, const Error& error) {
    transactor_->handle_lost(wish, error);
  };
  accounts_->start(std::move(handlers));
  learn_operators();
  if (!options_.coin_price.is_zero()) follow_gas();
  log_(Level::Info, "transactions are sent by " + transactor_key_->address().to_checksum());
  return std::nullopt;
}

// Until an operator is known, the contract itself says no to what it has not signed.
void Money::learn_operators() {
  for (const ChainContracts& contracts : contracts_) {
    for (const Address& hermes : contracts.known_hermeses) {
      chains_->find(contracts.chain_id)
          ->reader->hermes_operator(
              hermes, [this, hermes, chain = contracts.chain_id](const Result<Address>& found) {
                if (found.ok()) transactor_->set_operator(chain, hermes, *found);
              });
    }
  }
}

// The fees that are published follow what a transaction costs.
void Money::follow_gas() {
  gas_timer_.arm_in(kGasInterval);
  for (const ChainContracts& contracts : contracts_) {
    const std::uint64_t id = contracts.chain_id;
    chains_->find(id)->reader->latest_block([this, id](const Result<chain::Block>& latest) {
      if (!latest.ok() || !latest->base_fee) return;  // the last ones stay
      const Wei gas = std::min(Wei::saturating_add(*latest->base_fee, options_.gas.min_tip),
                               options_.gas.max_fee);
      transactor_->set_fees(
          id, core::transactor::fees_for_gas(gas, options_.coin_price, options_.fees));
    });
  }
}

void Money::verify_operator() {
  unverified_ = contracts_.size();
  for (const ChainContracts& contracts : contracts_) {
    chains_->find(contracts.chain_id)
        ->reader->hermes_operator(
            contracts.hermes,
            [this, &contracts](const Result<Address>& found) { operator_told(contracts, found); });
  }
}

void Money::operator_told(const ChainContracts& contracts, const Result<Address>& found) {
  if (!found.ok()) {
    verify_timer_.arm_in(kVerifyAgain);
    return;
  }
  if (*found != hermes_key_->address()) {
    wrong_key_ = true;
    hermes_problem_ = "--hermes-key is the key of " + hermes_key_->address().to_checksum() +
                      ", the operator of " + contracts.hermes.to_checksum() + " is " +
                      found->to_checksum();
    log_(Level::Warning, hermes_problem_ + "; Hermes answers nobody");
    return;
  }
  if (--unverified_ == 0 && !wrong_key_) hermes_problem_.clear();
}

void Money::roll_up() {
  roll_up_timer_.arm_in(kRollUp);
  const WallTime now = loop_.now().wall;
  const WallTime before =
      now - std::chrono::duration_cast<WallTime::duration>(options_.keep_agreements);
  using Rolled = Result<std::size_t>;
  const Status queued = hermes_->with_ledger<Rolled>(
      [before, now](core::hermes::Ledger& ledger) {
        return core::hermes::roll_up(ledger, before, now, kRollUpAtOnce);
      },
      [this](const Rolled& rolled) {
        if (!rolled.ok()) {
          log_(Level::Warning, std::string("old agreements stay: ") + rolled.error().what);
        } else if (*rolled > 0) {
          log_(Level::Info, std::to_string(*rolled) + " old agreements rolled up");
          if (*rolled == kRollUpAtOnce) roll_up_timer_.arm_in(kRollUpSoon);
        }
      });
  if (!queued.ok()) roll_up_timer_.arm_in(kRollUpSoon);
}

bool Money::handle(const platform::HttpRequest& request,
                   const platform::HttpExchangePtr& exchange) {
  if (request.method == "GET" && request.path == Observer::kPath) {
    platform::HttpResponse out;
    out.headers.add("Content-Type", "application/json");
    out.body = observer_->answer(request.query);
    exchange->respond(std::move(out));
    return true;
  }
  if (transactor_ != nullptr && transactor_->handle(request, exchange)) return true;
  if (hermes_ == nullptr) return false;
  if (!hermes_problem_.empty() && HermesService::is_ours(request.path)) {
    exchange->respond(to_response({core::hermes::Cause::Internal, hermes_problem_, ""}));
    return true;
  }
  return hermes_->handle(request, exchange);
}

std::string Money::contracts(const std::string& base) const {
  return write_contracts(contracts_, base + "/transactor/api/v1", options_.node_rpc);
}

void Money::finish() {
  cashier_.reset();
  if (hermes_ != nullptr) hermes_->finish();
  if (transactor_ != nullptr) transactor_->finish();
  if (accounts_ != nullptr) accounts_->finish();
}

}  // namespace myst::hub
