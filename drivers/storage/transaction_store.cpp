#include "drivers/storage/transaction_store.hpp"

#include <algorithm>

namespace myst::storage {
namespace {

using chain::TransactionRecord;
using chain::TransactionState;

const std::vector<const char*>& transaction_steps() {
  // attempts: nonce (8, big-endian), legacy (1), max fee (32), tip (32), hash (32) each.
  static const std::vector<const char*> steps = {
      "CREATE TABLE transactions("
      " chain INTEGER NOT NULL, account BLOB NOT NULL, id TEXT NOT NULL, state INTEGER NOT NULL,"
      " recipient BLOB NOT NULL, value BLOB NOT NULL, data BLOB NOT NULL, gas_limit INTEGER NOT "
      "NULL,"
      " nonce INTEGER NOT NULL, attempts BLOB NOT NULL, reason TEXT NOT NULL, hash BLOB NOT NULL,"
      " block INTEGER NOT NULL, gas_used INTEGER NOT NULL, gas_price BLOB NOT NULL,"
      " created INTEGER NOT NULL, updated INTEGER NOT NULL,"
      " PRIMARY KEY(chain, account, id)) WITHOUT ROWID;"
      "CREATE INDEX transactions_open ON transactions(chain, account, created) WHERE state < 2;"
      "CREATE TABLE next_nonces("
      " chain INTEGER NOT NULL, account BLOB NOT NULL, nonce INTEGER NOT NULL,"
      " PRIMARY KEY(chain, account)) WITHOUT ROWID;",
  };
  return steps;
}

constexpr std::size_t kAttemptSize = 8 + 1 + 32 + 32 + 32;
constexpr std::int64_t kNoNonce = -1;
constexpr char kColumns[] =
    "id, state, recipient, value, data, gas_limit, nonce, attempts, reason, hash, block, gas_used,"
    " gas_price, created, updated";

std::int64_t to_ms(WallTime time) { return time.time_since_epoch().count(); }
WallTime from_ms(std::int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }

void append(Bytes& out, ByteSpan bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

Bytes write_attempts(const std::vector<TransactionRecord::Attempt>& attempts) {
  Bytes out;
  for (const auto& attempt : attempts) {
    const ByteArray<32> nonce = U256(attempt.nonce).to_word();
    append(out, ByteSpan(nonce).subspan(24));
    out.push_back(attempt.fees.legacy ? 1 : 0);
    append(out, attempt.fees.max_fee.to_word());
    append(out, attempt.fees.tip.to_word());
    append(out, attempt.hash);
  }
  return out;
}

Result<std::vector<TransactionRecord::Attempt>> read_attempts(ByteSpan bytes) {
  if (bytes.size() % kAttemptSize != 0) return Error{Errc::Malformed, 0, "stored attempts"};
  std::vector<TransactionRecord::Attempt> out;
  for (std::size_t at = 0; at < bytes.size(); at += kAttemptSize) {
    TransactionRecord::Attempt attempt;
    MYST_TRY_ASSIGN(const U256 nonce, U256::from_bytes(bytes.subspan(at, 8)));
    attempt.nonce = *nonce.to_u64();
    attempt.fees.legacy = bytes[at + 8] == 1;
    MYST_TRY_ASSIGN(attempt.fees.max_fee, Wei::from_bytes(bytes.subspan(at + 9, 32)));
    MYST_TRY_ASSIGN(attempt.fees.tip, Wei::from_bytes(bytes.subspan(at + 41, 32)));
    const ByteSpan hash = bytes.subspan(at + 73, 32);
    std::copy(hash.begin(), hash.end(), attempt.hash.begin());
    out.push_back(attempt);
  }
  return out;
}

Result<TransactionRecord> read_row(const Statement& row) {
  TransactionRecord out;
  out.id = row.text(0);
  const std::int64_t state = row.integer(1);
  if (state < 0 || state > 4) return Error{Errc::Malformed, 0, "stored transaction state"};
  out.state = static_cast<TransactionState>(state);
  MYST_TRY_ASSIGN(out.to, Address::from_bytes(row.blob(2)));
  MYST_TRY_ASSIGN(out.value, Wei::from_bytes(row.blob(3)));
  out.data = row.blob(4);
  out.gas_limit = static_cast<std::uint64_t>(row.integer(5));
  if (row.integer(6) != kNoNonce) out.nonce = static_cast<std::uint64_t>(row.integer(6));
  MYST_TRY_ASSIGN(out.attempts, read_attempts(row.blob(7)));
  out.reason = row.text(8);
  const Bytes hash = row.blob(9);
  if (hash.size() != out.hash.size()) return Error{Errc::Malformed, 0, "stored hash"};
  std::copy(hash.begin(), hash.end(), out.hash.begin());
  out.block = static_cast<std::uint64_t>(row.integer(10));
  out.gas_used = static_cast<std::uint64_t>(row.integer(11));
  MYST_TRY_ASSIGN(out.gas_price, Wei::from_bytes(row.blob(12)));
  out.created = from_ms(row.integer(13));
  out.updated = from_ms(row.integer(14));
  return out;
}

}  // namespace

Result<TransactionStore> TransactionStore::open(const std::string& path, Database::Opened* opened) {
  MYST_TRY_ASSIGN(Database database, Database::open_or_fail(path, opened, transaction_steps()));
  return TransactionStore(std::move(database));
}

Status TransactionStore::put(const Key& key, const TransactionRecord& record) {
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  {
    MYST_TRY_ASSIGN(Statement query,
                    database_.prepare("SELECT state FROM transactions WHERE chain = ?1 AND"
                                      " account = ?2 AND id = ?3"));
    query.bind(1, static_cast<std::int64_t>(key.chain))
        .bind(2, ByteSpan(key.account.bytes()))
        .bind(3, std::string_view(record.id));
    MYST_TRY_ASSIGN(const bool found, query.step());
    if (found && query.integer(0) >= static_cast<std::int64_t>(TransactionState::Succeeded)) {
      return Error{Errc::Rejected, 0, "the outcome of a transaction is final"};
    }
  }
  MYST_TRY_ASSIGN(Statement insert,
                  database_.prepare("INSERT OR REPLACE INTO transactions VALUES"
                                    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
                                    " ?15, ?16, ?17)"));
  const ByteArray<32> value = record.value.to_word();
  const ByteArray<32> gas_price = record.gas_price.to_word();
  const Bytes attempts = write_attempts(record.attempts);
  insert.bind(1, static_cast<std::int64_t>(key.chain))
      .bind(2, ByteSpan(key.account.bytes()))
      .bind(3, std::string_view(record.id))
      .bind(4, static_cast<std::int64_t>(record.state))
      .bind(5, ByteSpan(record.to.bytes()))
      .bind(6, ByteSpan(value))
      .bind(7, ByteSpan(record.data))
      .bind(8, static_cast<std::int64_t>(record.gas_limit))
      .bind(9, record.nonce ? static_cast<std::int64_t>(*record.nonce) : kNoNonce)
      .bind(10, ByteSpan(attempts))
      .bind(11, std::string_view(record.reason))
      .bind(12, ByteSpan(record.hash))
      .bind(13, static_cast<std::int64_t>(record.block))
      .bind(14, static_cast<std::int64_t>(record.gas_used))
      .bind(15, ByteSpan(gas_price))
      .bind(16, to_ms(record.created))
      .bind(17, to_ms(record.updated));
  MYST_TRY(insert.run());
  std::uint64_t next = 0;
  for (const auto& attempt : record.attempts) next = std::max(next, attempt.nonce + 1);
  if (next > 0) {
    MYST_TRY_ASSIGN(Statement nonce,
                    database_.prepare("INSERT INTO next_nonces VALUES(?1, ?2, ?3) ON CONFLICT DO"
                                      " UPDATE SET nonce = max(nonce, ?3)"));
    nonce.bind(1, static_cast<std::int64_t>(key.chain))
        .bind(2, ByteSpan(key.account.bytes()))
        .bind(3, static_cast<std::int64_t>(next));
    MYST_TRY(nonce.run());
  }
  return transaction.commit();
}

Result<TransactionStore::Loaded> TransactionStore::load(const Key& key) {
  Loaded out;
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare(std::string("SELECT ") + kColumns +
                                    " FROM transactions WHERE chain = ?1 AND account = ?2 AND"
                                    " state < 2 ORDER BY created, id"));
  query.bind(1, static_cast<std::int64_t>(key.chain)).bind(2, ByteSpan(key.account.bytes()));
  for (;;) {
    MYST_TRY_ASSIGN(const bool row, query.step());
    if (!row) break;
    MYST_TRY_ASSIGN(TransactionRecord record, read_row(query));
    out.open.push_back(std::move(record));
  }
  MYST_TRY_ASSIGN(Statement nonce, database_.prepare("SELECT nonce FROM next_nonces WHERE chain ="
                                                     " ?1 AND account = ?2"));
  nonce.bind(1, static_cast<std::int64_t>(key.chain)).bind(2, ByteSpan(key.account.bytes()));
  MYST_TRY_ASSIGN(const bool found, nonce.step());
  if (found) out.next_nonce = static_cast<std::uint64_t>(nonce.integer(0));
  return out;
}

Result<std::optional<TransactionRecord>> TransactionStore::find(const Key& key,
                                                                const std::string& id) {
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare(std::string("SELECT ") + kColumns +
                                    " FROM transactions WHERE chain = ?1 AND account = ?2 AND"
                                    " id = ?3"));
  query.bind(1, static_cast<std::int64_t>(key.chain))
      .bind(2, ByteSpan(key.account.bytes()))
      .bind(3, std::string_view(id));
  MYST_TRY_ASSIGN(const bool found, query.step());
  if (!found) return std::optional<TransactionRecord>();
  MYST_TRY_ASSIGN(TransactionRecord record, read_row(query));
  return std::optional<TransactionRecord>(std::move(record));
}

Status TransactionStore::forget(WallTime until) {
  MYST_TRY_ASSIGN(Statement remove, database_.prepare("DELETE FROM transactions WHERE state >= 2"
                                                      " AND updated < ?1"));
  return remove.bind(1, to_ms(until)).run();
}

}  // namespace myst::storage
