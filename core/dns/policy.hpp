// Which names a DNS policy opens (node: core/policy, rules of type dns_zone and dns_hostname).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace myst::core::dns {

struct Policy {
  std::vector<std::string> zones;      // plain suffix: "example.com" also opens "badexample.com"
  std::vector<std::string> hostnames;  // equality
  bool has_rules() const { return !zones.empty() || !hostnames.empty(); }
  // No rule at all: everything is allowed. `name` without the dot at its end, any case.
  bool allows(std::string_view name) const;
};

}  // namespace myst::core::dns
