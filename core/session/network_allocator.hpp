// Session networks and device names of a whole node: one allocator for provider and consumer, so
// neither takes the other's devices for abandoned ones (the reference has two and does).
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>

#include "core/base/net.hpp"
#include "core/base/result.hpp"

namespace myst::core {

class NetworkAllocator {
 public:
  static constexpr std::uint32_t kMaxNetworks = 256;
  static constexpr std::uint32_t kMaxLinks = 256;

  NetworkAllocator(const IpPrefix& base, std::string link_prefix)
      : base_(base), prefix_(std::move(link_prefix)) {}

  // The lowest free /24 of the base: third octet = index, never outside the base. Full: all taken.
  // Rejected: the base is IPv6 or smaller than a /24.
  Result<std::uint32_t> take_network();
  Result<IpPrefix> network(std::uint32_t index) const;  // 10.182.3.0/24
  void release_network(std::uint32_t index);
  std::size_t networks_taken() const { return networks_.count(); }

  // The number of "myst<N>", lowest free.
  Result<std::uint32_t> take_link();
  // The system has a device of that name that is not ours: never handed out again.
  void spoil_link(std::uint32_t index);
  void release_link(std::uint32_t index);
  std::string link_name(std::uint32_t index) const { return prefix_ + std::to_string(index); }
  bool owns_link(std::string_view name) const;  // taken right now

 private:
  IpPrefix base_;
  std::string prefix_;
  std::bitset<kMaxNetworks> networks_;
  std::bitset<kMaxLinks> links_, spoiled_;
};

}  // namespace myst::core
