// What Hermes does with a request: pure functions of the request, the ledger's rows and what the
// chain said. verify_* need no ledger; the others run inside a transaction and change its Book only
// when they agree.
//
// Why issuing is safe: promises of a consumer only grow, each covers all that was moved to
// providers before it, and each provider learns what it can cash only by an R that lets us cash the
// consumer's promise too.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "core/hub/hermes/book.hpp"
#include "core/hub/hermes/requests.hpp"
#include "core/identity/signer.hpp"

namespace myst::core::hermes {

struct ChainConfig {
  std::uint64_t id = 0;
  Address registry, hermes, channel_implementation;
};

struct Terms {
  std::vector<ChainConfig> chains;
  Address operator_key;  // who signs our promises
  // What a provider may have unsettled; zero: no limit. Above it the provider is told to settle.
  Wei max_unsettled;
  const ChainConfig* chain(std::uint64_t id) const;
};

// A PromiseRequest whose signatures hold: who pays whom.
struct VerifiedRequest {
  SignedPromise promise;  // channel form: v 27/28
  ConsumerKey consumer;
  ProviderKey provider;
  Digest32 provider_channel{};
  U256 agreement;
  Wei total;
  Wei fee;
  std::optional<Secret<32>> r;
  std::string recovery_data;
  AgreementKey agreement_key() const { return {consumer, provider, agreement}; }
};
std::variant<VerifiedRequest, Refusal> verify_request(const Terms& terms,
                                                      const PromiseRequest& request);
// Our own promise as a node gives it back: signed by us, for a chain of ours.
std::optional<Refusal> verify_own_promise(const Terms& terms, const SignedPromise& promise);

// The rules lack these facts; asked again with them, they decide.
struct FactsWanted {
  bool consumer = false;
  bool provider = false;
};
struct Facts {
  std::optional<ConsumerFacts> consumer;
  std::optional<ProviderFacts> provider;
};

std::variant<SignedPromise, Refusal, FactsWanted> issue(Book& book, const Terms& terms,
                                                        const Signer& operator_key,
                                                        const VerifiedRequest& request,
                                                        const Facts& facts, WallTime now);
std::variant<Done, Refusal> reveal(Book& book, const Terms& terms, const RevealRequest& request);
std::variant<SignedPromise, Refusal> change_fee(Book& book, const Signer& operator_key,
                                                const ChangeFeeRequest& request);
// The promise has passed verify_own_promise().
std::variant<Done, Refusal> sync(Book& book, const Terms& terms, const SyncRequest& request);
std::variant<SignedPromise, Refusal> refresh(Book& book, const Terms& terms,
                                             const Signer& operator_key,
                                             const RefreshRequest& request);
std::variant<Done, Refusal> credit_offchain(Book& book, const Terms& terms,
                                            const OffchainCreditRequest& request);

// NotFound where the ledger knows nobody of that name. `facts`: by chain, what could be learned.
std::variant<std::vector<AccountData>, Refusal> consumer_data(
    Book& book, const Terms& terms, const Address& identity,
    const std::map<std::uint64_t, ConsumerFacts>& facts);
std::variant<std::vector<AccountData>, Refusal> provider_data(
    Book& book, const Terms& terms, const Address& identity,
    const std::map<std::uint64_t, ProviderFacts>& facts, WallTime now);

// Writes what the chain says into the rows that exist.
void note_facts(Book& book, const ConsumerKey& key, const ConsumerFacts& facts);
void note_facts(Book& book, const ProviderKey& key, const ProviderFacts& facts, WallTime now);

}  // namespace myst::core::hermes
