// What every implementation of core::hermes::Ledger must do. A database's test makes one:
//
//   class SqliteLedgers : public test::LedgerFactory { ... };
//   INSTANTIATE_TEST_SUITE_P(Sqlite, LedgerConformance, testing::Values(&make_sqlite_ledgers));
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "core/hub/hermes/book.hpp"

namespace myst::test {

// One empty ledger that can be opened, closed and opened again.
class LedgerFactory {
 public:
  virtual ~LedgerFactory();  // its definition pulls the suite out of the library
  // What was committed before is there. nullptr: cannot be opened.
  virtual std::unique_ptr<core::hermes::Ledger> open() = 0;
  // May several be open at once, as several hubs would?
  virtual bool shared() const = 0;
};
using MakeLedgers = std::unique_ptr<LedgerFactory> (*)();  // nullptr: not on this machine

class LedgerConformance : public testing::TestWithParam<MakeLedgers> {
 protected:
  void SetUp() override;
  std::unique_ptr<LedgerFactory> ledgers_;
};

}  // namespace myst::test
