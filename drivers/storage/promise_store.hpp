// What our identities earn: promises of Hermes, payments on their way to one, settlements, and
// where the earnings go. Every put() is durable when it returns success.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/money/calls.hpp"
#include "drivers/storage/database.hpp"

namespace myst::storage {

class PromiseStore {
 public:
  static constexpr std::int64_t kMaxPromises = 4096;  // as many as a treasury shows

  explicit PromiseStore(Database& database) : database_(database) {}

  // One that is smaller than what is stored of its channel is left out; the claim goes anyway.
  Status put(const core::money::StoredPromise& promise, std::optional<Wei> claimed, WallTime now);
  Result<std::vector<core::money::StoredPromise>> all();
  // Accepted and not yet exchanged, oldest agreements first; at most 100.
  Result<std::vector<core::money::Claim>> claims(const Address& provider);

 private:
  Database& database_;
};

class SettlementStore {
 public:
  explicit SettlementStore(Database& database) : database_(database) {}

  // A transaction is recorded once; records without one are all kept, up to kMaxFailures.
  Status put(const core::money::SettlementRecord& record);
  struct Filter {
    std::optional<WallTime> from, to;  // inclusive
    std::optional<Address> provider, hermes;
    std::optional<bool> withdrawal;
  };
  struct Page {
    std::vector<core::money::SettlementRecord> items;  // newest first
    std::uint64_t total = 0;
    Wei withdrawn;  // of the whole filtered set
  };
  Result<Page> list(const Filter& filter, std::uint32_t limit, std::uint64_t offset);

  Status put_wallet(const Address& identity, const Address& wallet);
  Result<Address> wallet(const Address& identity);  // zero: none

  static constexpr std::int64_t kMaxFailures = 1000;

 private:
  Database& database_;
};

}  // namespace myst::storage
