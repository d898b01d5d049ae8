// What a network says of itself: the one document a node needs to join (docs/network-document.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/identity/address.hpp"

namespace myst::core {

// The contracts of a network on one chain.
struct NetworkChain {
  std::uint64_t id = 0;
  std::vector<std::string> rpc;  // URLs; at least one
  Address registry, token, channel_implementation, hermes;
  std::vector<Address> known_hermeses;  // `hermes` is one of them
};

struct NetworkDocument {
  std::string name;
  std::vector<std::string> brokers;             // nats://host:port; at least one
  std::string discovery;                        // base URL, no slash at its end
  std::string location;                         // URL
  std::string ip_detector;                      // URL; empty: as location
  std::vector<std::string> stun_servers;        // host:port
  std::vector<std::string> port_check_servers;  // host:port
  std::string access_policies;                  // base URL; empty: the network has none
  std::string quality;                          // base URL; empty: none
  // JSON text of the contracts; nullopt: a network without a chain, where identities need no
  // registration and prices are zero.
  std::optional<std::string> contracts;
  // What that text says, once read: the first chain is the one sessions are paid on.
  std::string transactor;            // base URL
  std::vector<NetworkChain> chains;  // one or two
};

}  // namespace myst::core
