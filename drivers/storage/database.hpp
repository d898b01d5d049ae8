// One SQLite database file: opened safely, migrated with a backup, moved aside when it is corrupt.
// Synchronous; the owner runs it on an ordered worker so that the loop never waits for the disk.
//
// WAL with synchronous=FULL: a commit that returned survives a power cut. Pages of 1 KiB, because a
// commit writes whole pages and a session's rows are small (SD cards).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "drivers/storage/schema.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace myst::storage {

// A prepared statement. Parameters count from 1, columns from 0. Reset by its destructor.
class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  Statement(Statement&& other) noexcept : statement_(other.statement_) {
    other.statement_ = nullptr;
  }
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, ByteSpan blob);
  // true: a row is there; false: done. Errors: Full (disk full), Io (read-only, I/O error),
  // Malformed (corrupt file), Internal.
  Result<bool> step();
  Status run();  // step() of a statement that gives no row; it can then be bound and run again
  void reset();  // after step(): ends a read, so that it can be bound and stepped again

  std::int64_t integer(int column) const;
  std::string text(int column) const;
  Bytes blob(int column) const;

 private:
  sqlite3_stmt* statement_ = nullptr;
};

class Database {
 public:
  // What open() had to do besides opening, for the log and for the owner.
  struct Opened {
    bool created = false;
    int migrated_from = -1;   // schema version before the migration; the backup's path is below
    std::string backup;       // "<path>.v<N>.bak"
    std::string moved_aside;  // a corrupt file was kept here and a new one begun
  };

  Database() = default;
  Database(Database&& other) noexcept : handle_(other.handle_), path_(std::move(other.path_)) {
    other.handle_ = nullptr;
  }
  Database& operator=(Database&& other) noexcept;
  ~Database() { close(); }

  // ":memory:" for tests. Corrupt: the file is renamed to "<path>.corrupt.<N>", never deleted.
  // Unsupported: written by a newer program. Io: cannot be opened or written; detail is SQLite's
  // code. `steps`: the schema to bring it to.
  static Result<Database> open(const std::string& path, Opened* opened = nullptr,
                               const std::vector<const char*>& steps = migrations());
  // The same, but a corrupt file stays where it is and is an error: Malformed.
  static Result<Database> open_or_fail(const std::string& path, Opened* opened,
                                       const std::vector<const char*>& steps);
  void close();

  Result<Statement> prepare(std::string_view sql);
  Status execute(const char* sql);  // no parameters, no rows
  sqlite3* handle() const { return handle_; }
  const std::string& path() const { return path_; }

 private:
  friend class Transaction;
  static Result<Database> open_once(const std::string& path);
  sqlite3* handle_ = nullptr;
  std::string path_;
};

// All or nothing: rolled back unless commit() succeeded.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(other.database_) {
    other.database_ = nullptr;
  }
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Status commit();

 private:
  explicit Transaction(Database* database) : database_(database) {}
  Database* database_;
};

// Turns a SQLite result code into our error; `what` is a literal.
Error storage_error(int sqlite_code, const char* what);

}  // namespace myst::storage
