#include "drivers/storage/task_store.hpp"

#include <algorithm>
#include <utility>

namespace myst::storage {
namespace {

using core::transactor::Kind;
using core::transactor::Task;
using core::transactor::TaskState;

constexpr const char* kColumns =
    "id,kind,chain,identity,hermes,target,data,channel,channel_id,amount,free,attempt,state,reason,"
    "tx_hash,created,updated";

std::int64_t to_ms(WallTime time) { return time.time_since_epoch().count(); }
WallTime from_ms(std::int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }

template <std::size_t N>
Status read_blob(const Bytes& from, ByteArray<N>& out) {
  if (from.size() != N) return Error{Errc::Malformed, 0, "stored task"};
  std::copy(from.begin(), from.end(), out.begin());
  return {};
}

Result<Task> read_task(const Statement& row) {
  Task task;
  task.id = row.text(0);
  task.kind = static_cast<Kind>(row.integer(1));
  task.chain = static_cast<std::uint64_t>(row.integer(2));
  MYST_TRY_ASSIGN(task.identity, Address::from_bytes(row.blob(3)));
  MYST_TRY_ASSIGN(task.hermes, Address::from_bytes(row.blob(4)));
  MYST_TRY_ASSIGN(task.to, Address::from_bytes(row.blob(5)));
  task.data = row.blob(6);
  MYST_TRY_ASSIGN(task.channel, Address::from_bytes(row.blob(7)));
  MYST_TRY(read_blob(row.blob(8), task.channel_id));
  MYST_TRY_ASSIGN(task.amount, Wei::from_bytes(row.blob(9)));
  task.free = row.integer(10) != 0;
  task.attempt = static_cast<unsigned>(row.integer(11));
  task.state = static_cast<TaskState>(row.integer(12));
  task.reason = row.text(13);
  MYST_TRY(read_blob(row.blob(14), task.tx_hash));
  task.created = from_ms(row.integer(15));
  task.updated = from_ms(row.integer(16));
  return task;
}

const std::vector<const char*>& task_steps() {
  static const std::vector<const char*> steps = {
      "CREATE TABLE task("
      " id TEXT PRIMARY KEY, kind INTEGER NOT NULL, chain INTEGER NOT NULL,"
      " identity BLOB NOT NULL, hermes BLOB NOT NULL, target BLOB NOT NULL, data BLOB NOT NULL,"
      " channel BLOB NOT NULL, channel_id BLOB NOT NULL, amount BLOB NOT NULL,"
      " free INTEGER NOT NULL, attempt INTEGER NOT NULL, state INTEGER NOT NULL,"
      " reason TEXT NOT NULL, tx_hash BLOB NOT NULL, created INTEGER NOT NULL,"
      " updated INTEGER NOT NULL);"
      "CREATE INDEX task_identity ON task(identity, kind, created);"
      "CREATE INDEX task_open ON task(state) WHERE state = 0;"};
  return steps;
}

}  // namespace

Result<TaskStore> TaskStore::open(const std::string& path, Database::Opened* opened) {
  MYST_TRY_ASSIGN(Database database, Database::open_or_fail(path, opened, task_steps()));
  return TaskStore(std::move(database));
}

Status TaskStore::together(const std::function<Status()>& work) {
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  MYST_TRY(work());
  return transaction.commit();
}

Status TaskStore::put(const Task& task) {
  MYST_TRY_ASSIGN(Statement insert,
                  database_.prepare(std::string("INSERT OR REPLACE INTO task(") + kColumns +
                                    ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"));
  const ByteArray<32> amount = task.amount.to_word();
  insert.bind(1, task.id)
      .bind(2, static_cast<std::int64_t>(task.kind))
      .bind(3, static_cast<std::int64_t>(task.chain))
      .bind(4, ByteSpan(task.identity.bytes()))
      .bind(5, ByteSpan(task.hermes.bytes()))
      .bind(6, ByteSpan(task.to.bytes()))
      .bind(7, ByteSpan(task.data))
      .bind(8, ByteSpan(task.channel.bytes()))
      .bind(9, ByteSpan(task.channel_id))
      .bind(10, ByteSpan(amount))
      .bind(11, std::int64_t{task.free ? 1 : 0})
      .bind(12, static_cast<std::int64_t>(task.attempt))
      .bind(13, static_cast<std::int64_t>(task.state))
      .bind(14, task.reason)
      .bind(15, ByteSpan(task.tx_hash))
      .bind(16, to_ms(task.created))
      .bind(17, to_ms(task.updated));
  return insert.run();
}

Result<core::transactor::Transactor::Accepted> TaskStore::accept(Task task) {
  core::transactor::Transactor::Accepted out;
  MYST_TRY_ASSIGN(auto known, find(task.id));
  if (known && known->state != TaskState::Failed) {
    out.task = std::move(*known);
    return out;
  }
  if (known) task.attempt = known->attempt + 1;
  MYST_TRY(put(task));
  out.task = std::move(task);
  out.fresh = true;
  return out;
}

Status TaskStore::update(const Task& task) { return put(task); }

Result<std::optional<Task>> TaskStore::find(const std::string& id) {
  MYST_TRY_ASSIGN(Statement query,
                  database_.prepare(std::string("SELECT ") + kColumns + " FROM task WHERE id=?"));
  query.bind(1, id);
  MYST_TRY_ASSIGN(auto rows, read(query));
  if (rows.empty()) return std::optional<Task>();
  return std::optional<Task>(std::move(rows.front()));
}

Result<std::vector<Task>> TaskStore::of(const Address& identity, Kind kind) {
  MYST_TRY_ASSIGN(Statement query, database_.prepare(std::string("SELECT ") + kColumns +
                                                     " FROM task WHERE identity=? AND kind=?"
                                                     " ORDER BY created DESC LIMIT ?"));
  query.bind(1, ByteSpan(identity.bytes()))
      .bind(2, static_cast<std::int64_t>(kind))
      .bind(3, static_cast<std::int64_t>(kMaxOfIdentity));
  return read(query);
}

Result<std::vector<Task>> TaskStore::queued() {
  MYST_TRY_ASSIGN(Statement query, database_.prepare(std::string("SELECT ") + kColumns +
                                                     " FROM task WHERE state=0 ORDER BY created"));
  return read(query);
}

Status TaskStore::forget(WallTime before) {
  MYST_TRY_ASSIGN(Statement gone,
                  database_.prepare("DELETE FROM task WHERE state<>0 AND updated<?"));
  return gone.bind(1, to_ms(before)).run();
}

Result<std::vector<Task>> TaskStore::read(Statement& query) {
  std::vector<Task> out;
  for (;;) {
    MYST_TRY_ASSIGN(const bool more, query.step());
    if (!more) return out;
    MYST_TRY_ASSIGN(Task task, read_task(query));
    out.push_back(std::move(task));
  }
}

}  // namespace myst::storage
