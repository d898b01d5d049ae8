// What a network charges, as its operator set it: rules from general to special, and for a while
// after a change also the prices before it, because nodes keep theirs until they expire.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/market/price.hpp"

namespace myst::core {

class PriceBoard {
 public:
  static constexpr Duration kLifetime = std::chrono::minutes{5};
  static constexpr std::size_t kMaxRules = 4096;

  struct Rule {
    std::string country;              // upper case; empty: every country
    std::optional<bool> residential;  // nullopt: every IP type
    std::optional<PricedService> service;
    Price price;
  };
  // "[<country|*>[/<residential|other|*>[/<service|*>]]=]<wei per hour>,<wei per GiB>"
  static Result<Rule> parse_rule(std::string_view text);

  // Later rules win. What no rule names is free.
  void set(std::vector<Rule> rules, WallTime now);
  PriceDocument document(WallTime now) const;

 private:
  std::vector<Rule> rules_, before_;
  std::optional<WallTime> changed_;
};

}  // namespace myst::core
