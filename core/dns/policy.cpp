#include "core/dns/policy.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace myst::core::dns {

bool Policy::allows(std::string_view name) const {
  if (!has_rules()) return true;
  const bool in_zone = std::any_of(zones.begin(), zones.end(), [name](const std::string& zone) {
    return name.size() >= zone.size() &&
           equal_ignoring_case(name.substr(name.size() - zone.size()), zone);
  });
  return in_zone ||
         std::any_of(hostnames.begin(), hostnames.end(),
                     [name](const std::string& host) { return equal_ignoring_case(name, host); });
}

}  // namespace myst::core::dns
