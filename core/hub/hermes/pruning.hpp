// Keeps the ledger's one table that grows with time bounded: agreements, one a session. Those that
// nobody has touched for long are rolled up into one row for each pair of consumer and provider,
// with the sum of their totals, so that both sides of the book go on adding up.
//
// What is gone with the single rows is the proof that a message of theirs was paid already. So the
// row of the pair remembers the highest promise of the consumer that came with any of them;
// messages up to there, which are all that there can be of such agreements, are refused.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/hub/hermes/book.hpp"

namespace myst::core::hermes {

// The pair's row: an id that is no agreement's.
AgreementKey rolled_up(const AgreementKey& key);

// Agreements untouched since `before` are rolled up, at most `most` of them, in transactions of at
// most 256. Never the one behind a promise whose R is not known yet. Rows of a ledger from before
// there were times get `now`. How many were rolled up.
Result<std::size_t> roll_up(Ledger& ledger, WallTime before, WallTime now, std::size_t most);

}  // namespace myst::core::hermes
