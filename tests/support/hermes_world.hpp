// Consumers and providers around one Hermes, for tests: keys, promises, exchange messages; a ledger
// in memory; the machine driven to its answers with a chain that is a map.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/hub/hermes/audit.hpp"
#include "core/hub/hermes/hermes.hpp"
#include "core/hub/transactor/requests.hpp"
#include "core/identity/signer.hpp"
#include "core/money/calls.hpp"
#include "core/payment/channel.hpp"
#include "tests/support/support.hpp"

namespace myst::test {

// Rows in maps; a transaction that fails leaves them as they were.
class MemoryLedger final : public core::hermes::Ledger {
 public:
  Status transact(const core::hermes::Footprint& footprint,
                  const std::function<void(core::hermes::Book&)>& work) override;
  Status scan(const Visitors& visitors) override;
  Status next_failure;  // of the next transaction; then gone

  std::map<core::hermes::ConsumerKey, core::hermes::ConsumerAccount> consumers;
  std::map<core::hermes::ProviderKey, core::hermes::ProviderAccount> providers;
  std::map<core::hermes::AgreementKey, core::hermes::AgreementAccount> agreements;
};

class HermesWorld {
 public:
  static constexpr std::uint64_t kChain = 80001;
  static constexpr std::uint64_t kOtherChain = 5;
  explicit HermesWorld(std::uint64_t seed = 1);

  core::hermes::Terms terms() const { return terms_; }
  const Signer& operator_key() const { return operator_; }
  // The nth consumer or provider, always the same.
  const LocalSigner& consumer(unsigned n = 0) { return party(n); }
  const LocalSigner& provider(unsigned n = 0) { return party(1000 + n); }

  struct Message {
    core::hermes::PromiseRequest request;
    Secret<32> r;
  };
  // What a consumer signs for an invoice of `total` in `agreement`, having promised `amount` in
  // all.
  Message message(const Signer& from, const Address& to, const U256& agreement, const Wei& total,
                  const Wei& amount);
  Message withdrawal(const Signer& from, const Wei& total, const Wei& amount,
                     std::uint64_t to_chain);
  static void sign(const Signer& from, core::hermes::PromiseRequest& request);
  Address channel_of(const Address& identity, std::uint64_t chain = kChain) const;

  // What the chain says; of an account that is missing here it knows nothing.
  std::map<core::hermes::ConsumerKey, core::hermes::ConsumerFacts> consumer_facts;
  std::map<core::hermes::ProviderKey, core::hermes::ProviderFacts> provider_facts;
  bool chain_answers = true;
  void fund(const Signer& who, const Wei& balance, std::uint64_t chain = kChain);

  SeededRng& rng() { return rng_; }

 private:
  const LocalSigner& party(unsigned n);
  SeededRng rng_;
  LocalSigner operator_;
  core::hermes::Terms terms_;
  std::map<unsigned, LocalSigner> parties_;
};

// The body of `request_promise`, and what Hermes makes of what a provider asks.
std::string promise_body(const core::hermes::PromiseRequest& request);
core::hermes::PromiseRequest request_of(const core::money::AskPromise& call);
// The terms of a transactor on the world's chain.
core::transactor::ChainTerms transactor_terms(const HermesWorld& world,
                                              const core::transactor::Fees& fees);
// Where it fits: tests' amounts do.
inline std::uint64_t small(const Wei& wei) { return std::stoull(wei.to_string()); }

// A Hermes with its ledger; ask() runs until the answer is there.
class HermesRunner {
 public:
  HermesRunner(HermesWorld& world, core::hermes::Ledger& ledger)
      : HermesRunner(world, ledger, default_config(world)) {}
  HermesRunner(HermesWorld& world, core::hermes::Ledger& ledger,
               core::hermes::Hermes::Config config)
      : world_(world), ledger_(ledger), hermes_(std::move(config), world.operator_key()) {}
  static core::hermes::Hermes::Config default_config(HermesWorld& world);

  core::hermes::Answer ask(core::hermes::Request request);
  core::hermes::RequestId send(core::hermes::Request request);  // without running
  void run();                                                   // until nothing moves
  std::optional<core::hermes::Answer> take(core::hermes::RequestId id);
  void pass(Duration time) { now_.instant += time; }
  Now now() const { return now_; }
  core::hermes::Hermes& hermes() { return hermes_; }

 private:
  void answer_queries();
  HermesWorld& world_;
  core::hermes::Ledger& ledger_;
  core::hermes::Hermes hermes_;
  Now now_{Instant{} + std::chrono::hours{1}, WallTime{} + std::chrono::seconds{1700000000}};
  core::hermes::RequestId next_ = 1;
  std::map<core::hermes::RequestId, core::hermes::Answer> answers_;
};

inline const core::hermes::SignedPromise* promise_in(const core::hermes::Answer& answer) {
  return std::get_if<core::hermes::SignedPromise>(&answer);
}
inline std::optional<core::hermes::Cause> cause_in(const core::hermes::Answer& answer) {
  const auto* refusal = std::get_if<core::hermes::Refusal>(&answer);
  return refusal == nullptr ? std::nullopt : std::optional(refusal->cause);
}

}  // namespace myst::test
