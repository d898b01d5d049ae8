#include "drivers/postgres/connection.hpp"

#include <cstring>
#include <string_view>
#include <utility>

#include "core/base/text.hpp"

namespace myst::postgres {
namespace {

const Error kNoLibrary{Errc::Unsupported, 0, "the PostgreSQL client library (libpq5) is missing"};

}  // namespace

Parameter::Parameter(ByteSpan bytes) : text_("\\x" + to_hex(bytes)) {}

Parameter::Parameter(const std::vector<std::int64_t>& numbers) : text_("{") {
  for (const std::int64_t number : numbers) {
    if (text_.size() > 1) text_ += ',';
    text_ += std::to_string(number);
  }
  text_ += '}';
}

Parameter::Parameter(const std::vector<Bytes>& values) : text_("{") {
  for (const Bytes& value : values) {
    if (text_.size() > 1) text_ += ',';
    text_ += "\"\\\\x" + to_hex(value) + '"';  // a backslash is escaped within an array
  }
  text_ += '}';
}

Rows& Rows::operator=(Rows&& other) noexcept {
  std::swap(result_, other.result_);
  return *this;
}

Rows::~Rows() {
  if (result_ != nullptr) libpq()->clear(result_);
}

int Rows::size() const { return result_ == nullptr ? 0 : libpq()->rows(result_); }

ByteSpan Rows::bytes(int row, int column) const {
  return {reinterpret_cast<const std::uint8_t*>(libpq()->value(result_, row, column)),
          static_cast<std::size_t>(libpq()->length(result_, row, column))};
}

std::int64_t Rows::integer(int row, int column) const {
  std::uint64_t out = 0;
  for (const std::uint8_t byte : bytes(row, column)) out = out << 8 | byte;
  return static_cast<std::int64_t>(out);
}

Connection::~Connection() {
  if (connection_ != nullptr) libpq()->finish(connection_);
}

Status Connection::connect() {
  const Libpq* library = libpq();
  if (library == nullptr) return kNoLibrary;
  if (connection_ != nullptr && library->status(connection_) == kConnectionOk) return {};
  if (connection_ != nullptr) library->finish(connection_);
  connection_ = library->connect(url_.c_str());
  if (connection_ == nullptr || library->status(connection_) != kConnectionOk) {
    problem_ = connection_ == nullptr ? "no memory" : library->error_message(connection_);
    return Error{Errc::Unavailable, 0, "no connection to the PostgreSQL server"};
  }
  // An answered commit is on the disk, whatever the server's default; a stuck peer ends some time.
  for (const char* sql : {"SET client_min_messages TO warning", "SET synchronous_commit TO on",
                          "SET lock_timeout TO '10s'"}) {
    const auto set = run(sql);
    if (!set.ok()) return set.error();
  }
  return {};
}

Result<Rows> Connection::run(const char* sql, const std::vector<Parameter>& parameters) {
  const Libpq* library = libpq();
  if (library == nullptr) return kNoLibrary;
  if (connection_ == nullptr) return Error{Errc::Unavailable, 0, "not connected"};
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const Parameter& parameter : parameters) values.push_back(parameter.text());
  PgResult* result = library->exec_params(connection_, sql, static_cast<int>(values.size()),
                                          nullptr, values.data(), nullptr, nullptr, kBinary);
  const int status = result == nullptr ? -1 : library->result_status(result);
  if (status == kCommandOk || status == kTuplesOk) return Rows(result);
  const Error error = error_of(result);
  if (result != nullptr) library->clear(result);
  return error;
}

Error Connection::error_of(const PgResult* result) {
  const Libpq* library = libpq();
  problem_ = library->error_message(connection_);
  if (library->status(connection_) != kConnectionOk) {
    return {Errc::Unavailable, 0, "the connection to the PostgreSQL server broke"};
  }
  const char* field = result == nullptr ? nullptr : library->result_field(result, kSqlState);
  const std::string_view state = field == nullptr ? "" : field;
  // Classes and codes of the SQL standard and of PostgreSQL's manual, appendix A.
  if (state == "40001" || state == "40P01" || state == "55P03") {
    return {Errc::Cancelled, 0, "the database ended the transaction because of others"};
  }
  if (state == "53100" || state == "53200") return {Errc::Full, 0, "the database's disk is full"};
  if (state.substr(0, 2) == "57" || state.substr(0, 2) == "08" || state.substr(0, 2) == "53") {
    return {Errc::Unavailable, 0, "the PostgreSQL server cannot serve now"};
  }
  if (state.substr(0, 2) == "25") return {Errc::Io, 0, "the database is read-only"};
  return {Errc::Internal, 0, "a statement failed"};
}

Result<Transaction> Transaction::begin(Connection& connection, const char* sql) {
  MYST_TRY(connection.connect());
  auto begun = connection.run(sql);
  if (!begun.ok() && begun.error().code == Errc::Unavailable) {
    // An idle connection breaks unnoticed: nothing was said on it yet.
    MYST_TRY(connection.connect());
    begun = connection.run(sql);
  }
  if (!begun.ok()) return begun.error();
  return Transaction(&connection);
}

Transaction::~Transaction() {
  if (connection_ != nullptr) (void)connection_->run("ROLLBACK");
}

Status Transaction::commit() {
  const auto done = connection_->run("COMMIT");
  if (!done.ok()) return done.error();
  connection_ = nullptr;
  return {};
}

}  // namespace myst::postgres
