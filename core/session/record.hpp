// What is kept of a session, a payment, an invoice and a connectivity report: values that storage
// writes and the API shows.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/secret.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/crypto/digest.hpp"
#include "core/identity/address.hpp"

namespace myst::core {

struct SessionRecord {
  bool provided = false;  // else consumed
  std::string id;         // UUID text chosen by the provider
  Address consumer, provider, hermes;
  std::string service_type;
  std::string consumer_country, provider_country;
  std::string ip_type;  // consumed only
  // As the history shows them: consumed, from the consumer's view; provided, the same way round
  // (sent: what the consumer uploaded).
  std::uint64_t bytes_sent = 0, bytes_received = 0;
  Wei tokens;
  bool completed = false;
  WallTime started{};
  WallTime updated{};  // epoch: never
};

// The last payment of an agreement, as sent by a consumer or accepted by a provider.
struct PaymentRecord {
  U256 agreement;
  Address provider, consumer;
  std::string session_id;
  Wei total;      // agreement total
  Bytes message;  // exchange message, protobuf: the proof
  Secret<32> r;   // provider only
  WallTime updated{};
};

// What a provider must not forget about an invoice it sends.
struct InvoiceRecord {
  U256 agreement;
  Address provider, consumer;
  std::string session_id;
  Wei total;
  Digest32 hashlock{};
  Secret<32> r;
  WallTime created{};
};

struct ConnectivityRecord {
  Address peer;
  std::string session_id;
  std::uint32_t code = 0;
  std::string message;
  WallTime created{};
};

}  // namespace myst::core
