// Settlements that the transactor was asked for: what it takes to follow them after a restart.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/result.hpp"
#include "core/money/calls.hpp"
#include "drivers/storage/database.hpp"

namespace myst::storage {

class OpenSettlementStore {
 public:
  explicit OpenSettlementStore(Database& database) : database_(database) {}

  // Replaces one of the same chain, provider, Hermes and amount. Durable when it returns success.
  Status put(const core::money::OpenSettlement& settlement);
  Status remove(std::uint64_t chain, const Address& provider, const Address& hermes,
                const Wei& amount);
  Result<std::vector<core::money::OpenSettlement>> all();

 private:
  Database& database_;
};

}  // namespace myst::storage
