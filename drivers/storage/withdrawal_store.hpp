// Withdrawals that were begun: what it takes to go on with them after a restart.
#pragma once

#include <vector>

#include "core/base/result.hpp"
#include "core/money/calls.hpp"
#include "drivers/storage/database.hpp"

namespace myst::storage {

class WithdrawalStore {
 public:
  explicit WithdrawalStore(Database& database) : database_(database) {}

  // Replaces what is stored of its identity. Durable when it returns success, or with the
  // transaction it is part of.
  Status put(const core::money::OpenWithdrawal& withdrawal);
  Status remove(const Address& identity);
  Result<std::vector<core::money::OpenWithdrawal>> all();

 private:
  Database& database_;
};

}  // namespace myst::storage
