#include "drivers/storage/session_store.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace myst::storage {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

std::int64_t to_ms(WallTime time) { return time.time_since_epoch().count(); }
WallTime from_ms(std::int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }

// A WHERE clause and its values in order; every value is bound, none becomes SQL.
class Where {
 public:
  explicit Where(const SessionFilter& filter) {
    if (filter.started_from) add("started >= ?", to_ms(*filter.started_from));
    if (filter.started_to) add("started <= ?", to_ms(*filter.started_to));
    if (filter.provided) add("direction = ?", std::int64_t{*filter.provided ? 0 : 1});
    if (filter.completed) add("status = ?", std::int64_t{*filter.completed ? 1 : 0});
    if (filter.consumer) add("consumer = ?", filter.consumer->bytes());
    if (filter.provider) add("provider = ?", filter.provider->bytes());
    if (filter.hermes) add("hermes = ?", filter.hermes->bytes());
    if (filter.service_type) add("service_type = ?", *filter.service_type);
  }
  const std::string& text() const { return text_; }
  int bind(Statement& statement) const {
    int index = 0;
    for (const Term& term : terms_) {
      ++index;
      if (term.kind == Kind::Integer) statement.bind(index, term.integer);
      if (term.kind == Kind::Text) statement.bind(index, std::string_view(term.text));
      if (term.kind == Kind::Blob) statement.bind(index, as_bytes(term.text));
    }
    return index;
  }

 private:
  enum class Kind : std::uint8_t { Integer, Text, Blob };
  struct Term {
    Kind kind;
    std::int64_t integer;
    std::string text;
  };
  void add(const char* condition, Term term) {
    text_ += text_.empty() ? " WHERE " : " AND ";
    text_ += condition;
    terms_.push_back(std::move(term));
  }
  void add(const char* condition, std::int64_t value) {
    add(condition, Term{Kind::Integer, value, {}});
  }
  void add(const char* condition, const std::string& value) {
    add(condition, Term{Kind::Text, 0, value});
  }
  void add(const char* condition, const ByteArray<20>& value) {
    add(condition, Term{Kind::Blob, 0, std::string(as_text(value))});
  }
  std::string text_;
  std::vector<Term> terms_;
};

constexpr char kColumns[] =
    "id, direction, consumer, provider, hermes, service_type, consumer_country, provider_country,"
    " ip_type, sent, received, tokens, status, started, updated";

Result<Wei> read_amount(const Statement& row, int column) {
  return Wei::from_bytes(row.blob(column));
}

Result<core::SessionRecord> read_row(const Statement& row) {
  core::SessionRecord out;
  out.id = row.text(0);
  out.provided = row.integer(1) == 0;
  MYST_TRY_ASSIGN(out.consumer, Address::from_bytes(row.blob(2)));
  MYST_TRY_ASSIGN(out.provider, Address::from_bytes(row.blob(3)));
  MYST_TRY_ASSIGN(out.hermes, Address::from_bytes(row.blob(4)));
  out.service_type = row.text(5);
  out.consumer_country = row.text(6);
  out.provider_country = row.text(7);
  out.ip_type = row.text(8);
  out.bytes_sent = static_cast<std::uint64_t>(row.integer(9));
  out.bytes_received = static_cast<std::uint64_t>(row.integer(10));
  MYST_TRY_ASSIGN(out.tokens, read_amount(row, 11));
  out.completed = row.integer(12) != 0;
  out.started = from_ms(row.integer(13));
  out.updated = from_ms(row.integer(14));
  return out;
}

// Sums rows one by one: amounts are wider than SQL's integers.
struct Sums {
  SessionTotals totals;
  std::set<Bytes> consumers;
  Status add(const Statement& row, WallTime now) {
    const std::int64_t started = row.integer(4);
    const std::int64_t updated = row.integer(5);
    const std::int64_t end = updated == 0 ? to_ms(now) : updated;
    ++totals.count;
    totals.bytes_sent += static_cast<std::uint64_t>(row.integer(1));
    totals.bytes_received += static_cast<std::uint64_t>(row.integer(2));
    totals.duration_seconds +=
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, end - started)) / 1000;
    MYST_TRY_ASSIGN(const Wei tokens, read_amount(row, 3));
    totals.tokens = Wei::saturating_add(totals.tokens, tokens);
    consumers.insert(row.blob(0));
    totals.distinct_consumers = consumers.size();
    return {};
  }
};
constexpr char kSumColumns[] =
    "SELECT consumer, sent, received, tokens, started, updated FROM sessions";

}  // namespace

Status SessionStore::put(const core::SessionRecord& row) {
  MYST_TRY_ASSIGN(Statement insert,
                  database_.prepare("INSERT OR REPLACE INTO sessions VALUES"
                                    "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)"));
  const ByteArray<32> tokens = row.tokens.to_word();
  insert.bind(1, std::string_view(row.id))
      .bind(2, std::int64_t{row.provided ? 0 : 1})
      .bind(3, ByteSpan(row.consumer.bytes()))
      .bind(4, ByteSpan(row.provider.bytes()))
      .bind(5, ByteSpan(row.hermes.bytes()))
      .bind(6, std::string_view(row.service_type))
      .bind(7, std::string_view(row.consumer_country))
      .bind(8, std::string_view(row.provider_country))
      .bind(9, std::string_view(row.ip_type))
      .bind(10, static_cast<std::int64_t>(row.bytes_sent))
      .bind(11, static_cast<std::int64_t>(row.bytes_received))
      .bind(12, ByteSpan(tokens))
      .bind(13, std::int64_t{row.completed ? 1 : 0})
      .bind(14, to_ms(row.started))
      .bind(15, to_ms(row.updated));
  return insert.run();
}

Result<std::uint64_t> SessionStore::complete_orphans() {
  MYST_TRY_ASSIGN(Statement count,
                  database_.prepare("SELECT count(*) FROM sessions WHERE status = 0"));
  MYST_TRY_ASSIGN(const bool row, count.step());
  const auto orphans = row ? static_cast<std::uint64_t>(count.integer(0)) : 0;
  if (orphans == 0) return orphans;
  MYST_TRY_ASSIGN(
      Statement update,
      database_.prepare("UPDATE sessions SET status = 1, updated = max(started, updated)"
                        " WHERE status = 0"));
  MYST_TRY(update.run());
  return orphans;
}

Result<SessionPage> SessionStore::list(const SessionFilter& filter, std::uint32_t limit,
                                       std::uint64_t offset) {
  const Where where(filter);
  SessionPage out;
  MYST_TRY_ASSIGN(Statement count,
                  database_.prepare("SELECT count(*) FROM sessions" + where.text()));
  where.bind(count);
  MYST_TRY_ASSIGN(const bool counted, count.step());
  if (counted) out.total = static_cast<std::uint64_t>(count.integer(0));
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare(std::string("SELECT ") + kColumns + " FROM sessions" +
                                    where.text() + " ORDER BY started DESC, id LIMIT ? OFFSET ?"));
  const int bound = where.bind(query);
  query.bind(bound + 1, std::int64_t{limit});
  query.bind(bound + 2, static_cast<std::int64_t>(std::min<std::uint64_t>(offset, INT64_MAX)));
  for (;;) {
    MYST_TRY_ASSIGN(const bool more, query.step());
    if (!more) return out;
    MYST_TRY_ASSIGN(core::SessionRecord row, read_row(query));
    out.rows.push_back(std::move(row));
  }
}

Result<SessionTotals> SessionStore::totals(const SessionFilter& filter, WallTime now) {
  const Where where(filter);
  MYST_TRY_ASSIGN(Statement query, database_.prepare(kSumColumns + where.text()));
  where.bind(query);
  Sums sums;
  for (;;) {
    MYST_TRY_ASSIGN(const bool more, query.step());
    if (!more) return sums.totals;
    MYST_TRY(sums.add(query, now));
  }
}

Result<std::map<std::int64_t, SessionTotals>> SessionStore::totals_by_day(
    const SessionFilter& filter, WallTime now) {
  const Where where(filter);
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare(kSumColumns + where.text() + " ORDER BY started"));
  where.bind(query);
  std::map<std::int64_t, SessionTotals> days;
  Sums sums;
  std::optional<std::int64_t> day;
  for (;;) {
    MYST_TRY_ASSIGN(const bool more, query.step());
    const std::int64_t row_day = more ? query.integer(4) / kDayMs : 0;
    if (day && (!more || row_day != *day)) {
      days[*day] = sums.totals;
      sums = Sums{};
    }
    if (!more) return days;
    day = row_day;
    MYST_TRY(sums.add(query, now));
  }
}

Status ConnectivityStore::add(const core::ConnectivityRecord& report) {
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  MYST_TRY_ASSIGN(
      Statement insert,
      database_.prepare("INSERT INTO connectivity(peer, session, code, message, created)"
                        " VALUES(?1, ?2, ?3, ?4, ?5)"));
  insert.bind(1, ByteSpan(report.peer.bytes()))
      .bind(2, std::string_view(report.session_id))
      .bind(3, static_cast<std::int64_t>(report.code))
      .bind(4, std::string_view(report.message).substr(0, kMaxMessage))
      .bind(5, to_ms(report.created));
  MYST_TRY(insert.run());
  MYST_TRY_ASSIGN(Statement expire,
                  database_.prepare("DELETE FROM connectivity WHERE created < ?1 OR id <= "
                                    "(SELECT max(id) FROM connectivity) - ?2"));
  expire.bind(1, to_ms(report.created) - 30 * kDayMs)
      .bind(2, static_cast<std::int64_t>(kMaxReports));
  MYST_TRY(expire.run());
  return transaction.commit();
}

Result<std::vector<core::ConnectivityRecord>> ConnectivityStore::list(std::uint32_t limit) {
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare("SELECT peer, session, code, message, created FROM connectivity"
                                    " ORDER BY id DESC LIMIT ?1"));
  query.bind(1, static_cast<std::int64_t>(limit));
  std::vector<core::ConnectivityRecord> out;
  for (;;) {
    MYST_TRY_ASSIGN(const bool more, query.step());
    if (!more) return out;
    core::ConnectivityRecord report;
    MYST_TRY_ASSIGN(report.peer, Address::from_bytes(query.blob(0)));
    report.session_id = query.text(1);
    report.code = static_cast<std::uint32_t>(query.integer(2));
    report.message = query.text(3);
    report.created = from_ms(query.integer(4));
    out.push_back(std::move(report));
  }
}

}  // namespace myst::storage
