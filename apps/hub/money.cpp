#include "apps/hub/money.hpp"

#include <cstring>
#include <set>

#include "apps/hub/key_file.hpp"
#include "core/payment/channel.hpp"
#include "drivers/storage/hermes_ledger.hpp"
#include "platform/system/files.hpp"

namespace myst::hub {
namespace {

constexpr Duration kVerifyAgain = std::chrono::seconds{10};
constexpr std::size_t kMaxContractsFile = 64 * 1024;

}  // namespace

Money::Money(platform::Loop& loop, const Options& options, Log log)
    : loop_(loop),
      options_(options),
      log_(std::move(log)),
      verify_timer_(loop, [this] { verify_operator(); }) {}

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
  chains_ = std::make_unique<Chains>(loop_, contracts_);
  return options_.hermes_key_file.empty() ? std::nullopt : open_hermes();
}

std::optional<std::string> Money::open_hermes() {
  auto key = read_key_file(options_.hermes_key_file, options_.key_passphrase_file);
  if (auto* problem = std::get_if<std::string>(&key)) return std::move(*problem);
  hermes_key_.emplace(std::move(std::get<LocalSigner>(key)));
  if (is_exposed(options_.hermes_key_file)) {
    log_(Level::Warning, options_.hermes_key_file + " can be read by others than its owner");
  }
  if (const Status made = platform::make_directories(options_.data_dir, 0700); !made.ok()) {
    return "cannot make --data-dir " + options_.data_dir + ": " +
           std::strerror(made.error().detail);
  }
  const std::string path = options_.data_dir + "/hermes.db";
  auto ledger = storage::HermesLedger::open(path);
  if (!ledger.ok()) return "cannot open the ledger " + path + ": " + ledger.error().what;
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
                                            std::move(*ledger), *chains_);
  if (unverified_ > 0) {
    hermes_problem_ = "the chain has not confirmed the operator's key yet";
    verify_operator();
  }
  return std::nullopt;
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

bool Money::handle(const platform::HttpRequest& request,
                   const platform::HttpExchangePtr& exchange) {
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
  if (hermes_ != nullptr) hermes_->finish();
}

}  // namespace myst::hub
