// Proves at any time that the ledger adds up (accounts.hpp says to what).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/u256.hpp"
#include "core/hub/hermes/book.hpp"

namespace myst::core::hermes {

struct Audit {
  static constexpr std::size_t kMaxFaults = 20;  // more are counted, not described
  std::size_t consumers = 0, providers = 0, agreements = 0;
  Wei promised_by_consumers;
  Wei promised_to_providers;  // withdrawals included
  Wei held, opening, recovered;
  Wei cashable;  // of the consumers' promises, what R is known for
  Wei revealed_to_providers;
  std::size_t fault_count = 0;
  std::vector<std::string> faults;
  bool balanced() const { return fault_count == 0; }
};

// An error: the ledger could not be read.
Result<Audit> audit(Ledger& ledger);

}  // namespace myst::core::hermes
