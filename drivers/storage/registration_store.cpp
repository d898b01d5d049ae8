#include "drivers/storage/registration_store.hpp"

namespace myst::storage {
namespace {

constexpr std::int64_t kMaxListed = 1000;

Result<chain::RegistrationState> state_of(std::int64_t number) {
  if (number < 0 || number > 3) return Error{Errc::Malformed, 0, "stored registration state"};
  return static_cast<chain::RegistrationState>(number);
}

}  // namespace

Result<std::optional<RegistrationStore::Record>> RegistrationStore::get(const Key& key) {
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare("SELECT state, updated FROM registrations"
                                    " WHERE chain = ?1 AND registry = ?2 AND identity = ?3"));
  query.bind(1, static_cast<std::int64_t>(key.chain))
      .bind(2, ByteSpan(key.registry.bytes()))
      .bind(3, ByteSpan(key.identity.bytes()));
  MYST_TRY_ASSIGN(const bool found, query.step());
  if (!found) return std::optional<Record>();
  Record record;
  record.identity = key.identity;
  MYST_TRY_ASSIGN(record.state, state_of(query.integer(0)));
  record.updated = WallTime(std::chrono::milliseconds(query.integer(1)));
  return std::optional<Record>(record);
}

Status RegistrationStore::put(const Key& key, chain::RegistrationState state, WallTime now) {
  MYST_TRY_ASSIGN(Statement insert,
                  database_.prepare("INSERT INTO registrations VALUES(?1, ?2, ?3, ?4, ?5)"
                                    " ON CONFLICT DO UPDATE SET state = ?4, updated = ?5"
                                    " WHERE state <> 0"));
  insert.bind(1, static_cast<std::int64_t>(key.chain))
      .bind(2, ByteSpan(key.registry.bytes()))
      .bind(3, ByteSpan(key.identity.bytes()))
      .bind(4, static_cast<std::int64_t>(state))
      .bind(5, static_cast<std::int64_t>(now.time_since_epoch().count()));
  return insert.run();
}

Result<std::vector<RegistrationStore::Record>> RegistrationStore::list(
    std::uint64_t chain, const Address& registry, chain::RegistrationState state) {
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare("SELECT identity, updated FROM registrations WHERE chain ="
                                    " ?1 AND registry = ?2 AND state = ?3 ORDER BY identity"
                                    " LIMIT ?4"));
  query.bind(1, static_cast<std::int64_t>(chain))
      .bind(2, ByteSpan(registry.bytes()))
      .bind(3, static_cast<std::int64_t>(state))
      .bind(4, kMaxListed);
  std::vector<Record> out;
  for (;;) {
    MYST_TRY_ASSIGN(const bool row, query.step());
    if (!row) return out;
    Record record;
    MYST_TRY_ASSIGN(record.identity, Address::from_bytes(query.blob(0)));
    record.state = state;
    record.updated = WallTime(std::chrono::milliseconds(query.integer(1)));
    out.push_back(record);
  }
}

}  // namespace myst::storage
