#include "drivers/storage/hub_store.hpp"

namespace myst::storage {
namespace {

// A ping only touches proposal_seen: its rows are a tenth of a proposal's text, and every provider
// pings each three minutes.
const std::vector<const char*>& hub_steps() {
  static const std::vector<const char*> steps = {
      "CREATE TABLE proposal("
      " provider TEXT NOT NULL, service TEXT NOT NULL, json TEXT NOT NULL,"
      " PRIMARY KEY(provider, service)) WITHOUT ROWID;"
      "CREATE TABLE proposal_seen("
      " provider TEXT NOT NULL, service TEXT NOT NULL, updated INTEGER NOT NULL,"
      " PRIMARY KEY(provider, service)) WITHOUT ROWID;"
      "CREATE TABLE subscription_signature("
      " digest INTEGER PRIMARY KEY, seen INTEGER NOT NULL);"
      "CREATE INDEX subscription_signature_seen ON subscription_signature(seen);",
  };
  return steps;
}

std::int64_t to_ms(WallTime time) { return time.time_since_epoch().count(); }

}  // namespace

Result<HubStore> HubStore::open(const std::string& path, Database::Opened* opened) {
  MYST_TRY_ASSIGN(Database database, Database::open(path, opened, hub_steps()));
  return HubStore(std::move(database));
}

Status HubStore::apply(const Changes& changes) {
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  {
    MYST_TRY_ASSIGN(Statement text,
                    database_.prepare("INSERT OR REPLACE INTO proposal VALUES(?,?,?)"));
    MYST_TRY_ASSIGN(Statement seen,
                    database_.prepare("INSERT OR REPLACE INTO proposal_seen VALUES(?,?,?)"));
    for (const Row& row : changes.announced) {
      if (!row.json.empty()) {
        text.bind(1, row.provider_id).bind(2, row.service_type).bind(3, row.json);
        MYST_TRY(text.run());
      }
      seen.bind(1, row.provider_id).bind(2, row.service_type).bind(3, to_ms(row.updated_at));
      MYST_TRY(seen.run());
    }
    for (const char* sql : {"DELETE FROM proposal WHERE provider=? AND service=?",
                            "DELETE FROM proposal_seen WHERE provider=? AND service=?"}) {
      MYST_TRY_ASSIGN(Statement gone, database_.prepare(sql));
      for (const auto& [provider, service] : changes.removed) {
        gone.bind(1, provider).bind(2, service);
        MYST_TRY(gone.run());
      }
    }
    MYST_TRY_ASSIGN(Statement signature,
                    database_.prepare("INSERT OR REPLACE INTO subscription_signature VALUES(?,?)"));
    for (const std::uint64_t digest : changes.signatures) {
      signature.bind(1, static_cast<std::int64_t>(digest)).bind(2, to_ms(changes.now));
      MYST_TRY(signature.run());
    }
  }
  return transaction.commit();
}

Result<std::vector<HubStore::Row>> HubStore::load(WallTime since) {
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  std::vector<Row> out;
  {
    MYST_TRY_ASSIGN(Statement old, database_.prepare("DELETE FROM proposal_seen WHERE updated<?"));
    old.bind(1, to_ms(since));
    MYST_TRY(old.run());
    MYST_TRY(
        database_.execute("DELETE FROM proposal WHERE NOT EXISTS (SELECT 1 FROM proposal_seen s"
                          " WHERE s.provider=proposal.provider AND s.service=proposal.service)"));
    MYST_TRY_ASSIGN(
        Statement rows,
        database_.prepare("SELECT p.provider, p.service, p.json, s.updated FROM proposal p"
                          " JOIN proposal_seen s USING(provider, service)"));
    for (;;) {
      MYST_TRY_ASSIGN(const bool more, rows.step());
      if (!more) break;
      out.push_back({rows.text(0), rows.text(1), rows.text(2),
                     WallTime(std::chrono::milliseconds(rows.integer(3)))});
    }
  }
  MYST_TRY(transaction.commit());
  return out;
}

Result<std::vector<std::uint64_t>> HubStore::load_signatures(std::size_t max_signatures) {
  MYST_TRY_ASSIGN(Statement old,
                  database_.prepare("DELETE FROM subscription_signature WHERE digest NOT IN"
                                    " (SELECT digest FROM subscription_signature"
                                    "  ORDER BY seen DESC LIMIT ?)"));
  old.bind(1, static_cast<std::int64_t>(max_signatures));
  MYST_TRY(old.run());
  MYST_TRY_ASSIGN(Statement rows,
                  database_.prepare("SELECT digest FROM subscription_signature ORDER BY seen"));
  std::vector<std::uint64_t> out;
  for (;;) {
    MYST_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    out.push_back(static_cast<std::uint64_t>(rows.integer(0)));
  }
}

}  // namespace myst::storage
