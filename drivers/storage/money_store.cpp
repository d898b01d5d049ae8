#include "drivers/storage/money_store.hpp"

#include <algorithm>
#include <utility>

#include "drivers/storage/withdrawal_store.hpp"

namespace myst::storage {
namespace {

std::int64_t to_ms(WallTime time) { return time.time_since_epoch().count(); }

}  // namespace

Result<Wei> MoneyStore::grand_total(std::uint64_t chain, const Address& identity,
                                    const Address& hermes) {
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare("SELECT amount FROM grand_totals"
                                    " WHERE chain = ?1 AND identity = ?2 AND hermes = ?3"));
  query.bind(1, static_cast<std::int64_t>(chain))
      .bind(2, ByteSpan(identity.bytes()))
      .bind(3, ByteSpan(hermes.bytes()));
  MYST_TRY_ASSIGN(const bool found, query.step());
  if (!found) return Wei();
  return Wei::from_bytes(query.blob(0));
}

Result<std::optional<core::PaymentRecord>> MoneyStore::payment(Role role, const U256& agreement,
                                                               const Address& provider) {
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare("SELECT consumer, session, total, promise, r, updated"
                                    " FROM agreements"
                                    " WHERE role = ?1 AND agreement = ?2 AND provider = ?3"));
  const ByteArray<32> id = agreement.to_word();
  query.bind(1, static_cast<std::int64_t>(role))
      .bind(2, ByteSpan(id))
      .bind(3, ByteSpan(provider.bytes()));
  MYST_TRY_ASSIGN(const bool found, query.step());
  if (!found) return std::optional<core::PaymentRecord>();
  core::PaymentRecord record;
  record.agreement = agreement;
  record.provider = provider;
  MYST_TRY_ASSIGN(record.consumer, Address::from_bytes(query.blob(0)));
  record.session_id = query.text(1);
  MYST_TRY_ASSIGN(record.total, Wei::from_bytes(query.blob(2)));
  record.message = query.blob(3);
  const Bytes r = query.blob(4);
  if (r.size() != record.r.size()) return Error{Errc::Malformed, 0, "stored R"};
  std::copy(r.begin(), r.end(), record.r.mutable_bytes().begin());
  record.updated = WallTime(std::chrono::milliseconds(query.integer(5)));
  return std::optional<core::PaymentRecord>(std::move(record));
}

Result<std::optional<core::PaymentRecord>> MoneyStore::own_payment(const Address& identity) {
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare("SELECT agreement FROM agreements WHERE role = 1 AND"
                                    " provider = ?1 AND consumer = ?1 ORDER BY updated DESC"
                                    " LIMIT 1"));
  query.bind(1, ByteSpan(identity.bytes()));
  MYST_TRY_ASSIGN(const bool row, query.step());
  if (!row) return std::optional<core::PaymentRecord>();
  MYST_TRY_ASSIGN(const U256 agreement, U256::from_bytes(query.blob(0)));
  return payment(Role::Consumer, agreement, identity);
}

Status MoneyStore::put(Role role, const core::PaymentRecord& record) {
  MYST_TRY_ASSIGN(const auto before, payment(role, record.agreement, record.provider));
  if (before && record.total < before->total) {
    return Error{Errc::Rejected, 0, "the total of an agreement never shrinks"};
  }
  if (!before) MYST_TRY(forget_old(record.updated));
  MYST_TRY_ASSIGN(Statement insert, database_.prepare("INSERT OR REPLACE INTO agreements VALUES"
                                                      "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"));
  const ByteArray<32> id = record.agreement.to_word();
  const ByteArray<32> total = record.total.to_word();
  insert.bind(1, static_cast<std::int64_t>(role))
      .bind(2, ByteSpan(id))
      .bind(3, ByteSpan(record.provider.bytes()))
      .bind(4, ByteSpan(record.consumer.bytes()))
      .bind(5, std::string_view(record.session_id))
      .bind(6, ByteSpan(total))
      .bind(7, ByteSpan(record.message))
      .bind(8, record.r.bytes())
      .bind(9, to_ms(record.updated));
  return insert.run();
}

// Agreements have a session each: without this the table grows with them for ever. In the
// transaction of a new one, so it costs no write of its own, and nothing where there is nothing
// new.
Status MoneyStore::forget_old(WallTime now) {
  MYST_TRY_ASSIGN(
      Statement forget,
      database_.prepare(
          "DELETE FROM agreements WHERE (role, agreement, provider) IN ("
          " SELECT a.role, a.agreement, a.provider FROM agreements a WHERE a.updated < ?1"
          // Provider: not exchanged.
          " AND NOT (a.role = 0 AND EXISTS(SELECT 1 FROM claims c"
          "  WHERE c.provider = a.provider AND c.agreement = a.agreement))"
          // To ourselves: the latest, and those of withdrawals.
          " AND NOT (a.role = 1 AND a.provider = a.consumer AND (NOT EXISTS(SELECT 1"
          "  FROM agreements n WHERE n.role = 1 AND n.provider = a.provider"
          "  AND n.consumer = a.provider AND n.updated > a.updated) OR EXISTS(SELECT 1"
          "  FROM withdrawals w WHERE w.identity = a.provider AND w.agreement = a.agreement)))"
          " AND NOT EXISTS(SELECT 1 FROM sessions s WHERE s.id = a.session"
          "  AND s.direction = a.role AND s.status = 0)"
          " ORDER BY a.updated LIMIT ?2)"));
  const auto oldest = now - std::chrono::duration_cast<WallTime::duration>(kKeepAgreements);
  return forget.bind(1, to_ms(oldest)).bind(2, kForgetAtOnce).run();
}

Status MoneyStore::put_grand_total(std::uint64_t chain, const Address& identity,
                                   const Address& hermes, const Wei& total) {
  MYST_TRY_ASSIGN(Statement insert,
                  database_.prepare("INSERT OR REPLACE INTO grand_totals VALUES(?1, ?2, ?3, ?4)"));
  const ByteArray<32> amount = total.to_word();
  insert.bind(1, static_cast<std::int64_t>(chain))
      .bind(2, ByteSpan(identity.bytes()))
      .bind(3, ByteSpan(hermes.bytes()))
      .bind(4, ByteSpan(amount));
  return insert.run();
}

Status MoneyStore::raise_grand_total(std::uint64_t chain, const Address& identity,
                                     const Address& hermes, const Wei& amount) {
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  MYST_TRY_ASSIGN(const Wei before, grand_total(chain, identity, hermes));
  if (amount <= before) return {};
  MYST_TRY(put_grand_total(chain, identity, hermes, amount));
  return transaction.commit();
}

Status MoneyStore::put_payment(const core::PaymentRecord& record, std::uint64_t chain,
                               const Address& hermes, const Wei& grand_total,
                               const core::money::OpenWithdrawal* withdrawal) {
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  MYST_TRY(put(Role::Consumer, record));
  if (withdrawal != nullptr) MYST_TRY(WithdrawalStore(database_).put(*withdrawal));
  MYST_TRY_ASSIGN(const Wei before, this->grand_total(chain, record.consumer, hermes));
  if (grand_total < before) return Error{Errc::Rejected, 0, "a promise never shrinks"};
  MYST_TRY(put_grand_total(chain, record.consumer, hermes, grand_total));
  return transaction.commit();
}

Status MoneyStore::put_invoice(const core::InvoiceRecord& record) {
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  MYST_TRY_ASSIGN(Statement insert, database_.prepare("INSERT OR REPLACE INTO invoices VALUES"
                                                      "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"));
  const ByteArray<32> id = record.agreement.to_word();
  const ByteArray<32> total = record.total.to_word();
  insert.bind(1, ByteSpan(record.hashlock))
      .bind(2, ByteSpan(id))
      .bind(3, ByteSpan(record.provider.bytes()))
      .bind(4, ByteSpan(record.consumer.bytes()))
      .bind(5, std::string_view(record.session_id))
      .bind(6, ByteSpan(total))
      .bind(7, record.r.bytes())
      .bind(8, to_ms(record.created));
  MYST_TRY(insert.run());
  MYST_TRY_ASSIGN(Statement trim,
                  database_.prepare("DELETE FROM invoices WHERE provider = ?1 AND agreement = ?2"
                                    " AND hashlock NOT IN (SELECT hashlock FROM invoices WHERE"
                                    " provider = ?1 AND agreement = ?2"
                                    " ORDER BY created DESC LIMIT ?3)"));
  trim.bind(1, ByteSpan(record.provider.bytes())).bind(2, ByteSpan(id)).bind(3, kMaxOpenInvoices);
  MYST_TRY(trim.run());
  // What was never paid in so long a time was not paid: no promise asks for its R.
  MYST_TRY_ASSIGN(Statement forget,
                  database_.prepare("DELETE FROM invoices WHERE hashlock IN (SELECT hashlock FROM"
                                    " invoices WHERE created < ?1 ORDER BY created LIMIT ?2)"));
  const auto oldest =
      record.created - std::chrono::duration_cast<WallTime::duration>(kKeepAgreements);
  MYST_TRY(forget.bind(1, to_ms(oldest)).bind(2, kForgetAtOnce).run());
  return transaction.commit();
}

Status MoneyStore::put_accepted(const core::PaymentRecord& record) {
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  MYST_TRY(put(Role::Provider, record));
  if (!record.total.is_zero()) {
    MYST_TRY_ASSIGN(Statement claim,
                    database_.prepare("INSERT OR REPLACE INTO claims VALUES(?1, ?2, ?3)"));
    const ByteArray<32> agreement = record.agreement.to_word(), total = record.total.to_word();
    claim.bind(1, ByteSpan(record.provider.bytes()))
        .bind(2, ByteSpan(agreement))
        .bind(3, ByteSpan(total));
    MYST_TRY(claim.run());
  }
  MYST_TRY_ASSIGN(Statement settle,
                  database_.prepare("DELETE FROM invoices WHERE provider = ?1 AND agreement = ?2"));
  const ByteArray<32> id = record.agreement.to_word();
  MYST_TRY(settle.bind(1, ByteSpan(record.provider.bytes())).bind(2, ByteSpan(id)).run());
  return transaction.commit();
}

Result<std::uint64_t> MoneyStore::open_invoices(const Address& provider, const U256& agreement) {
  MYST_TRY_ASSIGN(Statement query, database_.prepare("SELECT count(*) FROM invoices"
                                                     " WHERE provider = ?1 AND agreement = ?2"));
  const ByteArray<32> id = agreement.to_word();
  query.bind(1, ByteSpan(provider.bytes())).bind(2, ByteSpan(id));
  MYST_TRY_ASSIGN(const bool row, query.step());
  return row ? static_cast<std::uint64_t>(query.integer(0)) : 0;
}

}  // namespace myst::storage
