// The functions of PostgreSQL's client library that are used, loaded when a hub is told to keep its
// ledger there: neither building nor other hubs need the library. Its C interface has been the same
// since PostgreSQL 8; declared here so that its headers are not needed either.
#pragma once

namespace myst::postgres {

struct PgConnection;  // PGconn
struct PgResult;      // PGresult

enum ConnectionStatus : int { kConnectionOk = 0 };
enum ResultStatus : int { kCommandOk = 1, kTuplesOk = 2 };
constexpr int kSqlState = 'C';  // PG_DIAG_SQLSTATE
constexpr int kBinary = 1;

struct Libpq {
  PgConnection* (*connect)(const char* conninfo);
  int (*status)(const PgConnection*);
  const char* (*error_message)(const PgConnection*);
  void (*finish)(PgConnection*);
  PgResult* (*exec)(PgConnection*, const char* sql);
  PgResult* (*exec_params)(PgConnection*, const char* sql, int count, const unsigned* types,
                           const char* const* values, const int* lengths, const int* formats,
                           int result_format);
  int (*result_status)(const PgResult*);
  char* (*result_field)(const PgResult*, int field);
  int (*rows)(const PgResult*);
  char* (*value)(const PgResult*, int row, int column);
  int (*length)(const PgResult*, int row, int column);
  void (*clear)(PgResult*);
};

// Null where the library is not installed. Thread-safe; loaded once, for good.
const Libpq* libpq();

}  // namespace myst::postgres
