// The contracts of one chain, as drivers/ethereum/contracts/deploy writes them and as the network
// document repeats them (docs/network-document.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/identity/address.hpp"

namespace myst::hub {

struct ChainContracts {
  std::uint64_t chain_id = 0;
  std::vector<std::string> rpc;
  Address registry, token, channel_implementation, hermes;
  std::optional<Address> hermes_implementation;  // lets the hub check its operator key
  std::optional<Address> promise_collector;      // else promises are cashed one by one
  std::vector<Address> known_hermeses;           // `hermes` is one of them
};

// The text of an error is the end of a sentence that begins with the file's name.
std::variant<ChainContracts, std::string> read_contracts(std::string_view json);
// The member `contracts` of the network document. `rpc`: instead of the file's; empty: those.
std::string write_contracts(const std::vector<ChainContracts>& chains,
                            const std::string& transactor, const std::vector<std::string>& rpc);

}  // namespace myst::hub
