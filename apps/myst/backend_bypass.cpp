#include "apps/myst/backend_bypass.hpp"

namespace myst::app {

void BackendBypass::exclude(Slot& slot, const std::vector<IpAddress>& addresses) {
  for (const IpAddress& address : addresses) {
    if (!address.is_v4() || address.is_loopback()) continue;
    tunnels_.exclude(address, [](const Status&) {});
    slot.excluded.push_back(address);
  }
}

void BackendBypass::begin(int slot_number) {
  end(slot_number);
  Slot& slot = slots_[slot_number];
  for (const std::string& host : hosts_) {
    if (const auto at_once = platform::addresses_at_once(host); !at_once.empty()) {
      exclude(slot, at_once);
      continue;
    }
    slot.resolving.push_back(std::make_unique<platform::Resolve>(
        loop_, host, [this, slot_number](const Result<std::vector<IpAddress>>& found) {
          const auto at = slots_.find(slot_number);
          if (found.ok() && at != slots_.end()) exclude(at->second, *found);
        }));
  }
}

void BackendBypass::end(int slot_number) {
  const auto found = slots_.find(slot_number);
  if (found == slots_.end()) return;
  for (const IpAddress& address : found->second.excluded) tunnels_.release(address);
  slots_.erase(found);
}

}  // namespace myst::app
