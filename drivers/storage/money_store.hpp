// What commits us: promises made as consumer, payments accepted as provider. Every put() is durable
// when it returns success; only then may the message that depends on it leave.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/identity/address.hpp"
#include "core/money/calls.hpp"
#include "core/session/record.hpp"
#include "drivers/storage/database.hpp"

namespace myst::storage {

enum class Role : std::uint8_t { Provider = 0, Consumer = 1 };

class MoneyStore {
 public:
  explicit MoneyStore(Database& database) : database_(database) {}

  // Promised so far on one channel; zero when never.
  Result<Wei> grand_total(std::uint64_t chain, const Address& identity, const Address& hermes);
  // Consumer: the agreement and the new grand total in one transaction. Rejected: the grand total
  // would shrink, nothing is written. With a payment to oneself goes the withdrawal it is for.
  Status put_payment(const core::PaymentRecord& record, std::uint64_t chain, const Address& hermes,
                     const Wei& grand_total,
                     const core::money::OpenWithdrawal* withdrawal = nullptr);
  // Provider: the secret behind an invoice, before the invoice leaves. At most kMaxOpenInvoices of
  // an agreement are kept: the oldest go.
  Status put_invoice(const core::InvoiceRecord& record);
  // Provider: an accepted payment; the agreement's open invoices are settled by it, and what it is
  // worth is a claim (PromiseStore) from then on. Rejected: the agreement's total would shrink.
  Status put_accepted(const core::PaymentRecord& record);
  // What a payment was that is not forgotten yet; see kKeepAgreements.
  Result<std::optional<core::PaymentRecord>> payment(Role role, const U256& agreement,
                                                     const Address& provider);
  // The latest payment of an identity to itself (a withdrawal).
  Result<std::optional<core::PaymentRecord>> own_payment(const Address& identity);
  // Consumer: what others know that was promised on a channel. A smaller amount changes nothing.
  Status raise_grand_total(std::uint64_t chain, const Address& identity, const Address& hermes,
                           const Wei& amount);
  Result<std::uint64_t> open_invoices(const Address& provider, const U256& agreement);

  static constexpr std::int64_t kMaxOpenInvoices = 32;
  // So long an agreement is kept after its last payment; then it goes with the next agreement that
  // begins, a few at a time, unless something rests on it:
  //   - a payment that Hermes has not exchanged yet (a claim): its message and R are here only;
  //   - the latest payment of an identity to itself, and one a withdrawal goes on with;
  //   - a session that is not over.
  // What it amounted to is in the session history, in Hermes' promise and in the grand total.
  // Invoices that were not paid go after the same time.
  static constexpr std::chrono::hours kKeepAgreements{24 * 30};
  static constexpr std::int64_t kForgetAtOnce = 16;

 private:
  Status put_grand_total(std::uint64_t chain, const Address& identity, const Address& hermes,
                         const Wei& amount);
  Status put(Role role, const core::PaymentRecord& record);
  Status forget_old(WallTime now);
  Database& database_;
};

}  // namespace myst::storage
