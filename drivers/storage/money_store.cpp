#include "drivers/storage/money_store.hpp"

#include <utility>

namespace myst::storage {

Result<Wei> MoneyStore::grand_total(std::int64_t chain, const Address& identity,
                                    const Address& hermes) {
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare("SELECT amount FROM grand_totals"
                                    " WHERE chain = ?1 AND identity = ?2 AND hermes = ?3"));
  query.bind(1, chain).bind(2, ByteSpan(identity.bytes())).bind(3, ByteSpan(hermes.bytes()));
  MYST_TRY_ASSIGN(const bool found, query.step());
  if (!found) return Wei();
  return Wei::from_bytes(query.blob(0));
}

Result<std::optional<AgreementRow>> MoneyStore::agreement(AgreementRow::Role role,
                                                          const U256& agreement,
                                                          const Address& provider) {
  MYST_TRY_ASSIGN(
      Statement query,
      database_.prepare("SELECT consumer, session, total, promise, r, updated FROM agreements"
                        " WHERE role = ?1 AND agreement = ?2 AND provider = ?3"));
  const ByteArray<32> id = agreement.to_word();
  query.bind(1, static_cast<std::int64_t>(role))
      .bind(2, ByteSpan(id))
      .bind(3, ByteSpan(provider.bytes()));
  MYST_TRY_ASSIGN(const bool found, query.step());
  if (!found) return std::optional<AgreementRow>();
  AgreementRow row;
  row.role = role;
  row.agreement = agreement;
  row.provider = provider;
  MYST_TRY_ASSIGN(row.consumer, Address::from_bytes(query.blob(0)));
  row.session_id = query.text(1);
  MYST_TRY_ASSIGN(row.total, Wei::from_bytes(query.blob(2)));
  row.promise = query.blob(3);
  row.r = query.blob(4);
  row.updated = WallTime(std::chrono::milliseconds(query.integer(5)));
  return std::optional<AgreementRow>(std::move(row));
}

Status MoneyStore::put_agreement(const AgreementRow& row) {
  MYST_TRY_ASSIGN(const auto before, agreement(row.role, row.agreement, row.provider));
  if (before && row.total < before->total) {
    return Error{Errc::Rejected, 0, "the total of an agreement never shrinks"};
  }
  MYST_TRY_ASSIGN(Statement insert, database_.prepare("INSERT OR REPLACE INTO agreements VALUES"
                                                      "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"));
  const ByteArray<32> id = row.agreement.to_word();
  const ByteArray<32> total = row.total.to_word();
  insert.bind(1, static_cast<std::int64_t>(row.role))
      .bind(2, ByteSpan(id))
      .bind(3, ByteSpan(row.provider.bytes()))
      .bind(4, ByteSpan(row.consumer.bytes()))
      .bind(5, std::string_view(row.session_id))
      .bind(6, ByteSpan(total))
      .bind(7, ByteSpan(row.promise))
      .bind(8, ByteSpan(row.r))
      .bind(9, static_cast<std::int64_t>(row.updated.time_since_epoch().count()));
  return insert.run();
}

Status MoneyStore::put_accepted(const AgreementRow& row) {
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  MYST_TRY(put_agreement(row));
  return transaction.commit();
}

Status MoneyStore::put_payment(const AgreementRow& row, std::int64_t chain, const Address& hermes,
                               const Wei& grand_total) {
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  MYST_TRY(put_agreement(row));
  MYST_TRY_ASSIGN(const Wei before, this->grand_total(chain, row.consumer, hermes));
  if (grand_total < before) return Error{Errc::Rejected, 0, "a promise never shrinks"};
  MYST_TRY_ASSIGN(Statement insert,
                  database_.prepare("INSERT OR REPLACE INTO grand_totals VALUES(?1, ?2, ?3, ?4)"));
  const ByteArray<32> amount = grand_total.to_word();
  insert.bind(1, chain)
      .bind(2, ByteSpan(row.consumer.bytes()))
      .bind(3, ByteSpan(hermes.bytes()))
      .bind(4, ByteSpan(amount));
  MYST_TRY(insert.run());
  return transaction.commit();
}

}  // namespace myst::storage
