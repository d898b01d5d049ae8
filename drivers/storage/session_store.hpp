// Session history: what this node provided and consumed (reference: consumer/session). Synchronous,
// see database.hpp.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/identity/address.hpp"
#include "core/session/record.hpp"
#include "drivers/storage/database.hpp"

namespace myst::storage {

struct SessionFilter {
  std::optional<WallTime> started_from;
  std::optional<WallTime> started_to;  // inclusive
  std::optional<bool> provided;        // else consumed
  std::optional<Address> consumer;
  std::optional<Address> provider;
  std::optional<Address> hermes;
  std::optional<std::string> service_type;
  std::optional<bool> completed;
};

struct SessionTotals {
  std::uint64_t count = 0;
  std::uint64_t distinct_consumers = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t duration_seconds = 0;  // open sessions count up to now
  Wei tokens;
};

struct SessionPage {
  std::vector<core::SessionRecord> rows;
  std::uint64_t total = 0;  // rows of the filter on all pages
};

class SessionStore {
 public:
  // `database` must outlive the store.
  explicit SessionStore(Database& database) : database_(database) {}

  Status put(const core::SessionRecord& row);  // inserts or replaces by (id, direction)
  // Sessions that a crash left open get Completed with the last time they were written.
  // Returns how many.
  Result<std::uint64_t> complete_orphans();

  // Newest start first.
  Result<SessionPage> list(const SessionFilter& filter, std::uint32_t limit, std::uint64_t offset);
  Result<SessionTotals> totals(const SessionFilter& filter, WallTime now);
  // By UTC day (days since the epoch), only days that have sessions.
  Result<std::map<std::int64_t, SessionTotals>> totals_by_day(const SessionFilter& filter,
                                                              WallTime now);

 private:
  Database& database_;
};

// // What consumers said about their sessions, newest first, 30 days (reference:
// session/connectivity).
class ConnectivityStore {
 public:
  static constexpr std::size_t kMaxReports = 10000;  // full: the oldest go
  static constexpr std::size_t kMaxMessage = 1024;   // longer text is cut
  explicit ConnectivityStore(Database& database) : database_(database) {}
  Status add(const core::ConnectivityRecord& report);
  Result<std::vector<core::ConnectivityRecord>> list(std::uint32_t limit);

 private:
  Database& database_;
};

}  // namespace myst::storage
