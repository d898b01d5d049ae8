#include "drivers/storage/schema.hpp"

namespace myst::storage {

const std::vector<const char*>& migrations() {
  // Identities are 20-byte blobs, amounts 32-byte big-endian blobs (they sort as numbers),
  // times Unix milliseconds.
  static const std::vector<const char*> steps = {
      // Session history. direction 0 provided, 1 consumed; status 0 new, 1 completed.
      "CREATE TABLE sessions("
      " id TEXT NOT NULL, direction INTEGER NOT NULL, consumer BLOB NOT NULL, provider BLOB NOT "
      "NULL,"
      " hermes BLOB NOT NULL, service_type TEXT NOT NULL, consumer_country TEXT NOT NULL,"
      " provider_country TEXT NOT NULL, ip_type TEXT NOT NULL, sent INTEGER NOT NULL,"
      " received INTEGER NOT NULL, tokens BLOB NOT NULL, status INTEGER NOT NULL,"
      " started INTEGER NOT NULL, updated INTEGER NOT NULL,"
      " PRIMARY KEY(id, direction)) WITHOUT ROWID;"
      "CREATE INDEX sessions_started ON sessions(started DESC, id);"
      // What commits us. grand_totals: promised so far by us as consumer, per channel.
      "CREATE TABLE grand_totals("
      " chain INTEGER NOT NULL, identity BLOB NOT NULL, hermes BLOB NOT NULL, amount BLOB NOT NULL,"
      " PRIMARY KEY(chain, identity, hermes)) WITHOUT ROWID;"
      // The last payment of each agreement, as sent (role 1, consumer) or accepted (role 0).
      "CREATE TABLE agreements("
      " role INTEGER NOT NULL, agreement BLOB NOT NULL, provider BLOB NOT NULL,"
      " consumer BLOB NOT NULL, session TEXT NOT NULL, total BLOB NOT NULL, promise BLOB NOT NULL,"
      " r BLOB NOT NULL, updated INTEGER NOT NULL,"
      " PRIMARY KEY(role, agreement, provider)) WITHOUT ROWID;"
      // The secrets behind invoices that went out and are not paid yet.
      "CREATE TABLE invoices("
      " hashlock BLOB NOT NULL PRIMARY KEY, agreement BLOB NOT NULL, provider BLOB NOT NULL,"
      " consumer BLOB NOT NULL, session TEXT NOT NULL, total BLOB NOT NULL, r BLOB NOT NULL,"
      " created INTEGER NOT NULL) WITHOUT ROWID;"
      "CREATE INDEX invoices_agreement ON invoices(provider, agreement);"
      // Connectivity reports of consumers, kept for 30 days.
      "CREATE TABLE connectivity("
      " id INTEGER PRIMARY KEY, peer BLOB NOT NULL, session TEXT NOT NULL, code INTEGER NOT NULL,"
      " message TEXT NOT NULL, created INTEGER NOT NULL);"
      "CREATE INDEX connectivity_created ON connectivity(created);",
      // Registrations on chain. state: core/chain/registration.hpp.
      "CREATE TABLE registrations("
      " chain INTEGER NOT NULL, registry BLOB NOT NULL, identity BLOB NOT NULL,"
      " state INTEGER NOT NULL, updated INTEGER NOT NULL,"
      " PRIMARY KEY(chain, registry, identity)) WITHOUT ROWID;",
      // What Hermes promised our identities: the highest promise of each channel.
      "CREATE TABLE promises("
      " chain INTEGER NOT NULL, channel BLOB NOT NULL, provider BLOB NOT NULL, hermes BLOB NOT "
      "NULL,"
      " amount BLOB NOT NULL, fee BLOB NOT NULL, hashlock BLOB NOT NULL, signature BLOB NOT NULL,"
      " r BLOB NOT NULL, agreement BLOB NOT NULL, revealed INTEGER NOT NULL,"
      " updated INTEGER NOT NULL, PRIMARY KEY(chain, channel)) WITHOUT ROWID;"
      // Accepted payments (agreements, role 0) that are not yet exchanged for such a promise.
      "CREATE TABLE claims("
      " provider BLOB NOT NULL, agreement BLOB NOT NULL, total BLOB NOT NULL,"
      " PRIMARY KEY(provider, agreement)) WITHOUT ROWID;"
      "CREATE TABLE settlements("
      " id INTEGER PRIMARY KEY, tx BLOB NOT NULL, provider BLOB NOT NULL, hermes BLOB NOT NULL,"
      " beneficiary BLOB NOT NULL, channel BLOB NOT NULL, chain INTEGER NOT NULL,"
      " at INTEGER NOT NULL, amount BLOB NOT NULL, fees BLOB NOT NULL, total BLOB NOT NULL,"
      " withdrawal INTEGER NOT NULL, error TEXT NOT NULL);"
      "CREATE INDEX settlements_at ON settlements(at DESC);"
      "CREATE INDEX settlements_tx ON settlements(tx);"
      // Where an owner wants his earnings: used by the next settlement.
      "CREATE TABLE payout_wallets("
      " identity BLOB NOT NULL PRIMARY KEY, wallet BLOB NOT NULL) WITHOUT ROWID;",
      // Withdrawals that were begun: one an identity. They go on after a restart.
      "CREATE TABLE withdrawals("
      " identity BLOB NOT NULL PRIMARY KEY, from_chain INTEGER NOT NULL, to_chain INTEGER NOT NULL,"
      " from_hermes BLOB NOT NULL, hermes BLOB NOT NULL, beneficiary BLOB NOT NULL,"
      " agreement BLOB NOT NULL, begun INTEGER NOT NULL, amount BLOB NOT NULL,"
      " signature BLOB NOT NULL, queue TEXT NOT NULL) WITHOUT ROWID;",
      // Settlements the transactor was asked for, until a fact ends them. settled: before it.
      "CREATE TABLE open_settlements("
      " chain INTEGER NOT NULL, identity BLOB NOT NULL, hermes BLOB NOT NULL, amount BLOB NOT NULL,"
      " settled BLOB NOT NULL, beneficiary BLOB NOT NULL, channel BLOB NOT NULL, r BLOB NOT NULL,"
      " queue TEXT NOT NULL, begun INTEGER NOT NULL,"
      " PRIMARY KEY(chain, identity, hermes, amount)) WITHOUT ROWID;",
      // The oldest are found by them: see MoneyStore::kKeepAgreements.
      "CREATE INDEX agreements_updated ON agreements(updated);"
      "CREATE INDEX invoices_created ON invoices(created);",
  };
  return steps;
}

}  // namespace myst::storage
