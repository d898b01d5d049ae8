#include "core/session/network_allocator.hpp"

#include "core/base/text.hpp"
#include "core/system/provider_plan.hpp"

namespace myst::core {

Result<IpPrefix> NetworkAllocator::network(std::uint32_t index) const {
  return session_network(base_, index);
}

Result<std::uint32_t> NetworkAllocator::take_network() {
  for (std::uint32_t i = 0; i < kMaxNetworks; ++i) {
    if (networks_.test(i)) continue;
    const auto candidate = network(i);
    if (!candidate.ok() && candidate.error().code == Errc::NotFound) continue;  // outside the base
    if (!candidate.ok()) return candidate.error();
    networks_.set(i);
    return i;
  }
  return Error{Errc::Full, 0, "no free session network"};
}

void NetworkAllocator::release_network(std::uint32_t index) {
  if (index < kMaxNetworks) networks_.reset(index);
}

Result<std::uint32_t> NetworkAllocator::take_link() {
  for (std::uint32_t i = 0; i < kMaxLinks; ++i) {
    if (links_.test(i) || spoiled_.test(i)) continue;
    links_.set(i);
    return i;
  }
  return Error{Errc::Full, 0, "no free device name"};
}

void NetworkAllocator::spoil_link(std::uint32_t index) {
  if (index < kMaxLinks) spoiled_.set(index);
  release_link(index);
}

void NetworkAllocator::release_link(std::uint32_t index) {
  if (index < kMaxLinks) links_.reset(index);
}

bool NetworkAllocator::owns_link(std::string_view name) const {
  if (name.substr(0, prefix_.size()) != prefix_) return false;
  const auto number = parse_decimal(name.substr(prefix_.size()));
  return number && *number < kMaxLinks && links_.test(static_cast<std::size_t>(*number));
}

}  // namespace myst::core
