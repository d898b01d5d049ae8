// One connection to a PostgreSQL server. Blocking; its owner runs it on an ordered worker. Made
// anew by the next call after it broke.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "drivers/postgres/libpq.hpp"

namespace myst::postgres {

// A parameter: one value, or an array of them ("bytea[]", "bigint[]") as the server reads it.
class Parameter {
 public:
  explicit Parameter(std::int64_t number) : text_(std::to_string(number)) {}
  explicit Parameter(ByteSpan bytes);
  explicit Parameter(const std::vector<std::int64_t>& numbers);
  explicit Parameter(const std::vector<Bytes>& values);
  const char* text() const { return text_.c_str(); }

 private:
  std::string text_;
};

class Rows {
 public:
  Rows() = default;
  explicit Rows(PgResult* result) : result_(result) {}
  Rows(Rows&& other) noexcept : result_(other.result_) { other.result_ = nullptr; }
  Rows& operator=(Rows&& other) noexcept;
  ~Rows();
  int size() const;
  ByteSpan bytes(int row, int column) const;        // valid while this lives
  std::int64_t integer(int row, int column) const;  // of a bigint

 private:
  PgResult* result_ = nullptr;
};

class Connection {
 public:
  // `url`: postgresql://user@host/database, or what libpq takes otherwise.
  explicit Connection(std::string url) : url_(std::move(url)) {}
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Errors: Unavailable: no server, or the connection broke, and nothing is known of the statement;
  // Cancelled: the server ended the transaction because of others and it can be repeated (deadlock,
  // serialization); Full: its disk; Unsupported: no client library; Internal: the statement.
  Status connect();
  Result<Rows> run(const char* sql, const std::vector<Parameter>& parameters = {});
  // What the server said last, for the log.
  const std::string& problem() const { return problem_; }

 private:
  Error error_of(const PgResult* result);
  std::string url_;
  PgConnection* connection_ = nullptr;
  std::string problem_;
};

// Rolled back unless commit() succeeded.
class Transaction {
 public:
  static Result<Transaction> begin(Connection& connection, const char* sql = "BEGIN");
  Transaction(Transaction&& other) noexcept : connection_(other.connection_) {
    other.connection_ = nullptr;
  }
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Status commit();

 private:
  explicit Transaction(Connection* connection) : connection_(connection) {}
  Connection* connection_;
};

}  // namespace myst::postgres
