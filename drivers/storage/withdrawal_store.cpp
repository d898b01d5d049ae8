#include "drivers/storage/withdrawal_store.hpp"

#include <algorithm>
#include <utility>

namespace myst::storage {

using core::money::OpenWithdrawal;

Status WithdrawalStore::put(const OpenWithdrawal& withdrawal) {
  MYST_TRY_ASSIGN(Statement insert,
                  database_.prepare("INSERT OR REPLACE INTO withdrawals VALUES"
                                    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"));
  const ByteArray<32> agreement = withdrawal.agreement.to_word(),
                      amount = withdrawal.amount.to_word();
  insert.bind(1, ByteSpan(withdrawal.provider.bytes()))
      .bind(2, static_cast<std::int64_t>(withdrawal.from))
      .bind(3, static_cast<std::int64_t>(withdrawal.to))
      .bind(4, ByteSpan(withdrawal.from_hermes.bytes()))
      .bind(5, ByteSpan(withdrawal.hermes.bytes()))
      .bind(6, ByteSpan(withdrawal.beneficiary.bytes()))
      .bind(7, ByteSpan(agreement))
      .bind(8, static_cast<std::int64_t>(withdrawal.begun.time_since_epoch().count()))
      .bind(9, ByteSpan(amount))
      .bind(10, ByteSpan(withdrawal.signature))
      .bind(11, std::string_view(withdrawal.queue_id));
  return insert.run();
}

Status WithdrawalStore::remove(const Address& identity) {
  MYST_TRY_ASSIGN(Statement gone, database_.prepare("DELETE FROM withdrawals WHERE identity = ?1"));
  return gone.bind(1, ByteSpan(identity.bytes())).run();
}

Result<std::vector<OpenWithdrawal>> WithdrawalStore::all() {
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare("SELECT identity, from_chain, to_chain, from_hermes, hermes,"
                                    " beneficiary, agreement, begun, amount, signature, queue"
                                    " FROM withdrawals ORDER BY begun"));
  std::vector<OpenWithdrawal> out;
  for (;;) {
    MYST_TRY_ASSIGN(const bool row, query.step());
    if (!row) return out;
    OpenWithdrawal one;
    MYST_TRY_ASSIGN(one.provider, Address::from_bytes(query.blob(0)));
    one.from = static_cast<std::uint64_t>(query.integer(1));
    one.to = static_cast<std::uint64_t>(query.integer(2));
    MYST_TRY_ASSIGN(one.from_hermes, Address::from_bytes(query.blob(3)));
    MYST_TRY_ASSIGN(one.hermes, Address::from_bytes(query.blob(4)));
    MYST_TRY_ASSIGN(one.beneficiary, Address::from_bytes(query.blob(5)));
    MYST_TRY_ASSIGN(one.agreement, U256::from_bytes(query.blob(6)));
    one.begun = WallTime(std::chrono::milliseconds(query.integer(7)));
    MYST_TRY_ASSIGN(one.amount, Wei::from_bytes(query.blob(8)));
    const Bytes signature = query.blob(9);
    if (signature.size() != one.signature.size()) {
      return Error{Errc::Malformed, 0, "stored signature of a withdrawal"};
    }
    std::copy(signature.begin(), signature.end(), one.signature.begin());
    one.queue_id = query.text(10);
    out.push_back(std::move(one));
  }
}

}  // namespace myst::storage
