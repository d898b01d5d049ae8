// Longest-prefix match from addresses to peers: a path-compressed binary trie in one array, built
// once and then immutable, so that data threads read it without locks.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/base/net.hpp"

namespace myst::core::wireguard {

// An address as 128 bits, IPv4 in the uppermost 32: both families share the code, not the root.
struct AddressBits {
  std::uint64_t high = 0, low = 0;
  static AddressBits of(const IpAddress& ip);
  static AddressBits v4(const std::uint8_t* network_order);
  static AddressBits v6(const std::uint8_t* network_order);
};

// The untyped trie: values are indices given by the caller.
class PrefixTrie {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  // Host bits are ignored. A prefix inserted again replaces the value.
  void insert(const IpPrefix& prefix, std::uint32_t value);
  std::uint32_t find_v4(const std::uint8_t* address) const {
    return find(roots_[0], AddressBits::v4(address), 32);
  }
  std::uint32_t find_v6(const std::uint8_t* address) const {
    return find(roots_[1], AddressBits::v6(address), 128);
  }

 private:
  struct Node {
    AddressBits bits;
    std::uint32_t children[2] = {kNone, kNone};
    std::uint32_t value = kNone;
    std::uint8_t length = 0;
  };
  std::uint32_t find(std::uint32_t node, const AddressBits& bits, unsigned width) const;
  std::uint32_t add_node(const AddressBits& bits, std::uint8_t length, std::uint32_t value);
  std::vector<Node> nodes_;
  std::uint32_t roots_[2] = {kNone, kNone};
};

}  // namespace myst::core::wireguard
