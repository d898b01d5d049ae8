// The Hermes ledger in SQLite: one file, one hub. A transaction is on the disk when it returns.
#pragma once

#include <memory>
#include <string>

#include "core/hub/hermes/book.hpp"
#include "drivers/storage/database.hpp"

namespace myst::storage {

class HermesLedger final : public core::hermes::Ledger {
 public:
  // A corrupt file is an error (Malformed), not moved aside: a ledger that starts anew forgets what
  // was promised. That is for the operator to decide.
  static Result<std::unique_ptr<HermesLedger>> open(const std::string& path,
                                                    Database::Opened* opened = nullptr);
  ~HermesLedger() override;

  Status transact(const core::hermes::Footprint& footprint,
                  const std::function<void(core::hermes::Book&)>& work) override;
  Status scan(const Visitors& visitors) override;

  // Tests: called before each write to the database and around each commit, by name; what it
  // returns ends the transaction as a failing disk would.
  using Checkpoint = std::function<Status(const char* point)>;
  void set_checkpoint(Checkpoint checkpoint);

 private:
  class Rows;
  explicit HermesLedger(Database database);
  Database database_;
  std::unique_ptr<Rows> rows_;
  Checkpoint checkpoint_;
};

}  // namespace myst::storage
