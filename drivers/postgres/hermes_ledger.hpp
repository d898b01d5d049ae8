// The Hermes ledger in PostgreSQL: several hubs share one behind a load balancer. A transaction
// locks the identities it is about (advisory locks, in one order), reads their rows in a few
// queries, and writes what changed in one statement a table.
//
// When the connection breaks during a commit nobody knows whether it happened; the error says
// Unavailable, and who asks again gets the same promise, not a second one.
#pragma once

#include <memory>
#include <string>

#include "core/hub/hermes/book.hpp"
#include "drivers/postgres/connection.hpp"

namespace myst::postgres {

class HermesLedger final : public core::hermes::Ledger {
 public:
  // Makes the tables where there are none. `problem`: what the server said, on an error.
  static Result<std::unique_ptr<HermesLedger>> open(const std::string& url,
                                                    std::string* problem = nullptr);
  ~HermesLedger() override;

  Status transact(const core::hermes::Footprint& footprint,
                  const std::function<void(core::hermes::Book&)>& work) override;
  Status scan(const Visitors& visitors) override;

 private:
  class Rows;
  explicit HermesLedger(const std::string& url);
  Status attempt(const core::hermes::Footprint& footprint,
                 const std::function<void(core::hermes::Book&)>& work);
  Connection connection_;
};

}  // namespace myst::postgres
