// What a chain says about blocks and transactions, as far as it is looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/u256.hpp"
#include "core/chain/events.hpp"
#include "core/crypto/digest.hpp"
#include "core/identity/address.hpp"

namespace myst::chain {

struct Block {
  std::uint64_t number = 0;
  Digest32 hash{};
  Digest32 parent{};
  std::uint64_t time = 0;       // Unix seconds
  std::optional<Wei> base_fee;  // absent before EIP-1559
};

struct Receipt {
  Digest32 transaction{};
  std::uint64_t block = 0;
  Digest32 block_hash{};
  bool succeeded = false;
  std::uint64_t gas_used = 0;
  Wei gas_price;  // effective; zero when the server does not tell
  std::vector<Log> logs;
};

// eth_feeHistory: base fees of the blocks and of the next one, and the asked percentile of tips.
struct FeeHistory {
  std::vector<Wei> base_fees;  // oldest first; the last one is the next block's
  std::vector<Wei> tips;       // one a block, may be empty
};

}  // namespace myst::chain
