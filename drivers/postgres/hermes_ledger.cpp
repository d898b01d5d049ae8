#include "drivers/postgres/hermes_ledger.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/hub/hermes/row_codec.hpp"

namespace myst::postgres {
namespace {

using core::hermes::AgreementAccount;
using core::hermes::AgreementKey;
using core::hermes::Book;
using core::hermes::ChannelKind;
using core::hermes::Columns;
using core::hermes::ConsumerAccount;
using core::hermes::ConsumerKey;
using core::hermes::Footprint;
using core::hermes::ProviderAccount;
using core::hermes::ProviderKey;

constexpr std::size_t kConsumer = core::hermes::kConsumerColumns.size();
constexpr std::size_t kProvider = core::hermes::kProviderColumns.size();
constexpr int kMaxAttempts = 10;  // of a transaction others get in the way of

// Any number that hubs agree on: while one makes the tables, others wait.
constexpr char kLockSchema[] = "SELECT pg_advisory_xact_lock(7305718)::text";
constexpr const char* kSchema[] = {
    "CREATE TABLE IF NOT EXISTS hermes_version(version bigint NOT NULL)",
    "CREATE TABLE IF NOT EXISTS hermes_consumer("
    " chain bigint, identity bytea, latest bytea NOT NULL, accounted bytea NOT NULL,"
    " held bytea NOT NULL, opening bytea NOT NULL, cashable bytea NOT NULL,"
    " cashable_r bytea NOT NULL, capacity bytea NOT NULL, settled bytea NOT NULL,"
    " flags bytea NOT NULL, PRIMARY KEY(identity, chain))",
    "CREATE TABLE IF NOT EXISTS hermes_provider("
    " chain bigint, identity bytea, kind bigint, channel bytea NOT NULL, latest bytea NOT NULL,"
    " agreement bytea NOT NULL, flags bytea NOT NULL, r bytea NOT NULL, recovery bytea NOT NULL,"
    " recovered bytea NOT NULL, payer_chain bytea NOT NULL, payer bytea NOT NULL,"
    " backing bytea NOT NULL, settled bytea NOT NULL, last_settlement bytea NOT NULL,"
    " PRIMARY KEY(identity, chain, kind))",
    "CREATE INDEX IF NOT EXISTS hermes_provider_channel ON hermes_provider(channel, chain)",
    "CREATE TABLE IF NOT EXISTS hermes_agreement("
    " provider bytea, id bytea, consumer bytea, provider_chain bigint, consumer_chain bigint,"
    " kind bigint, total bytea NOT NULL,"
    " PRIMARY KEY(provider, id, consumer, provider_chain, consumer_chain, kind))",
    "ALTER TABLE hermes_agreement ADD COLUMN IF NOT EXISTS promised bytea NOT NULL"
    " DEFAULT decode(repeat('00',32),'hex')",
    "ALTER TABLE hermes_agreement ADD COLUMN IF NOT EXISTS updated bytea NOT NULL"
    " DEFAULT decode(repeat('00',32),'hex')",  // a word like the others
};
// 2: promised and updated of agreements.
constexpr std::int64_t kVersion = 2;

std::int64_t as_integer(std::uint64_t chain) { return static_cast<std::int64_t>(chain); }
std::uint64_t as_chain(std::int64_t integer) { return static_cast<std::uint64_t>(integer); }
Bytes as_bytes(const Address& address) {
  return Bytes(address.bytes().begin(), address.bytes().end());
}
Bytes as_bytes(const U256& number) {
  const ByteArray<32> word = number.to_word();
  return Bytes(word.begin(), word.end());
}

// The lock of an identity: its first eight bytes. Two that share them only wait for one another.
std::int64_t lock_of(const Address& identity) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < 8; ++i) out = out << 8 | identity.bytes()[i];
  return static_cast<std::int64_t>(out);
}

template <std::size_t N>
std::string list(const std::array<std::string_view, N>& names, std::string_view prefix = "") {
  std::string out;
  for (const std::string_view name : names) {
    if (!out.empty()) out += ',';
    out += prefix;
    out += name;
  }
  return out;
}

// "INSERT INTO table(keys, columns) SELECT * FROM unnest($1::t[], ...) ON CONFLICT (keys) DO UPDATE
// SET column=EXCLUDED.column, ..."
template <std::size_t K, std::size_t N>
std::string upsert(const char* table,
                   const std::array<std::pair<std::string_view, std::string_view>, K>& keys,
                   const std::array<std::string_view, N>& columns) {
  std::string names, types, key_names, updates;
  std::size_t count = 0;
  const auto add = [&](std::string_view name, std::string_view type) {
    const char* comma = count == 0 ? "" : ",";
    names += comma + std::string(name);
    types += comma + ("$" + std::to_string(++count)) + "::" + std::string(type) + "[]";
  };
  for (const auto& [name, type] : keys) {
    add(name, type);
    key_names += (key_names.empty() ? "" : ",") + std::string(name);
  }
  for (const std::string_view name : columns) {
    add(name, "bytea");
    updates += (updates.empty() ? "" : ",") + std::string(name) + "=EXCLUDED." + std::string(name);
  }
  return std::string("INSERT INTO ") + table + "(" + names + ") SELECT * FROM unnest(" + types +
         ") ON CONFLICT(" + key_names + ") DO UPDATE SET " + updates;
}

template <std::size_t N>
Columns<N> read_columns(const postgres::Rows& rows, int row, int first) {
  Columns<N> out;
  for (std::size_t i = 0; i < N; ++i) {
    out[i] = to_bytes(rows.bytes(row, first + static_cast<int>(i)));
  }
  return out;
}

Result<std::pair<ConsumerKey, ConsumerAccount>> read_consumer(const postgres::Rows& rows, int row) {
  ConsumerKey key{as_chain(rows.integer(row, 0)), {}};
  MYST_TRY_ASSIGN(key.identity, Address::from_bytes(rows.bytes(row, 1)));
  MYST_TRY_ASSIGN(auto account,
                  core::hermes::decode_consumer(key.chain, read_columns<kConsumer>(rows, row, 2)));
  return std::pair(key, std::move(account));
}

Result<std::pair<ProviderKey, ProviderAccount>> read_provider(const postgres::Rows& rows, int row) {
  ProviderKey key{
      as_chain(rows.integer(row, 0)), {}, static_cast<ChannelKind>(rows.integer(row, 2))};
  MYST_TRY_ASSIGN(key.identity, Address::from_bytes(rows.bytes(row, 1)));
  MYST_TRY_ASSIGN(auto account,
                  core::hermes::decode_provider(key.chain, read_columns<kProvider>(rows, row, 3)));
  return std::pair(key, std::move(account));
}

Result<std::pair<AgreementKey, AgreementAccount>> read_agreement(const postgres::Rows& rows,
                                                                 int row) {
  AgreementKey key;
  MYST_TRY_ASSIGN(key.provider.identity, Address::from_bytes(rows.bytes(row, 0)));
  MYST_TRY_ASSIGN(key.id, U256::from_bytes(rows.bytes(row, 1)));
  MYST_TRY_ASSIGN(key.consumer.identity, Address::from_bytes(rows.bytes(row, 2)));
  key.provider.chain = as_chain(rows.integer(row, 3));
  key.consumer.chain = as_chain(rows.integer(row, 4));
  key.provider.kind = static_cast<ChannelKind>(rows.integer(row, 5));
  AgreementAccount account;
  MYST_TRY_ASSIGN(account.total, U256::from_bytes(rows.bytes(row, 6)));
  MYST_TRY_ASSIGN(account.promised, U256::from_bytes(rows.bytes(row, 7)));
  MYST_TRY_ASSIGN(const U256 updated, U256::from_bytes(rows.bytes(row, 8)));
  account.updated = static_cast<std::int64_t>(updated.to_u64().value_or(0));
  return std::pair(key, account);
}

const std::string& select_consumers() {
  static const std::string kSql =
      "SELECT chain,identity," + list(core::hermes::kConsumerColumns) + " FROM hermes_consumer";
  return kSql;
}
const std::string& select_providers() {
  static const std::string kSql = "SELECT chain,identity,kind," +
                                  list(core::hermes::kProviderColumns) + " FROM hermes_provider";
  return kSql;
}
constexpr char kSelectAgreements[] =
    "SELECT provider,id,consumer,provider_chain,consumer_chain,kind,total,promised,updated"
    " FROM hermes_agreement";

}  // namespace

// The rows of one transaction: those of its footprint, read in advance, and others one by one.
class HermesLedger::Rows final : public core::hermes::RowSource {
 public:
  explicit Rows(Connection& connection) : connection_(connection) {}

  Status read(const Footprint& footprint) {
    std::set<Address> identities = footprint.identities;
    MYST_TRY(add_relatives(footprint, identities));
    MYST_TRY(lock(identities));
    std::vector<Bytes> wanted;
    wanted.reserve(identities.size());
    for (const Address& identity : identities) wanted.push_back(as_bytes(identity));
    MYST_TRY_ASSIGN(
        const auto consumers,
        connection_.run((select_consumers() + " WHERE identity=ANY($1::bytea[])").c_str(),
                        {Parameter(wanted)}));
    for (int i = 0; i < consumers.size(); ++i) {
      MYST_TRY_ASSIGN(auto row, read_consumer(consumers, i));
      consumers_.emplace(row.first, std::move(row.second));
    }
    MYST_TRY_ASSIGN(
        const auto providers,
        connection_.run((select_providers() + " WHERE identity=ANY($1::bytea[])").c_str(),
                        {Parameter(wanted)}));
    for (int i = 0; i < providers.size(); ++i) {
      MYST_TRY_ASSIGN(auto row, read_provider(providers, i));
      providers_.emplace(row.first, std::move(row.second));
    }
    std::vector<Bytes> of, ids;
    for (const AgreementKey& key : footprint.agreements) {
      of.push_back(as_bytes(key.provider.identity));
      ids.push_back(as_bytes(key.id));
      known_agreements_.insert(key);
    }
    MYST_TRY_ASSIGN(const auto agreements,
                    connection_.run((std::string(kSelectAgreements) +
                                     " WHERE (provider,id) IN"
                                     " (SELECT * FROM unnest($1::bytea[],$2::bytea[]))")
                                        .c_str(),
                                    {Parameter(of), Parameter(ids)}));
    for (int i = 0; i < agreements.size(); ++i) {
      MYST_TRY_ASSIGN(auto row, read_agreement(agreements, i));
      agreements_.emplace(row.first, row.second);
    }
    return {};
  }

  Result<std::optional<ConsumerAccount>> load(const ConsumerKey& key) override {
    const auto known = consumers_.find(key);
    if (known != consumers_.end()) return std::optional(known->second);
    if (locked_.count(key.identity) > 0) return std::optional<ConsumerAccount>();
    MYST_TRY(lock({key.identity}));
    MYST_TRY_ASSIGN(
        const auto rows,
        connection_.run(
            (select_consumers() + " WHERE identity=$1 AND chain=$2").c_str(),
            {Parameter(ByteSpan(key.identity.bytes())), Parameter(as_integer(key.chain))}));
    if (rows.size() == 0) return std::optional<ConsumerAccount>();
    MYST_TRY_ASSIGN(auto row, read_consumer(rows, 0));
    return std::optional(std::move(row.second));
  }
  Result<std::optional<ProviderAccount>> load(const ProviderKey& key) override {
    const auto known = providers_.find(key);
    if (known != providers_.end()) return std::optional(known->second);
    if (locked_.count(key.identity) > 0) return std::optional<ProviderAccount>();
    MYST_TRY(lock({key.identity}));
    MYST_TRY_ASSIGN(
        const auto rows,
        connection_.run(
            (select_providers() + " WHERE identity=$1 AND chain=$2 AND kind=$3").c_str(),
            {Parameter(ByteSpan(key.identity.bytes())), Parameter(as_integer(key.chain)),
             Parameter(static_cast<std::int64_t>(key.kind))}));
    if (rows.size() == 0) return std::optional<ProviderAccount>();
    MYST_TRY_ASSIGN(auto row, read_provider(rows, 0));
    return std::optional(std::move(row.second));
  }
  Result<std::optional<AgreementAccount>> load(const AgreementKey& key) override {
    const auto known = agreements_.find(key);
    if (known != agreements_.end()) return std::optional(known->second);
    if (known_agreements_.count(key) > 0) return std::optional<AgreementAccount>();
    // Who changes an agreement holds the lock of its provider.
    if (locked_.count(key.provider.identity) == 0) MYST_TRY(lock({key.provider.identity}));
    const ByteArray<32> id = key.id.to_word();
    MYST_TRY_ASSIGN(
        const auto rows,
        connection_.run(
            (std::string(kSelectAgreements) +
             " WHERE provider=$1 AND id=$2 AND consumer=$3 AND provider_chain=$4"
             " AND consumer_chain=$5 AND kind=$6")
                .c_str(),
            {Parameter(ByteSpan(key.provider.identity.bytes())), Parameter(ByteSpan(id)),
             Parameter(ByteSpan(key.consumer.identity.bytes())),
             Parameter(as_integer(key.provider.chain)), Parameter(as_integer(key.consumer.chain)),
             Parameter(static_cast<std::int64_t>(key.provider.kind))}));
    if (rows.size() == 0) return std::optional<AgreementAccount>();
    MYST_TRY_ASSIGN(auto row, read_agreement(rows, 0));
    return std::optional(row.second);
  }
  Result<std::optional<ProviderKey>> owner(std::uint64_t chain, const Digest32& channel) override {
    MYST_TRY_ASSIGN(const auto rows,
                    connection_.run("SELECT identity,kind FROM hermes_provider"
                                    " WHERE channel=$1 AND chain=$2",
                                    {Parameter(ByteSpan(channel)), Parameter(as_integer(chain))}));
    if (rows.size() == 0) return std::optional<ProviderKey>();
    MYST_TRY_ASSIGN(const Address identity, Address::from_bytes(rows.bytes(0, 0)));
    return std::optional(
        ProviderKey{chain, identity, static_cast<ChannelKind>(rows.integer(0, 1))});
  }

  Status write(const Book& book) {
    Batch<kConsumer> consumers(1);
    Batch<kProvider> providers(2);
    Batch<3> agreements(3), gone(3);
    std::vector<Bytes> agreement_ids, agreement_consumers, gone_ids, gone_consumers;
    MYST_TRY(book.each_changed(
        [&](const ConsumerKey& key, const ConsumerAccount& row) -> Status {
          consumers.add({as_integer(key.chain)}, as_bytes(key.identity), core::hermes::encode(row));
          return {};
        },
        [&](const ProviderKey& key, const ProviderAccount& row) -> Status {
          providers.add({as_integer(key.chain), static_cast<std::int64_t>(key.kind)},
                        as_bytes(key.identity), core::hermes::encode(row));
          return {};
        },
        [&](const AgreementKey& key, const AgreementAccount& row) -> Status {
          agreements.add({as_integer(key.provider.chain), as_integer(key.consumer.chain),
                          static_cast<std::int64_t>(key.provider.kind)},
                         as_bytes(key.provider.identity),
                         Columns<3>{as_bytes(row.total), as_bytes(row.promised),
                                    as_bytes(U256(static_cast<std::uint64_t>(row.updated)))});
          agreement_ids.push_back(as_bytes(key.id));
          agreement_consumers.push_back(as_bytes(key.consumer.identity));
          return {};
        },
        [&](const AgreementKey& key) -> Status {
          gone.add({as_integer(key.provider.chain), as_integer(key.consumer.chain),
                    static_cast<std::int64_t>(key.provider.kind)},
                   as_bytes(key.provider.identity), Columns<3>{});
          gone_ids.push_back(as_bytes(key.id));
          gone_consumers.push_back(as_bytes(key.consumer.identity));
          return {};
        }));
    static const std::string kPutConsumers =
        upsert<2, kConsumer>("hermes_consumer", {{{"identity", "bytea"}, {"chain", "bigint"}}},
                             core::hermes::kConsumerColumns);
    static const std::string kPutProviders = upsert<3, kProvider>(
        "hermes_provider", {{{"identity", "bytea"}, {"chain", "bigint"}, {"kind", "bigint"}}},
        core::hermes::kProviderColumns);
    static const std::string kPutAgreements =
        upsert<6, 3>("hermes_agreement",
                     {{{"provider", "bytea"},
                       {"provider_chain", "bigint"},
                       {"consumer_chain", "bigint"},
                       {"kind", "bigint"},
                       {"id", "bytea"},
                       {"consumer", "bytea"}}},
                     std::array<std::string_view, 3>{"total", "promised", "updated"});
    if (!consumers.empty()) MYST_TRY(put(kPutConsumers, consumers.parameters({})));
    if (!providers.empty()) MYST_TRY(put(kPutProviders, providers.parameters({})));
    if (!agreements.empty()) {
      MYST_TRY(put(kPutAgreements, agreements.parameters({&agreement_ids, &agreement_consumers})));
    }
    if (gone.empty()) return {};
    std::vector<Parameter> keys = gone.parameters({&gone_ids, &gone_consumers});
    keys.erase(keys.end() - 3, keys.end());  // its columns
    return put(
        "DELETE FROM hermes_agreement WHERE (provider,provider_chain,consumer_chain,kind,id,"
        "consumer) IN (SELECT * FROM unnest($1::bytea[],$2::bigint[],$3::bigint[],"
        "$4::bigint[],$5::bytea[],$6::bytea[]))",
        keys);
  }

 private:
  // Rows as arrays of columns: identity, numbers of the key, more keys, values.
  template <std::size_t N>
  class Batch {
   public:
    explicit Batch(std::size_t numbers) : numbers_(numbers) {}
    void add(const std::vector<std::int64_t>& numbers, Bytes identity, Columns<N> columns) {
      identities_.push_back(std::move(identity));
      for (std::size_t i = 0; i < numbers.size(); ++i) numbers_[i].push_back(numbers[i]);
      for (std::size_t i = 0; i < N; ++i) columns_[i].push_back(std::move(columns[i]));
    }
    bool empty() const { return identities_.empty(); }
    std::vector<Parameter> parameters(const std::vector<const std::vector<Bytes>*>& more) const {
      std::vector<Parameter> out{Parameter(identities_)};
      for (const auto& numbers : numbers_) out.emplace_back(numbers);
      for (const auto* values : more) out.emplace_back(*values);
      for (const auto& values : columns_) out.emplace_back(values);
      return out;
    }

   private:
    std::vector<Bytes> identities_;
    std::vector<std::vector<std::int64_t>> numbers_;
    std::array<std::vector<Bytes>, N> columns_;
  };

  Status put(const std::string& sql, const std::vector<Parameter>& parameters) {
    const auto done = connection_.run(sql.c_str(), parameters);
    return done.ok() ? Status() : Status(done.error());
  }

  // A revealed R touches its payer too, a channel's id its owner: looked up before the locks are
  // taken, so that all of them are taken in one order. What changes in between is locked late.
  Status add_relatives(const Footprint& footprint, std::set<Address>& identities) {
    std::vector<Bytes> of, channels;
    for (const Address& identity : footprint.identities) of.push_back(as_bytes(identity));
    for (const Digest32& channel : footprint.channels) {
      channels.emplace_back(channel.begin(), channel.end());
    }
    MYST_TRY_ASSIGN(const auto rows,
                    connection_.run("SELECT identity,payer FROM hermes_provider"
                                    " WHERE identity=ANY($1::bytea[]) OR channel=ANY($2::bytea[])",
                                    {Parameter(of), Parameter(channels)}));
    for (int i = 0; i < rows.size(); ++i) {
      for (const int column : {0, 1}) {
        MYST_TRY_ASSIGN(const Address identity, Address::from_bytes(rows.bytes(i, column)));
        if (!identity.is_zero()) identities.insert(identity);
      }
    }
    return {};
  }

  Status lock(const std::set<Address>& identities) {
    std::vector<std::int64_t> locks;
    for (const Address& identity : identities) {
      locks.push_back(lock_of(identity));
      locked_.insert(identity);
    }
    std::sort(locks.begin(), locks.end());
    locks.erase(std::unique(locks.begin(), locks.end()), locks.end());
    const auto taken = connection_.run(
        "SELECT pg_advisory_xact_lock(k)::text FROM (SELECT unnest($1::bigint[]) AS k OFFSET 0) l",
        {Parameter(locks)});
    return taken.ok() ? Status() : Status(taken.error());
  }

  Connection& connection_;
  std::set<Address> locked_;
  std::map<ConsumerKey, ConsumerAccount> consumers_;
  std::map<ProviderKey, ProviderAccount> providers_;
  std::map<AgreementKey, AgreementAccount> agreements_;
  std::set<AgreementKey> known_agreements_;
};

HermesLedger::HermesLedger(const std::string& url) : connection_(url) {}
HermesLedger::~HermesLedger() = default;

Result<std::unique_ptr<HermesLedger>> HermesLedger::open(const std::string& url,
                                                         std::string* problem) {
  std::unique_ptr<HermesLedger> ledger(new HermesLedger(url));
  const auto prepare = [&]() -> Status {
    Connection& connection = ledger->connection_;
    MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(connection));
    MYST_TRY_ASSIGN(const auto durable, connection.run("SHOW fsync"));
    if (durable.size() != 1 || as_text(durable.bytes(0, 0)) != "on") {
      return Error{Errc::Unsupported, 0, "the server has fsync off: it forgets what it answered"};
    }
    MYST_TRY_ASSIGN(const auto lock, connection.run(kLockSchema));
    for (const char* sql : kSchema) {
      MYST_TRY_ASSIGN(const auto made, connection.run(sql));
    }
    MYST_TRY_ASSIGN(const auto version, connection.run("SELECT version FROM hermes_version"));
    if (version.size() == 0) {
      MYST_TRY_ASSIGN(const auto set, connection.run("INSERT INTO hermes_version VALUES($1)",
                                                     {Parameter(kVersion)}));
    } else if (version.integer(0, 0) < kVersion) {
      MYST_TRY_ASSIGN(const auto set, connection.run("UPDATE hermes_version SET version=$1",
                                                     {Parameter(kVersion)}));
    } else if (version.integer(0, 0) != kVersion) {
      return Error{Errc::Unsupported, static_cast<int>(version.integer(0, 0)),
                   "the ledger was written by a newer myst-hub"};
    }
    return transaction.commit();
  };
  const Status prepared = prepare();
  if (prepared.ok()) return ledger;
  if (problem != nullptr) *problem = ledger->connection_.problem();
  return prepared.error();
}

Status HermesLedger::transact(const Footprint& footprint, const std::function<void(Book&)>& work) {
  for (int i = 1;; ++i) {
    const Status done = attempt(footprint, work);
    // Ended because of others, before it was committed: it can only have been rolled back.
    if (done.ok() || done.error().code != Errc::Cancelled || i == kMaxAttempts) return done;
  }
}

Status HermesLedger::attempt(const Footprint& footprint, const std::function<void(Book&)>& work) {
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(connection_));
  Rows rows(connection_);
  MYST_TRY(rows.read(footprint));
  Book book(rows);
  work(book);
  MYST_TRY(book.failure());
  if (!book.changed()) return {};
  MYST_TRY(rows.write(book));
  return transaction.commit();
}

Status HermesLedger::scan(const Visitors& visitors) {
  MYST_TRY_ASSIGN(
      Transaction transaction,
      Transaction::begin(connection_, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  const auto each = [&](const char* name, const std::string& select,
                        const std::function<Status(const postgres::Rows&, int)>& read) -> Status {
    const std::string declare = std::string("DECLARE ") + name + " CURSOR FOR " + select;
    const std::string fetch = std::string("FETCH 1000 FROM ") + name;
    MYST_TRY_ASSIGN(const auto declared, connection_.run(declare.c_str()));
    for (;;) {
      MYST_TRY_ASSIGN(const auto rows, connection_.run(fetch.c_str()));
      if (rows.size() == 0) return {};
      for (int i = 0; i < rows.size(); ++i) MYST_TRY(read(rows, i));
    }
  };
  if (visitors.consumer) {
    MYST_TRY(
        each("consumers", select_consumers(), [&](const postgres::Rows& rows, int i) -> Status {
          MYST_TRY_ASSIGN(const auto row, read_consumer(rows, i));
          visitors.consumer(row.first, row.second);
          return {};
        }));
  }
  if (visitors.provider) {
    MYST_TRY(
        each("providers", select_providers(), [&](const postgres::Rows& rows, int i) -> Status {
          MYST_TRY_ASSIGN(const auto row, read_provider(rows, i));
          visitors.provider(row.first, row.second);
          return {};
        }));
  }
  if (visitors.agreement) {
    MYST_TRY(
        each("agreements", kSelectAgreements, [&](const postgres::Rows& rows, int i) -> Status {
          MYST_TRY_ASSIGN(const auto row, read_agreement(rows, i));
          visitors.agreement(row.first, row.second);
          return {};
        }));
  }
  return transaction.commit();
}

}  // namespace myst::postgres
