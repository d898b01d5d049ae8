// Why Hermes refuses: the texts are wire constants that nodes compare exactly, with their spelling
// (node: session/pingpong/hermes_caller.go).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace myst::core::hermes {

enum class Cause : std::uint8_t {
  InvalidSignature,
  Internal,
  PreviousRNotRevealed,
  PaymentValueTooLow,
  ProviderBalanceExhausted,
  PromiseValueTooLow,
  Overspend,
  MalformedJson,
  RRecoveryRequired,
  InvalidPreviousPromise,
  NoPreviousPromise,
  HashlockMismatch,
  NotFound,
  TooManyRequests,
  ConsumerUnregistered,
};

const char* wire_text(Cause cause);
// nullopt: none of them.
std::optional<Cause> cause_of(std::string_view wire_text);
// Nodes look at the text; the status only has to lie outside 200..300.
int http_status(Cause cause);

struct Refusal {
  Cause cause = Cause::Internal;
  std::string message;  // for people: what exactly was wrong
  std::string data;     // RRecoveryRequired: the recovery data of the promise that is not revealed
};

}  // namespace myst::core::hermes
