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
#include "drivers/storage/database.hpp"

namespace myst::storage {

enum class Direction : std::uint8_t { Provided = 0, Consumed = 1 };
enum class SessionState : std::uint8_t { New = 0, Completed = 1 };

struct SessionRow {
  std::string id;  // UUID chosen by the provider; a node may hold one row per direction
  Direction direction = Direction::Provided;
  Address consumer;
  Address provider;
  std::string hermes;  // checksummed contract address; empty without a chain
  std::string service_type;
  std::string consumer_country;
  std::string provider_country;
  std::string ip_type;  // consumed sessions only
  // In the history's own sense of direction: provided sessions store what went down to the consumer
  // as sent's counterpart, exactly as the REST API shows it (bytes_sent, bytes_received).
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  Wei tokens;
  SessionState state = SessionState::New;
  WallTime started{};
  WallTime updated{};  // epoch: never
};

struct SessionFilter {
  std::optional<WallTime> started_from;
  std::optional<WallTime> started_to;  // inclusive
  std::optional<Direction> direction;
  std::optional<Address> consumer;
  std::optional<Address> provider;
  std::optional<std::string> hermes;  // exact text
  std::optional<std::string> service_type;
  std::optional<SessionState> state;
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
  std::vector<SessionRow> rows;
  std::uint64_t total = 0;  // rows of the filter on all pages
};

class SessionStore {
 public:
  // `database` must outlive the store.
  explicit SessionStore(Database& database) : database_(database) {}

  Status put(const SessionRow& row);  // inserts or replaces by (id, direction)
  // Sessions that a crash left open get Completed with the last time they were written.
  // Returns how many.
  Result<std::uint64_t> complete_orphans();

  // Newest start first. page counts from 1.
  Result<SessionPage> list(const SessionFilter& filter, std::uint32_t page,
                           std::uint32_t page_size);
  Result<SessionTotals> totals(const SessionFilter& filter, WallTime now);
  // By UTC day (days since the epoch), only days that have sessions.
  Result<std::map<std::int64_t, SessionTotals>> totals_by_day(const SessionFilter& filter,
                                                              WallTime now);

 private:
  Database& database_;
};

// Consumers' connectivity reports, newest first, 30 days (reference: session/connectivity).
struct ConnectivityReport {
  Address peer;
  std::string session_id;
  std::uint32_t code = 0;
  std::string message;
  WallTime created{};
};

class ConnectivityStore {
 public:
  static constexpr std::size_t kMaxReports = 10000;  // full: the oldest go
  static constexpr std::size_t kMaxMessage = 1024;   // longer text is cut
  explicit ConnectivityStore(Database& database) : database_(database) {}
  Status add(const ConnectivityReport& report);
  Result<std::vector<ConnectivityReport>> list(std::uint32_t limit);

 private:
  Database& database_;
};

}  // namespace myst::storage
