// Bodies of the transactor's API as a node writes and reads them (node: identity/registry/
// transactor.go).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/money/calls.hpp"

namespace myst::transactor {

struct WireCall {
  std::string path;  // behind the base URL
  std::string body;
};
WireCall write_call(const core::money::TransactorCall& call);
// Whether the answer of that call names a queue entry.
bool is_queued(const core::money::TransactorCall& call);

std::string fee_path(std::uint64_t chain, core::money::FeeKind kind);

Result<std::string> read_queue_id(std::string_view body);
Result<core::money::QueueEntry> read_queue_entry(std::string_view body);
Result<core::money::Fee> read_fee(std::string_view body);
Result<bool> read_eligible(std::string_view body);
Result<std::vector<core::money::RegistrationStatus>> read_registrations(std::string_view body);

struct FeeSet {
  Wei registration, settlement, decrease_stake;
  WallTime valid_until{};
};
struct CombinedFees {
  FeeSet current, last;
  WallTime server_time{};
};
Result<CombinedFees> read_combined_fees(std::string_view body);

// What the transactor says when it refuses: the message of its error, or the beginning of its text.
// A decimal in a text. NotFound: none, or no number.
Result<Wei> read_reward(std::string_view body);
std::string read_problem(std::string_view body);

}  // namespace myst::transactor
