#include "drivers/storage/database.hpp"

#include <sqlite3.h>

#include <cstdio>
#include <utility>

namespace myst::storage {
namespace {

Status apply_pragmas(Database& database) {
  // page_size takes effect only while the file is empty. A small cache: every row is small, and the
  // node's whole private memory is budgeted at 1.5 MB.
  return database.execute(
      "PRAGMA page_size=1024; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
      "PRAGMA wal_autocheckpoint=256; PRAGMA cache_size=-128; PRAGMA foreign_keys=ON;"
      "PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;");
}

Result<int> user_version(Database& database) {
  MYST_TRY_ASSIGN(Statement query, database.prepare("PRAGMA user_version"));
  MYST_TRY_ASSIGN(const bool row, query.step());
  return row ? static_cast<int>(query.integer(0)) : 0;
}

// The first page and the schema must be readable and every page must have its place.
Status check(Database& database) {
  MYST_TRY_ASSIGN(Statement query, database.prepare("PRAGMA quick_check(1)"));
  MYST_TRY_ASSIGN(const bool row, query.step());
  if (!row || query.text(0) != "ok") return Error{Errc::Malformed, 0, "database is corrupt"};
  return {};
}

// VACUUM INTO writes a consistent copy including what is still in the WAL.
Status back_up(Database& database, const std::string& to) {
  (void)std::remove(to.c_str());
  MYST_TRY_ASSIGN(Statement copy, database.prepare("VACUUM INTO ?1"));
  return copy.bind(1, std::string_view(to)).run();
}

Status migrate(Database& database, Database::Opened* opened,
               const std::vector<const char*>& steps) {
  MYST_TRY_ASSIGN(const int version, user_version(database));
  const int newest = static_cast<int>(steps.size());
  if (version > newest) {
    return Error{Errc::Unsupported, version, "the database was written by a newer myst"};
  }
  if (version == newest) return {};
  if (version == 0) {
    opened->created = true;
  } else {
    opened->migrated_from = version;
    opened->backup = database.path() + ".v" + std::to_string(version) + ".bak";
    MYST_TRY(back_up(database, opened->backup));
  }
  MYST_TRY_ASSIGN(Transaction transaction, Transaction::begin(database));
  for (int next = version; next < newest; ++next) {
    MYST_TRY(database.execute(steps[static_cast<std::size_t>(next)]));
  }
  const std::string mark = "PRAGMA user_version=" + std::to_string(newest);
  MYST_TRY(database.execute(mark.c_str()));
  return transaction.commit();
}

bool exists(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  (void)std::fclose(file);
  return true;
}

Result<std::string> move_aside(const std::string& path) {
  for (int n = 1; n < 1000; ++n) {
    const std::string target = path + ".corrupt." + std::to_string(n);
    if (exists(target)) continue;
    if (std::rename(path.c_str(), target.c_str()) != 0) break;
    // The WAL belongs to the corrupt file: what is in it must not leak into the new one.
    (void)std::rename((path + "-wal").c_str(), (target + "-wal").c_str());
    (void)std::remove((path + "-shm").c_str());
    return target;
  }
  return Error{Errc::Io, 0, "the corrupt database cannot be moved aside"};
}

}  // namespace

Error storage_error(int code, const char* what) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return {Errc::Full, code, "the disk is full"};
    case SQLITE_READONLY:
      return {Errc::Io, code, "the database is read-only"};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {Errc::Malformed, code, "the database is corrupt"};
    case SQLITE_CANTOPEN:
      return {Errc::Io, code, "the database cannot be opened"};
    case SQLITE_IOERR:
      return {Errc::Io, code, "I/O error on the database"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Errc::Unavailable, code, "the database is in use"};
    case SQLITE_CONSTRAINT:
      return {Errc::AlreadyExists, code, what};
    default:
      return {Errc::Internal, code, what};
  }
}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(statement_, other.statement_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(int index, std::int64_t value) {
  (void)sqlite3_bind_int64(statement_, index, value);
  return *this;
}
Statement& Statement::bind(int index, std::string_view text) {
  (void)sqlite3_bind_text64(statement_, index, text.data() == nullptr ? "" : text.data(),
                            text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}
Statement& Statement::bind(int index, ByteSpan blob) {
  (void)sqlite3_bind_blob64(statement_, index,
                            blob.empty() ? "" : static_cast<const void*>(blob.data()), blob.size(),
                            SQLITE_TRANSIENT);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return storage_error(sqlite3_extended_errcode(sqlite3_db_handle(statement_)),
                       "database statement");
}

Status Statement::run() {
  MYST_TRY_ASSIGN(const bool row, step());
  (void)row;
  (void)sqlite3_reset(statement_);  // so that it can be bound and run again
  return {};
}

void Statement::reset() { (void)sqlite3_reset(statement_); }

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}
std::string Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}
Bytes Statement::blob(int column) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  if (data == nullptr) return {};
  return Bytes(data, data + sqlite3_column_bytes(statement_, column));
}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(path_, other.path_);
  return *this;
}

void Database::close() {
  sqlite3_close_v2(handle_);
  handle_ = nullptr;
}

Result<Database> Database::open_once(const std::string& path) {
  Database database;
  database.path_ = path;
  const int code =
      sqlite3_open_v2(path.c_str(), &database.handle_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) return storage_error(code, "open");
  (void)sqlite3_busy_timeout(database.handle_, 2000);
  MYST_TRY(apply_pragmas(database));
  MYST_TRY(check(database));
  return database;
}

Result<Database> Database::open(const std::string& path, Opened* opened,
                                const std::vector<const char*>& steps) {
  Opened ignored;
  if (opened == nullptr) opened = &ignored;
  auto database = open_once(path);
  if (!database.ok() && database.error().code == Errc::Malformed) {
    MYST_TRY_ASSIGN(opened->moved_aside, move_aside(path));
    database = open_once(path);
  }
  if (!database.ok()) return database.error();
  MYST_TRY(migrate(*database, opened, steps));
  return database;
}

Result<Database> Database::open_or_fail(const std::string& path, Opened* opened,
                                        const std::vector<const char*>& steps) {
  Opened ignored;
  MYST_TRY_ASSIGN(Database database, open_once(path));
  MYST_TRY(migrate(database, opened == nullptr ? &ignored : opened, steps));
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v2(handle_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) return storage_error(sqlite3_extended_errcode(handle_), "prepare");
  return Statement(statement);
}

Status Database::execute(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return storage_error(sqlite3_extended_errcode(handle_), "execute");
  return {};
}

Result<Transaction> Transaction::begin(Database& database) {
  MYST_TRY(database.execute("BEGIN IMMEDIATE"));
  return Transaction(&database);
}

Transaction::~Transaction() {
  if (database_ != nullptr) (void)database_->execute("ROLLBACK");
}

Status Transaction::commit() {
  MYST_TRY(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace myst::storage
