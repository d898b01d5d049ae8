// Any sequence of requests of a few consumers and providers against the rules, with a ledger in
// memory: no crash, the ledger adds up, no promise ever shrinks, and none is made that consumers do
// not cover.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "core/hub/hermes/audit.hpp"
#include "core/hub/hermes/rules.hpp"
#include "core/payment/channel.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace {

using namespace myst;
using namespace myst::core::hermes;

constexpr std::uint64_t kChain = 137;
constexpr unsigned kParties = 3;

class Rows final : public Ledger, public RowSource {
 public:
  Status transact(const Footprint&, const std::function<void(Book&)>& work) override {
    Book book(*this);
    work(book);
    return book.each_changed(
        [&](const ConsumerKey& k, const ConsumerAccount& a) -> Status {
          consumers[k] = a;
          return {};
        },
        [&](const ProviderKey& k, const ProviderAccount& a) -> Status {
          if (a.latest.promise.amount < providers[k].latest.promise.amount) __builtin_trap();
          providers[k] = a;
          return {};
        },
        [&](const AgreementKey& k, const AgreementAccount& a) -> Status {
          if (a.total < agreements[k].total) __builtin_trap();
          agreements[k] = a;
          return {};
        },
        [&](const AgreementKey& k) -> Status {
          agreements.erase(k);
          return {};
        });
  }
  Status scan(const Visitors& v) override {
    for (const auto& [k, a] : consumers) v.consumer(k, a);
    for (const auto& [k, a] : providers) v.provider(k, a);
    for (const auto& [k, a] : agreements) v.agreement(k, a);
    return {};
  }
  template <typename Table, typename Key>
  static auto look(const Table& table, const Key& key) {
    const auto at = table.find(key);
    return at == table.end() ? std::optional<typename Table::mapped_type>()
                             : std::optional<typename Table::mapped_type>(at->second);
  }
  Result<std::optional<ConsumerAccount>> load(const ConsumerKey& k) override {
    return look(consumers, k);
  }
  Result<std::optional<ProviderAccount>> load(const ProviderKey& k) override {
    return look(providers, k);
  }
  Result<std::optional<AgreementAccount>> load(const AgreementKey& k) override {
    return look(agreements, k);
  }
  Result<std::optional<ProviderKey>> owner(std::uint64_t chain, const Digest32& channel) override {
    for (const auto& [k, a] : providers) {
      if (k.chain == chain && a.latest.promise.channel == channel) return std::optional(k);
    }
    return std::optional<ProviderKey>();
  }
  std::map<ConsumerKey, ConsumerAccount> consumers;
  std::map<ProviderKey, ProviderAccount> providers;
  std::map<AgreementKey, AgreementAccount> agreements;
};

// Signatures are left out: rules work on what verify_request() has passed.
class FastSigner final : public Signer {
 public:
  Address address() const override { return Address(); }
  Result<Signature> sign_digest(const Digest32&) const override { return Signature{}; }
};

Address party(unsigned n) {
  ByteArray<20> bytes{};
  bytes[19] = static_cast<std::uint8_t>(n + 1);
  return Address(bytes);
}

Bytes secret(std::uint8_t n) { return Bytes(32, n); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Rows rows;
  const FastSigner signer;
  Terms terms;
  terms.chains = {{kChain, party(100), party(101), party(102)}};
  fuzz::FuzzInput input(data, size);
  const auto byte = [&input] { return input.byte(); };
  for (int step = 0; step < 200 && !input.empty(); ++step) {
    const std::uint8_t what = byte();
    const unsigned consumer = byte() % kParties, provider = byte() % kParties;
    const std::uint8_t r = byte();
    const ProviderKey earner{kChain, party(10 + provider), ChannelKind::Earnings};
    (void)rows.transact({}, [&](Book& book) {
      if (what % 8 < 4) {
        VerifiedRequest request;
        request.consumer = {kChain, party(consumer)};
        request.provider = earner;
        request.provider_channel = payment::provider_channel_id(earner.identity, party(101));
        request.agreement = byte() % 3;
        request.total = byte();
        request.promise.promise.chain_id = kChain;
        request.promise.promise.amount = Wei(byte() + 256u * (byte() % 4));
        request.promise.promise.hashlock = payment::hashlock_of(secret(r));
        request.recovery_data = what % 2 == 0 ? "00" : "";
        Facts facts;
        if (what % 4 != 3) {
          facts.consumer = ConsumerFacts{true, Wei(800), Wei(byte() % 8)};
          facts.provider = ProviderFacts{Wei(byte() % 4), Wei(), Address()};
        }
        (void)issue(book, terms, signer, request, facts, WallTime{});
      } else if (what % 8 < 6) {
        (void)reveal(book, terms, RevealRequest{secret(r), earner.identity});
      } else if (what % 8 == 6) {
        (void)refresh(book, terms, signer,
                      RefreshRequest{earner.identity, kChain, earner.identity,
                                     payment::hashlock_of(secret(r)), "00"});
      } else if (const ProviderAccount* account = book.find(earner)) {
        (void)change_fee(book, signer, ChangeFeeRequest{account->latest, secret(r), Wei(byte())});
      }
    });
  }
  const auto audited = audit(rows);
  if (!audited.ok() || !audited->balanced()) __builtin_trap();
  // All that was moved to providers is covered by a promise we can cash, or by one whose R its
  // provider has to tell before it can take anything.
  for (const auto& [key, account] : rows.consumers) {
    Wei covered = account.cashable.promise.amount;
    for (const auto& [provider, earned] : rows.providers) {
      if (!earned.revealed && earned.payer == key) {
        covered = std::max(covered, earned.backing.promise.amount);
      }
    }
    if (Wei::saturating_add(account.accounted, account.opening) > covered) __builtin_trap();
  }
  return 0;
}
