// Addresses that names had a short while ago. A question to a resolver is a datagram or two, each
// of which may be lost and is asked again after a second: where a node has just been it finds
// again without.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/time.hpp"

namespace myst::platform {

class KnownNames {
 public:
  static constexpr std::size_t kMax = 32;  // full: the oldest goes

  void remember(std::string_view name, std::vector<IpAddress> addresses, Instant now) {
    forget(name);
    if (list_.size() >= kMax) list_.erase(list_.begin());
    list_.push_back({std::string(name), std::move(addresses), now});
  }
  void forget(std::string_view name) {
    list_.erase(std::remove_if(list_.begin(), list_.end(),
                               [&](const Entry& entry) { return entry.name == name; }),
                list_.end());
  }
  // Empty: not known, or for longer than `age`.
  std::vector<IpAddress> find(std::string_view name, Instant now, Duration age) const {
    for (const Entry& entry : list_) {
      if (entry.name == name && now - entry.since <= age) return entry.addresses;
    }
    return {};
  }

 private:
  struct Entry {
    std::string name;
    std::vector<IpAddress> addresses;
    Instant since;
  };
  std::vector<Entry> list_;  // oldest first
};

}  // namespace myst::platform
