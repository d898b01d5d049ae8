#include "drivers/storage/promise_store.hpp"

#include <algorithm>
#include <utility>

namespace myst::storage {
namespace {

using core::money::Claim;
using core::money::SettlementRecord;
using core::money::StoredPromise;

std::int64_t to_ms(WallTime time) { return time.time_since_epoch().count(); }
WallTime from_ms(std::int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }

template <std::size_t N>
Status take(const Bytes& bytes, ByteArray<N>& out) {
  if (bytes.size() != N) return Error{Errc::Malformed, 0, "size of a stored value"};
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return {};
}

Result<Secret<32>> secret_of(const Bytes& bytes) {
  ByteArray<32> out;
  MYST_TRY(take(bytes, out));
  return Secret<32>(out);
}

}  // namespace

Status PromiseStore::put(const StoredPromise& promise, std::optional<Wei> claimed, WallTime now) {
  const payment::Promise& p = promise.promise.promise;
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  // Amounts are big-endian words: SQLite compares them as numbers.
  MYST_TRY_ASSIGN(
      Statement insert,
      database_.prepare(
          "INSERT INTO promises VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
          " ?12) ON CONFLICT(chain, channel) DO UPDATE SET provider = excluded.provider,"
          " hermes = excluded.hermes, amount = excluded.amount, fee = excluded.fee,"
          " hashlock = excluded.hashlock, signature = excluded.signature,"
          " r = excluded.r, agreement = excluded.agreement,"
          " revealed = excluded.revealed, updated = excluded.updated"
          " WHERE excluded.amount >= promises.amount"));
  const ByteArray<32> amount = p.amount.to_word(), fee = p.fee.to_word(),
                      agreement = promise.agreement.to_word();
  insert.bind(1, static_cast<std::int64_t>(p.chain_id))
      .bind(2, ByteSpan(p.channel))
      .bind(3, ByteSpan(promise.provider.bytes()))
      .bind(4, ByteSpan(promise.hermes.bytes()))
      .bind(5, ByteSpan(amount))
      .bind(6, ByteSpan(fee))
      .bind(7, ByteSpan(p.hashlock))
      .bind(8, ByteSpan(promise.promise.signature))
      .bind(9, promise.r.bytes())
      .bind(10, ByteSpan(agreement))
      .bind(11, static_cast<std::int64_t>(promise.revealed ? 1 : 0))
      .bind(12, to_ms(now));
  MYST_TRY(insert.run());
  if (claimed) {
    MYST_TRY_ASSIGN(Statement done, database_.prepare("DELETE FROM claims WHERE provider = ?1"
                                                      " AND agreement = ?2 AND total <= ?3"));
    const ByteArray<32> total = claimed->to_word();
    done.bind(1, ByteSpan(promise.provider.bytes()))
        .bind(2, ByteSpan(agreement))
        .bind(3, ByteSpan(total));
    MYST_TRY(done.run());
  }
  return transaction.commit();
}

Result<std::vector<StoredPromise>> PromiseStore::all() {
  MYST_TRY_ASSIGN(
      Statement query,
      database_.prepare("SELECT chain, channel, provider, hermes, amount, fee, hashlock,"
                        " signature, r, agreement, revealed, updated FROM promises"
                        " ORDER BY updated DESC LIMIT ?1"));
  query.bind(1, kMaxPromises);
  std::vector<StoredPromise> out;
  for (;;) {
    MYST_TRY_ASSIGN(const bool row, query.step());
    if (!row) return out;
    StoredPromise one;
    payment::Promise& p = one.promise.promise;
    p.chain_id = static_cast<std::uint64_t>(query.integer(0));
    MYST_TRY(take(query.blob(1), p.channel));
    MYST_TRY_ASSIGN(one.provider, Address::from_bytes(query.blob(2)));
    MYST_TRY_ASSIGN(one.hermes, Address::from_bytes(query.blob(3)));
    MYST_TRY_ASSIGN(p.amount, Wei::from_bytes(query.blob(4)));
    MYST_TRY_ASSIGN(p.fee, Wei::from_bytes(query.blob(5)));
    MYST_TRY(take(query.blob(6), p.hashlock));
    MYST_TRY(take(query.blob(7), one.promise.signature));
    MYST_TRY_ASSIGN(one.r, secret_of(query.blob(8)));
    MYST_TRY_ASSIGN(one.agreement, U256::from_bytes(query.blob(9)));
    one.revealed = query.integer(10) != 0;
    one.updated = from_ms(query.integer(11));
    out.push_back(std::move(one));
  }
}

Result<std::vector<Claim>> PromiseStore::claims(const Address& provider) {
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare(
                      "SELECT c.agreement, c.total, a.promise, a.r FROM claims c JOIN agreements a"
                      " ON a.role = 0 AND a.agreement = c.agreement AND a.provider = c.provider"
                      " WHERE c.provider = ?1 ORDER BY a.updated LIMIT 100"));
  query.bind(1, ByteSpan(provider.bytes()));
  std::vector<Claim> out;
  for (;;) {
    MYST_TRY_ASSIGN(const bool row, query.step());
    if (!row) return out;
    Claim one;
    one.provider = provider;
    MYST_TRY_ASSIGN(one.agreement, U256::from_bytes(query.blob(0)));
    MYST_TRY_ASSIGN(one.total, Wei::from_bytes(query.blob(1)));
    one.message = query.blob(2);
    MYST_TRY_ASSIGN(one.r, secret_of(query.blob(3)));
    out.push_back(std::move(one));
  }
}

// --- settlements

Status SettlementStore::put(const SettlementRecord& record) {
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  const bool mined = record.transaction != Digest32{};
  if (mined) {
    MYST_TRY_ASSIGN(Statement known, database_.prepare("SELECT 1 FROM settlements WHERE tx = ?1"
                                                       " AND provider = ?2 AND hermes = ?3"));
    known.bind(1, ByteSpan(record.transaction))
        .bind(2, ByteSpan(record.provider.bytes()))
        .bind(3, ByteSpan(record.hermes.bytes()));
    MYST_TRY_ASSIGN(const bool there, known.step());
    if (there) return {};
  }
  MYST_TRY_ASSIGN(Statement insert,
                  database_.prepare("INSERT INTO settlements VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6,"
                                    " ?7, ?8, ?9, ?10, ?11, ?12)"));
  const ByteArray<32> amount = record.amount.to_word(), fees = record.fees.to_word(),
                      total = record.total_settled.to_word();
  insert.bind(1, ByteSpan(record.transaction))
      .bind(2, ByteSpan(record.provider.bytes()))
      .bind(3, ByteSpan(record.hermes.bytes()))
      .bind(4, ByteSpan(record.beneficiary.bytes()))
      .bind(5, ByteSpan(record.channel))
      .bind(6, static_cast<std::int64_t>(record.chain))
      .bind(7, to_ms(record.at))
      .bind(8, ByteSpan(amount))
      .bind(9, ByteSpan(fees))
      .bind(10, ByteSpan(total))
      .bind(11, static_cast<std::int64_t>(record.withdrawal ? 1 : 0))
      .bind(12, std::string_view(record.error));
  MYST_TRY(insert.run());
  if (!mined) {
    MYST_TRY_ASSIGN(
        Statement trim,
        database_.prepare("DELETE FROM settlements WHERE tx = ?1 AND id NOT IN (SELECT id"
                          " FROM settlements WHERE tx = ?1 ORDER BY id DESC LIMIT ?2)"));
    MYST_TRY(trim.bind(1, ByteSpan(record.transaction)).bind(2, kMaxFailures).run());
  }
  return transaction.commit();
}

namespace {

// ?1 to ?5, each of them NULL where it is not asked for.
constexpr const char* kWhere =
    " FROM settlements WHERE (?1 IS NULL OR at >= ?1) AND (?2 IS NULL OR at <= ?2)"
    " AND (?3 IS NULL OR provider = ?3) AND (?4 IS NULL OR hermes = ?4)"
    " AND (?5 IS NULL OR withdrawal = ?5)";

// Unbound parameters are NULL.
void bind(Statement& query, const SettlementStore::Filter& filter) {
  if (filter.from) query.bind(1, to_ms(*filter.from));
  if (filter.to) query.bind(2, to_ms(*filter.to));
  if (filter.provider) query.bind(3, ByteSpan(filter.provider->bytes()));
  if (filter.hermes) query.bind(4, ByteSpan(filter.hermes->bytes()));
  if (filter.withdrawal) query.bind(5, static_cast<std::int64_t>(*filter.withdrawal ? 1 : 0));
}

}  // namespace

Result<SettlementStore::Page> SettlementStore::list(const Filter& filter, std::uint32_t limit,
                                                    std::uint64_t offset) {
  Page page;
  MYST_TRY_ASSIGN(Statement sums,
                  database_.prepare(std::string("SELECT withdrawal, amount") + kWhere));
  bind(sums, filter);
  for (;;) {
    MYST_TRY_ASSIGN(const bool row, sums.step());
    if (!row) break;
    ++page.total;
    if (sums.integer(0) == 0) continue;
    MYST_TRY_ASSIGN(const Wei amount, Wei::from_bytes(sums.blob(1)));
    page.withdrawn = Wei::saturating_add(page.withdrawn, amount);
  }
  MYST_TRY_ASSIGN(
      Statement query,
      database_.prepare(std::string("SELECT tx, provider, hermes, beneficiary, channel,"
                                    " chain, at, amount, fees, total, withdrawal, error") +
                        kWhere + " ORDER BY at DESC, id DESC LIMIT ?6 OFFSET ?7"));
  bind(query, filter);
  query.bind(6, static_cast<std::int64_t>(limit)).bind(7, static_cast<std::int64_t>(offset));
  for (;;) {
    MYST_TRY_ASSIGN(const bool row, query.step());
    if (!row) return page;
    SettlementRecord one;
    MYST_TRY(take(query.blob(0), one.transaction));
    MYST_TRY_ASSIGN(one.provider, Address::from_bytes(query.blob(1)));
    MYST_TRY_ASSIGN(one.hermes, Address::from_bytes(query.blob(2)));
    MYST_TRY_ASSIGN(one.beneficiary, Address::from_bytes(query.blob(3)));
    MYST_TRY(take(query.blob(4), one.channel));
    one.chain = static_cast<std::uint64_t>(query.integer(5));
    one.at = from_ms(query.integer(6));
    MYST_TRY_ASSIGN(one.amount, Wei::from_bytes(query.blob(7)));
    MYST_TRY_ASSIGN(one.fees, Wei::from_bytes(query.blob(8)));
    MYST_TRY_ASSIGN(one.total_settled, Wei::from_bytes(query.blob(9)));
    one.withdrawal = query.integer(10) != 0;
    one.error = query.text(11);
    page.items.push_back(std::move(one));
  }
}

Status SettlementStore::put_wallet(const Address& identity, const Address& wallet) {
  MYST_TRY_ASSIGN(Statement insert,
                  database_.prepare("INSERT OR REPLACE INTO payout_wallets VALUES(?1, ?2)"));
  return insert.bind(1, ByteSpan(identity.bytes())).bind(2, ByteSpan(wallet.bytes())).run();
}

Result<Address> SettlementStore::wallet(const Address& identity) {
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare("SELECT wallet FROM payout_wallets WHERE identity = ?1"));
  query.bind(1, ByteSpan(identity.bytes()));
  MYST_TRY_ASSIGN(const bool row, query.step());
  if (!row) return Address();
  return Address::from_bytes(query.blob(0));
}

}  // namespace myst::storage
