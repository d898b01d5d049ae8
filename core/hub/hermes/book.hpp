// A transaction of the ledger as the rules see it: rows by key, fetched once, changed in memory,
// written back together. And the ledger itself, which a database implements.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/base/result.hpp"
#include "core/hub/hermes/accounts.hpp"

namespace myst::core::hermes {

// Where a Book gets rows from. nullopt: no such row.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual Result<std::optional<ConsumerAccount>> load(const ConsumerKey& key) = 0;
  virtual Result<std::optional<ProviderAccount>> load(const ProviderKey& key) = 0;
  virtual Result<std::optional<AgreementAccount>> load(const AgreementKey& key) = 0;
  // Whose channel that is: an id is a hash, so only a ledger that issued for it knows.
  virtual Result<std::optional<ProviderKey>> owner(std::uint64_t chain,
                                                   const Digest32& channel) = 0;
};

class Book {
 public:
  explicit Book(RowSource& source) : source_(source) {}

  // nullptr: no such row, or the source failed (failure() says so). Valid until that row is put.
  const ConsumerAccount* find(const ConsumerKey& key) { return find_in(consumers_, key); }
  const ProviderAccount* find(const ProviderKey& key) { return find_in(providers_, key); }
  const AgreementAccount* find(const AgreementKey& key) { return find_in(agreements_, key); }

  // Rows put in this transaction are found too.
  std::optional<ProviderKey> owner(std::uint64_t chain, const Digest32& channel);

  void put(const ConsumerKey& key, ConsumerAccount row) { put_in(consumers_, key, std::move(row)); }
  void put(const ProviderKey& key, ProviderAccount row) { put_in(providers_, key, std::move(row)); }
  void put(const AgreementKey& key, AgreementAccount row) {
    put_in(agreements_, key, std::move(row));
  }

  void remove(const AgreementKey& key) {
    Slot<AgreementAccount>& slot = agreements_[key];
    slot.row.reset();
    slot.changed = true;
    changed_ = true;
  }

  // The first failure of the source. After it nothing of this Book may be written.
  const Status& failure() const { return failure_; }
  bool changed() const { return changed_; }

  // Every changed row, in the order of keys; agreements that are to go after those that stay.
  template <typename Key, typename Row>
  using Visitor = std::function<Status(const Key&, const Row&)>;
  Status each_changed(const Visitor<ConsumerKey, ConsumerAccount>& consumer,
                      const Visitor<ProviderKey, ProviderAccount>& provider,
                      const Visitor<AgreementKey, AgreementAccount>& agreement,
                      const std::function<Status(const AgreementKey&)>& gone) const;

 private:
  template <typename Row>
  struct Slot {
    std::optional<Row> row;
    bool changed = false;
  };
  template <typename Key, typename Row>
  using Table = std::map<Key, Slot<Row>>;

  template <typename Key, typename Row>
  const Row* find_in(Table<Key, Row>& table, const Key& key) {
    auto at = table.find(key);
    if (at == table.end()) {
      auto loaded = source_.load(key);
      if (!loaded.ok()) {
        if (failure_.ok()) failure_ = loaded.error();
        return nullptr;
      }
      at = table.emplace(key, Slot<Row>{std::move(*loaded), false}).first;
    }
    return at->second.row ? &*at->second.row : nullptr;
  }
  template <typename Key, typename Row>
  void put_in(Table<Key, Row>& table, const Key& key, Row row) {
    Slot<Row>& slot = table[key];
    slot.row = std::move(row);
    slot.changed = true;
    changed_ = true;
  }

  RowSource& source_;
  Table<ConsumerKey, ConsumerAccount> consumers_;
  Table<ProviderKey, ProviderAccount> providers_;
  Table<AgreementKey, AgreementAccount> agreements_;
  Status failure_;
  bool changed_ = false;
};

// What a transaction will touch, as far as it is known before: a database that is shared locks it
// in one order, one that is far away reads it at once.
struct Footprint {
  std::set<Address> identities;
  std::set<AgreementKey> agreements;
  std::set<Digest32> channels;  // of providers that are not named
};

// Blocking; the owner runs it on an ordered worker. One implementation a database, all held to
// tests/support/ledger_conformance.
class Ledger {
 public:
  virtual ~Ledger() = default;

  // Runs `work` on a Book and makes its changes durable before it returns. An error: nothing was
  // written. `work` may run more than once (databases that are shared abort and repeat), so it
  // starts its results anew each time.
  virtual Status transact(const Footprint& footprint, const std::function<void(Book&)>& work) = 0;

  // All rows at one point in time, in any order; for the audit and for what is to be cashed.
  struct Visitors {
    std::function<void(const ConsumerKey&, const ConsumerAccount&)> consumer;
    std::function<void(const ProviderKey&, const ProviderAccount&)> provider;
    std::function<void(const AgreementKey&, const AgreementAccount&)> agreement;
  };
  virtual Status scan(const Visitors& visitors) = 0;
};

}  // namespace myst::core::hermes
