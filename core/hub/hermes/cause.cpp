#include "core/hub/hermes/cause.hpp"

namespace myst::core::hermes {

const char* wire_text(Cause cause) {
  switch (cause) {
    case Cause::InvalidSignature:
      return "invalid signature";
    case Cause::Internal:
      return "internal error";
    case Cause::PreviousRNotRevealed:
      return "previous R not revealed";
    case Cause::PaymentValueTooLow:
      return "payment value too low";
    case Cause::ProviderBalanceExhausted:
      return "provider balance exhausted, please rebalance your channel";
    case Cause::PromiseValueTooLow:
      return "promise value too low";
    case Cause::Overspend:
      return "consumer does not have enough balance and is overspending";
    case Cause::MalformedJson:
      return "malformed json";
    case Cause::RRecoveryRequired:
      return "r recovery required";
    case Cause::InvalidPreviousPromise:
      return "invalid previuos latest promise, impossible to issue new one";
    case Cause::NoPreviousPromise:
      return "no previous promise found";
    case Cause::HashlockMismatch:
      return "hashlock missmatch";
    case Cause::NotFound:
      return "resource not found";
    case Cause::TooManyRequests:
      return "too many simultaneous requests";
    case Cause::ConsumerUnregistered:
      return "consumer unregistered";
  }
  return "internal error";
}

std::optional<Cause> cause_of(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(Cause::ConsumerUnregistered); ++i) {
    const auto cause = static_cast<Cause>(i);
    if (text == wire_text(cause)) return cause;
  }
  return std::nullopt;
}

int http_status(Cause cause) {
  switch (cause) {
    case Cause::Internal:
      return 500;
    case Cause::NotFound:
      return 404;
    case Cause::TooManyRequests:
      return 429;
    default:
      return 400;
  }
}

}  // namespace myst::core::hermes
