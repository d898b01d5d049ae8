#include "drivers/storage/open_settlement_store.hpp"

#include <algorithm>
#include <utility>

namespace myst::storage {

using core::money::OpenSettlement;

Status OpenSettlementStore::put(const OpenSettlement& settlement) {
  MYST_TRY_ASSIGN(Statement insert,
                  database_.prepare("INSERT OR REPLACE INTO open_settlements VALUES"
                                    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"));
  const ByteArray<32> amount = settlement.amount.to_word(), settled = settlement.settled.to_word();
  insert.bind(1, static_cast<std::int64_t>(settlement.chain))
      .bind(2, ByteSpan(settlement.provider.bytes()))
      .bind(3, ByteSpan(settlement.hermes.bytes()))
      .bind(4, ByteSpan(amount))
      .bind(5, ByteSpan(settled))
      .bind(6, ByteSpan(settlement.beneficiary.bytes()))
      .bind(7, ByteSpan(settlement.channel))
      .bind(8, settlement.r.bytes())
      .bind(9, std::string_view(settlement.queue_id))
      .bind(10, static_cast<std::int64_t>(settlement.begun.time_since_epoch().count()));
  return insert.run();
}

Status OpenSettlementStore::remove(std::uint64_t chain, const Address& provider,
                                   const Address& hermes, const Wei& amount) {
  MYST_TRY_ASSIGN(Statement gone,
                  database_.prepare("DELETE FROM open_settlements WHERE chain = ?1 AND"
                                    " identity = ?2 AND hermes = ?3 AND amount = ?4"));
  const ByteArray<32> word = amount.to_word();
  return gone.bind(1, static_cast<std::int64_t>(chain))
      .bind(2, ByteSpan(provider.bytes()))
      .bind(3, ByteSpan(hermes.bytes()))
      .bind(4, ByteSpan(word))
      .run();
}

Result<std::vector<OpenSettlement>> OpenSettlementStore::all() {
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare("SELECT chain, identity, hermes, amount, settled, beneficiary,"
                                    " channel, r, queue, begun FROM open_settlements"
                                    " ORDER BY begun"));
  std::vector<OpenSettlement> out;
  for (;;) {
    MYST_TRY_ASSIGN(const bool row, query.step());
    if (!row) return out;
    OpenSettlement one;
    one.chain = static_cast<std::uint64_t>(query.integer(0));
    MYST_TRY_ASSIGN(one.provider, Address::from_bytes(query.blob(1)));
    MYST_TRY_ASSIGN(one.hermes, Address::from_bytes(query.blob(2)));
    MYST_TRY_ASSIGN(one.amount, Wei::from_bytes(query.blob(3)));
    MYST_TRY_ASSIGN(one.settled, Wei::from_bytes(query.blob(4)));
    MYST_TRY_ASSIGN(one.beneficiary, Address::from_bytes(query.blob(5)));
    const Bytes channel = query.blob(6), r = query.blob(7);
    if (channel.size() != one.channel.size() || r.size() != one.r.size()) {
      return Error{Errc::Malformed, 0, "stored channel or R of a settlement"};
    }
    std::copy(channel.begin(), channel.end(), one.channel.begin());
    std::copy(r.begin(), r.end(), one.r.mutable_bytes().begin());
    one.queue_id = query.text(8);
    one.begun = WallTime(std::chrono::milliseconds(query.integer(9)));
    out.push_back(std::move(one));
  }
}

}  // namespace myst::storage
