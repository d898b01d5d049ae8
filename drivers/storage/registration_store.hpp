// What is known of registrations, per registry. Registered is final and survives any other write.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/time.hpp"
#include "core/chain/registration.hpp"
#include "core/identity/address.hpp"
#include "drivers/storage/database.hpp"

namespace myst::storage {

class RegistrationStore {
 public:
  struct Key {
    std::uint64_t chain = 0;
    Address registry, identity;
  };
  struct Record {
    Address identity;
    chain::RegistrationState state = chain::RegistrationState::Unregistered;
    WallTime updated{};
  };
  explicit RegistrationStore(Database& database) : database_(database) {}

  Result<std::optional<Record>> get(const Key& key);
  Status put(const Key& key, chain::RegistrationState state, WallTime now);
  // All of one registry in a state: what has to be looked after at start.
  Result<std::vector<Record>> list(std::uint64_t chain, const Address& registry,
                                   chain::RegistrationState state);

 private:
  Database& database_;
};

}  // namespace myst::storage
