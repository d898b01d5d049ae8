#include "core/hub/hermes/audit.hpp"

#include <map>

namespace myst::core::hermes {
namespace {

class Auditor {
 public:
  Ledger::Visitors visitors() {
    Ledger::Visitors out;
    out.consumer = [this](const ConsumerKey& k, const ConsumerAccount& a) { see(k, a); };
    out.provider = [this](const ProviderKey& k, const ProviderAccount& a) { see(k, a); };
    out.agreement = [this](const AgreementKey& k, const AgreementAccount& a) {
      ++audit_.agreements;
      add(spent_[k.consumer], a.total);
      add(earned_[k.provider], a.total);
    };
    return out;
  }

  Audit finish() {
    compare(spent_, accounted_, "consumer");
    compare(earned_, issued_, "provider");
    Wei left, right;
    add(left, audit_.promised_to_providers);
    add(left, audit_.held);
    add(left, audit_.opening);
    add(right, audit_.promised_by_consumers);
    add(right, audit_.recovered);
    if (left != right) {
      fault("the ledger: to providers, held and before it " + left.to_string() +
            ", by consumers and recovered " + right.to_string());
    }
    return std::move(audit_);
  }

 private:
  void see(const ConsumerKey& key, const ConsumerAccount& account) {
    ++audit_.consumers;
    add(audit_.promised_by_consumers, account.promised());
    add(audit_.held, account.held);
    add(audit_.opening, account.opening);
    add(audit_.cashable, account.cashable.promise.amount);
    Wei sum;
    add(sum, account.accounted);
    add(sum, account.held);
    add(sum, account.opening);
    if (sum != account.promised()) {
      fault("consumer " + key.identity.to_string() + " promised " + account.promised().to_string() +
            ", its parts are " + sum.to_string());
    }
    if (account.cashable.promise.amount > account.promised()) {
      fault("consumer " + key.identity.to_string() + " can be cashed for more than it promised");
    }
    if (!account.cashable.promise.amount.is_zero() &&
        payment::hashlock_of(account.cashable_r.bytes()) != account.cashable.promise.hashlock) {
      fault("consumer " + key.identity.to_string() + ": the R kept does not open its promise");
    }
    accounted_[key] = account.accounted;
  }
  void see(const ProviderKey& key, const ProviderAccount& account) {
    ++audit_.providers;
    const Wei& amount = account.latest.promise.amount;
    add(audit_.promised_to_providers, amount);
    add(audit_.recovered, account.recovered);
    if (account.revealed) add(audit_.revealed_to_providers, amount);
    const auto issued = Wei::checked_sub(amount, account.recovered);
    if (!issued) {
      fault("provider " + key.identity.to_string() + ": more recovered than promised");
    }
    issued_[key] = issued.value_or(Wei());
  }

  // Adding beyond 2^256 would hide what is missing.
  void add(Wei& sum, const Wei& amount) {
    const auto next = Wei::checked_add(sum, amount);
    if (!next) fault("a sum exceeds 256 bits");
    sum = next.value_or(Wei::max());
  }
  template <typename Key>
  void compare(std::map<Key, Wei>& by_agreements, std::map<Key, Wei>& by_account,
               const char* side) {
    for (const auto& [key, sum] : by_agreements) by_account.emplace(key, Wei());
    for (const auto& [key, amount] : by_account) {
      if (by_agreements[key] == amount) continue;
      fault(std::string(side) + " " + key.identity.to_string() + " has " + amount.to_string() +
            ", its agreements sum to " + by_agreements[key].to_string());
    }
  }
  void fault(std::string text) {
    ++audit_.fault_count;
    if (audit_.faults.size() < Audit::kMaxFaults) audit_.faults.push_back(std::move(text));
  }

  Audit audit_;
  std::map<ConsumerKey, Wei> accounted_, spent_;
  std::map<ProviderKey, Wei> issued_, earned_;
};

}  // namespace

Result<Audit> audit(Ledger& ledger) {
  Auditor auditor;
  MYST_TRY(ledger.scan(auditor.visitors()));
  return auditor.finish();
}

}  // namespace myst::core::hermes
