#include "drivers/storage/hermes_ledger.hpp"

#include <array>
#include <utility>
#include <vector>

#include "core/hub/hermes/row_codec.hpp"

namespace myst::storage {
namespace {

using core::hermes::AgreementAccount;
using core::hermes::AgreementKey;
using core::hermes::Book;
using core::hermes::ChannelKind;
using core::hermes::Columns;
using core::hermes::ConsumerAccount;
using core::hermes::ConsumerKey;
using core::hermes::ProviderAccount;
using core::hermes::ProviderKey;

// Ordinary tables, not WITHOUT ROWID: there a row above a quarter of a page spills to others.
const std::vector<const char*>& ledger_steps() {
  static const std::vector<const char*> steps = {
      "CREATE TABLE consumer("
      " chain INTEGER NOT NULL, identity BLOB NOT NULL,"
      " latest BLOB NOT NULL, accounted BLOB NOT NULL, held BLOB NOT NULL, opening BLOB NOT NULL,"
      " cashable BLOB NOT NULL, cashable_r BLOB NOT NULL, capacity BLOB NOT NULL,"
      " settled BLOB NOT NULL, flags BLOB NOT NULL,"
      " PRIMARY KEY(chain, identity));"
      "CREATE TABLE provider("
      " chain INTEGER NOT NULL, identity BLOB NOT NULL, kind INTEGER NOT NULL,"
      " channel BLOB NOT NULL, latest BLOB NOT NULL, agreement BLOB NOT NULL, flags BLOB NOT NULL,"
      " r BLOB NOT NULL, recovery BLOB NOT NULL, recovered BLOB NOT NULL,"
      " payer_chain BLOB NOT NULL, payer BLOB NOT NULL, backing BLOB NOT NULL,"
      " settled BLOB NOT NULL, last_settlement BLOB NOT NULL,"
      " PRIMARY KEY(chain, identity, kind));"
      "CREATE INDEX provider_channel ON provider(channel, chain);"
      "CREATE TABLE agreement("
      " provider_chain INTEGER NOT NULL, provider BLOB NOT NULL, kind INTEGER NOT NULL,"
      " consumer_chain INTEGER NOT NULL, consumer BLOB NOT NULL, id BLOB NOT NULL,"
      " total BLOB NOT NULL,"
      " PRIMARY KEY(provider, id, consumer, provider_chain, consumer_chain, kind)) WITHOUT ROWID;",
      "ALTER TABLE agreement ADD COLUMN promised BLOB NOT NULL DEFAULT (zeroblob(32));"
      "ALTER TABLE agreement ADD COLUMN updated INTEGER NOT NULL DEFAULT 0;",
  };
  return steps;
}

std::int64_t as_integer(std::uint64_t chain) { return static_cast<std::int64_t>(chain); }
std::uint64_t as_chain(std::int64_t integer) { return static_cast<std::uint64_t>(integer); }

template <std::size_t N>
Columns<N> read_columns(const Statement& row, int first) {
  Columns<N> out;
  for (std::size_t i = 0; i < N; ++i) out[i] = row.blob(first + static_cast<int>(i));
  return out;
}

template <std::size_t N>
void bind_columns(Statement& statement, int first, const Columns<N>& columns) {
  for (std::size_t i = 0; i < N; ++i) {
    statement.bind(first + static_cast<int>(i), ByteSpan(columns[i]));
  }
}

template <std::size_t N>
std::string list(const std::array<std::string_view, N>& names) {
  std::string out;
  for (const std::string_view name : names) {
    if (!out.empty()) out += ",";
    out += name;
  }
  return out;
}

template <std::size_t N>
std::string marks(std::size_t keys) {
  std::string out = "?";
  for (std::size_t i = 1; i < keys + N; ++i) out += ",?";
  return out;
}

// Three columns from `first` on.
Result<AgreementAccount> read_agreement(const Statement& row, int first) {
  AgreementAccount out;
  MYST_TRY_ASSIGN(out.total, Wei::from_bytes(row.blob(first)));
  MYST_TRY_ASSIGN(out.promised, Wei::from_bytes(row.blob(first + 1)));
  out.updated = row.integer(first + 2);
  return out;
}

}  // namespace

// Prepared once, and the cursor of each read ends before the next begins.
class HermesLedger::Rows final : public core::hermes::RowSource {
 public:
  static constexpr std::size_t kConsumer = core::hermes::kConsumerColumns.size();
  static constexpr std::size_t kProvider = core::hermes::kProviderColumns.size();

  Status prepare(Database& database) {
    const std::string consumer = list(core::hermes::kConsumerColumns);
    const std::string provider = list(core::hermes::kProviderColumns);
    const std::pair<Statement*, std::string> all[] = {
        {&get_consumer_, "SELECT " + consumer + " FROM consumer WHERE chain=? AND identity=?"},
        {&get_provider_,
         "SELECT " + provider + " FROM provider WHERE chain=? AND identity=? AND kind=?"},
        {&get_agreement_,
         "SELECT total,promised,updated FROM agreement WHERE provider=? AND id=? AND consumer=?"
         " AND provider_chain=? AND consumer_chain=? AND kind=?"},
        {&get_owner_, "SELECT identity, kind FROM provider WHERE channel=? AND chain=?"},
        {&put_consumer_, "INSERT OR REPLACE INTO consumer(chain,identity," + consumer +
                             ") VALUES(" + marks<kConsumer>(2) + ")"},
        {&put_provider_, "INSERT OR REPLACE INTO provider(chain,identity,kind," + provider +
                             ") VALUES(" + marks<kProvider>(3) + ")"},
        {&put_agreement_,
         "INSERT OR REPLACE INTO agreement(provider,id,consumer,provider_chain,consumer_chain,kind,"
         "total,promised,updated) VALUES(?,?,?,?,?,?,?,?,?)"},
        {&drop_agreement_,
         "DELETE FROM agreement WHERE provider=? AND id=? AND consumer=?"
         " AND provider_chain=? AND consumer_chain=? AND kind=?"},
        {&all_consumers_, "SELECT chain,identity," + consumer + " FROM consumer"},
        {&all_providers_, "SELECT chain,identity,kind," + provider + " FROM provider"},
        {&all_agreements_,
         "SELECT provider,id,consumer,provider_chain,consumer_chain,kind,total,promised,updated"
         " FROM agreement"},
    };
    for (const auto& [statement, sql] : all) {
      MYST_TRY_ASSIGN(*statement, database.prepare(sql));
    }
    return {};
  }

  Result<std::optional<ConsumerAccount>> load(const ConsumerKey& key) override {
    get_consumer_.bind(1, as_integer(key.chain)).bind(2, ByteSpan(key.identity.bytes()));
    return one<ConsumerAccount>(get_consumer_, [&](const Statement& row) {
      return core::hermes::decode_consumer(key.chain, read_columns<kConsumer>(row, 0));
    });
  }
  Result<std::optional<ProviderAccount>> load(const ProviderKey& key) override {
    get_provider_.bind(1, as_integer(key.chain))
        .bind(2, ByteSpan(key.identity.bytes()))
        .bind(3, static_cast<std::int64_t>(key.kind));
    return one<ProviderAccount>(get_provider_, [&](const Statement& row) {
      return core::hermes::decode_provider(key.chain, read_columns<kProvider>(row, 0));
    });
  }
  Result<std::optional<AgreementAccount>> load(const AgreementKey& key) override {
    bind_key(get_agreement_, key);
    return one<AgreementAccount>(get_agreement_,
                                 [](const Statement& row) { return read_agreement(row, 0); });
  }
  Result<std::optional<ProviderKey>> owner(std::uint64_t chain, const Digest32& channel) override {
    get_owner_.bind(1, ByteSpan(channel)).bind(2, as_integer(chain));
    return one<ProviderKey>(get_owner_, [&](const Statement& row) -> Result<ProviderKey> {
      MYST_TRY_ASSIGN(const Address identity, Address::from_bytes(row.blob(0)));
      return ProviderKey{chain, identity, static_cast<ChannelKind>(row.integer(1))};
    });
  }

  Status put(const ConsumerKey& key, const ConsumerAccount& account) {
    put_consumer_.bind(1, as_integer(key.chain)).bind(2, ByteSpan(key.identity.bytes()));
    bind_columns(put_consumer_, 3, core::hermes::encode(account));
    return put_consumer_.run();
  }
  Status put(const ProviderKey& key, const ProviderAccount& account) {
    put_provider_.bind(1, as_integer(key.chain))
        .bind(2, ByteSpan(key.identity.bytes()))
        .bind(3, static_cast<std::int64_t>(key.kind));
    bind_columns(put_provider_, 4, core::hermes::encode(account));
    return put_provider_.run();
  }
  Status put(const AgreementKey& key, const AgreementAccount& account) {
    bind_key(put_agreement_, key);
    const ByteArray<32> total = account.total.to_word(), promised = account.promised.to_word();
    return put_agreement_.bind(7, ByteSpan(total))
        .bind(8, ByteSpan(promised))
        .bind(9, account.updated)
        .run();
  }
  Status drop(const AgreementKey& key) {
    bind_key(drop_agreement_, key);
    return drop_agreement_.run();
  }

  Status scan(const Visitors& visitors) {
    if (visitors.consumer) {
      MYST_TRY(each(all_consumers_, [&](const Statement& row) -> Status {
        ConsumerKey key{as_chain(row.integer(0)), {}};
        MYST_TRY_ASSIGN(key.identity, Address::from_bytes(row.blob(1)));
        MYST_TRY_ASSIGN(const auto account,
                        core::hermes::decode_consumer(key.chain, read_columns<kConsumer>(row, 2)));
        visitors.consumer(key, account);
        return {};
      }));
    }
    if (visitors.provider) {
      MYST_TRY(each(all_providers_, [&](const Statement& row) -> Status {
        ProviderKey key{as_chain(row.integer(0)), {}, static_cast<ChannelKind>(row.integer(2))};
        MYST_TRY_ASSIGN(key.identity, Address::from_bytes(row.blob(1)));
        MYST_TRY_ASSIGN(const auto account,
                        core::hermes::decode_provider(key.chain, read_columns<kProvider>(row, 3)));
        visitors.provider(key, account);
        return {};
      }));
    }
    if (!visitors.agreement) return {};
    return each(all_agreements_, [&](const Statement& row) -> Status {
      AgreementKey key;
      MYST_TRY_ASSIGN(key.provider.identity, Address::from_bytes(row.blob(0)));
      MYST_TRY_ASSIGN(key.id, U256::from_bytes(row.blob(1)));
      MYST_TRY_ASSIGN(key.consumer.identity, Address::from_bytes(row.blob(2)));
      key.provider.chain = as_chain(row.integer(3));
      key.consumer.chain = as_chain(row.integer(4));
      key.provider.kind = static_cast<ChannelKind>(row.integer(5));
      MYST_TRY_ASSIGN(const auto account, read_agreement(row, 6));
      visitors.agreement(key, account);
      return {};
    });
  }

 private:
  static void bind_key(Statement& statement, const AgreementKey& key) {
    const ByteArray<32> id = key.id.to_word();
    statement.bind(1, ByteSpan(key.provider.identity.bytes()))
        .bind(2, ByteSpan(id))
        .bind(3, ByteSpan(key.consumer.identity.bytes()))
        .bind(4, as_integer(key.provider.chain))
        .bind(5, as_integer(key.consumer.chain))
        .bind(6, static_cast<std::int64_t>(key.provider.kind));
  }
  template <typename Row, typename Read>
  static Result<std::optional<Row>> one(Statement& query, const Read& read) {
    const auto found = query.step();
    std::optional<Result<Row>> row;
    if (found.ok() && *found) row.emplace(read(query));
    query.reset();
    if (!found.ok()) return found.error();
    if (!row) return std::optional<Row>();
    MYST_TRY_ASSIGN(Row value, std::move(*row));
    return std::optional<Row>(std::move(value));
  }
  static Status each(Statement& query, const std::function<Status(const Statement&)>& read) {
    Status status;
    for (;;) {
      const auto more = query.step();
      if (!more.ok()) status = more.error();
      if (!more.ok() || !*more) break;
      status = read(query);
      if (!status.ok()) break;
    }
    query.reset();
    return status;
  }

  Statement get_consumer_, get_provider_, get_agreement_, get_owner_;
  Statement put_consumer_, put_provider_, put_agreement_, drop_agreement_;
  Statement all_consumers_, all_providers_, all_agreements_;
};

HermesLedger::HermesLedger(Database database)
    : database_(std::move(database)), rows_(std::make_unique<Rows>()) {}
HermesLedger::~HermesLedger() { rows_.reset(); }

Result<std::unique_ptr<HermesLedger>> HermesLedger::open(const std::string& path,
                                                         Database::Opened* opened) {
  MYST_TRY_ASSIGN(Database database, Database::open_or_fail(path, opened, ledger_steps()));
  // A hub has memory and a disk that is worn by fsyncs, not by pages: fewer, larger checkpoints.
  MYST_TRY(database.execute("PRAGMA cache_size=-8192; PRAGMA wal_autocheckpoint=8192;"));
  std::unique_ptr<HermesLedger> ledger(new HermesLedger(std::move(database)));
  MYST_TRY(ledger->rows_->prepare(ledger->database_));
  return ledger;
}

void HermesLedger::set_checkpoint(Checkpoint checkpoint) { checkpoint_ = std::move(checkpoint); }

Status HermesLedger::transact(const core::hermes::Footprint&,
                              const std::function<void(Book&)>& work) {
  const auto reach = [this](const char* point) {
    return checkpoint_ ? checkpoint_(point) : Status();
  };
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  Book book(*rows_);
  work(book);
  MYST_TRY(book.failure());
  if (!book.changed()) return {};
  const auto put = [&](const char* point) {
    return [this, point, &reach](const auto& key, const auto& row) -> Status {
      MYST_TRY(reach(point));
      return rows_->put(key, row);
    };
  };
  const auto drop = [&](const AgreementKey& key) -> Status {
    MYST_TRY(reach("drop"));
    return rows_->drop(key);
  };
  MYST_TRY(book.each_changed(put("consumer"), put("provider"), put("agreement"), drop));
  MYST_TRY(reach("commit"));
  MYST_TRY(transaction.commit());
  (void)reach("committed");
  return {};
}

Status HermesLedger::scan(const Visitors& visitors) {
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  MYST_TRY(rows_->scan(visitors));
  return transaction.commit();
}

}  // namespace myst::storage
