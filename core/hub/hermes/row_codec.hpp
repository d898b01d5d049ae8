// Rows of the ledger as columns of bytes, the same for every database: amounts are 32-byte words, a
// signed promise is one column (channel, amount, fee, hashlock, signature), nothing is empty.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/hub/hermes/accounts.hpp"

namespace myst::core::hermes {

template <std::size_t N>
using Columns = std::array<Bytes, N>;

// Names in the order of the columns.
constexpr std::array<std::string_view, 9> kConsumerColumns{"latest",   "accounted", "held",
                                                           "opening",  "cashable",  "cashable_r",
                                                           "capacity", "settled",   "flags"};
constexpr std::array<std::string_view, 12> kProviderColumns{
    "channel",   "latest",      "agreement", "flags",   "r",       "recovery",
    "recovered", "payer_chain", "payer",     "backing", "settled", "last_settlement"};

Columns<9> encode(const ConsumerAccount& account);
Columns<12> encode(const ProviderAccount& account);
// Malformed: a column of another size than encode() writes. `chain`: of the row's key.
Result<ConsumerAccount> decode_consumer(std::uint64_t chain, const Columns<9>& columns);
Result<ProviderAccount> decode_provider(std::uint64_t chain, const Columns<12>& columns);

}  // namespace myst::core::hermes
