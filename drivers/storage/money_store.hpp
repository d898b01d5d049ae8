// What commits us: promises made as consumer, payments accepted as provider. Every put() is durable
// when it returns success; only then may the message that depends on it leave.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/identity/address.hpp"
#include "drivers/storage/database.hpp"

namespace myst::storage {

// The last payment of one agreement (one session's series of invoices).
struct AgreementRow {
  enum class Role : std::uint8_t { Provider = 0, Consumer = 1 };
  Role role = Role::Provider;
  U256 agreement;
  Address provider;
  Address consumer;
  std::string session_id;
  Wei total;      // agreement total of the last payment
  Bytes promise;  // exchange message as sent or received: the proof
  Bytes r;        // provider: preimage of its hashlock
  WallTime updated{};
};

class MoneyStore {
 public:
  explicit MoneyStore(Database& database) : database_(database) {}

  // Promised so far on one channel; zero when never.
  Result<Wei> grand_total(std::int64_t chain, const Address& identity, const Address& hermes);
  // Consumer: the agreement and the new grand total in one transaction. Rejected: the grand total
  // would shrink, nothing is written.
  Status put_payment(const AgreementRow& row, std::int64_t chain, const Address& hermes,
                     const Wei& grand_total);
  // Provider: an accepted payment. Rejected: the agreement's total would shrink.
  Status put_accepted(const AgreementRow& row);
  Result<std::optional<AgreementRow>> agreement(AgreementRow::Role role, const U256& agreement,
                                                const Address& provider);

 private:
  Status put_agreement(const AgreementRow& row);
  Database& database_;
};

}  // namespace myst::storage
