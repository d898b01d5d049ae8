// Transactions of our accounts (chain::TransactionRecord), one row a wish. Synchronous; its owner
// runs it on an ordered worker.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/chain/account_queue.hpp"
#include "drivers/storage/database.hpp"

namespace myst::storage {

class TransactionStore {
 public:
  struct Key {  // whose transactions
    std::uint64_t chain = 0;
    Address account;
  };
  struct Loaded {
    std::vector<chain::TransactionRecord> open;  // in order of creation
    std::uint64_t next_nonce = 0;                // above all attempts, final ones' too
  };

  // A file of its own. A corrupt one is an error (Malformed), not replaced: nonces are in it.
  static Result<TransactionStore> open(const std::string& path, Database::Opened* opened = nullptr);

  // Insert or replace, durable. Rejected: the stored one is final.
  Status put(const Key& key, const chain::TransactionRecord& record);
  Result<Loaded> load(const Key& key);
  Result<std::optional<chain::TransactionRecord>> find(const Key& key, const std::string& id);
  // Final ones last touched before `until`; nonces given stay known.
  Status forget(WallTime until);

 private:
  explicit TransactionStore(Database database) : database_(std::move(database)) {}
  Database database_;
};

}  // namespace myst::storage
