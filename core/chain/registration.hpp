// Where an identity stands with the registry of a chain. The numbers are stored.
#pragma once

#include <cstdint>

namespace myst::chain {

enum class RegistrationState : std::uint8_t {
  Registered = 0,  // for ever: nobody can be taken out of a registry
  Unregistered = 1,
  InProgress = 2,  // the transactor has taken the request
  Failed = 3,      // may be tried again
};

}  // namespace myst::chain
