// Constants of the pingpong payments, all with the network's defaults.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/identity/address.hpp"

namespace myst::core {

// Where promises live. In a network without a chain everything stays zero; the messages flow all
// the same, and nobody asks Hermes or a chain anything.
struct ChainConfig {
  bool present = false;
  std::uint64_t chain_id = 0;
  Address registry;
  Address hermes;                  // the active one
  Address channel_implementation;  // of that Hermes; in a session, of the consumer's
};

struct PaymentConfig {
  Duration first_charge_period = std::chrono::seconds{5};
  Duration charge_period_limit = std::chrono::minutes{5};
  Wei first_max_unpaid{3000000000000000u};
  Wei max_unpaid_limit{30000000000000000u};
  Duration exchange_wait = std::chrono::seconds{50};
  Duration charge_period_leeway = std::chrono::minutes{2};
  Duration debounce = std::chrono::seconds{5};
  Duration first_invoice_limit = std::chrono::seconds{30};
  int hermes_failure_limit = 10;
  std::uint64_t consumer_leeway_bytes = 20u << 20;
  // The reference counts an invoice as sent only when our acknowledgement has arrived, and drops a
  // payment that comes earlier (seen in 9 of 102 payments after 1 to 2 ms, in none after 10 ms).
  Duration consumer_pause = std::chrono::milliseconds{20};
  bool accept_any_price = false;  // payments.during-session-debug
};

}  // namespace myst::core
