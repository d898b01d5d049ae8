#include "core/hub/hermes/pruning.hpp"

#include <algorithm>
#include <vector>

namespace myst::core::hermes {
namespace {

constexpr std::size_t kBatch = 256;

std::int64_t to_ms(WallTime time) { return time.time_since_epoch().count(); }

// Whether this agreement's last promise still waits for its R: the same request again must find it.
bool is_open(Book& book, const AgreementKey& key) {
  const ProviderAccount* provider = book.find(key.provider);
  return provider != nullptr && !provider->revealed && provider->agreement == key.id &&
         provider->payer == key.consumer;
}

bool roll_up_one(Book& book, const AgreementKey& key, std::int64_t before, std::int64_t now) {
  const AgreementAccount* found = book.find(key);
  if (found == nullptr || found->updated >= before) return false;
  const AgreementAccount old = *found;
  if (old.updated == 0) {
    const ConsumerAccount* consumer = book.find(key.consumer);
    AgreementAccount dated{old.total, consumer == nullptr ? Wei() : consumer->promised(), now};
    book.put(key, dated);
    return false;
  }
  if (is_open(book, key)) return false;
  AgreementAccount sum;
  if (const AgreementAccount* pair = book.find(rolled_up(key))) sum = *pair;
  const auto total = Wei::checked_add(sum.total, old.total);
  if (!total) return false;
  sum.total = *total;
  sum.promised = std::max(sum.promised, old.promised);
  sum.updated = std::max(sum.updated, old.updated);
  book.put(rolled_up(key), sum);
  book.remove(key);
  return true;
}

}  // namespace

AgreementKey rolled_up(const AgreementKey& key) { return {key.consumer, key.provider, U256()}; }

Result<std::size_t> roll_up(Ledger& ledger, WallTime before, WallTime now, std::size_t most) {
  std::vector<AgreementKey> old;
  Ledger::Visitors visitors;
  visitors.agreement = [&](const AgreementKey& key, const AgreementAccount& account) {
    if (old.size() < most && !key.id.is_zero() && account.updated < to_ms(before)) {
      old.push_back(key);
    }
  };
  MYST_TRY(ledger.scan(visitors));
  std::size_t done = 0;
  for (std::size_t from = 0; from < old.size(); from += kBatch) {
    const std::size_t to = std::min(old.size(), from + kBatch);
    Footprint footprint;
    for (std::size_t i = from; i < to; ++i) {
      footprint.identities.insert(old[i].consumer.identity);
      footprint.identities.insert(old[i].provider.identity);
      footprint.agreements.insert(old[i]);
      footprint.agreements.insert(rolled_up(old[i]));
    }
    std::size_t rolled = 0;
    MYST_TRY(ledger.transact(footprint, [&](Book& book) {
      rolled = 0;
      for (std::size_t i = from; i < to; ++i) {
        if (roll_up_one(book, old[i], to_ms(before), to_ms(now))) ++rolled;
      }
    }));
    done += rolled;
  }
  return done;
}

}  // namespace myst::core::hermes
