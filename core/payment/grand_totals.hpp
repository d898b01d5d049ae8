// What each identity of this node has promised so far, per chain and Hermes: one sum for all its
// connections, because each new promise covers all earlier ones. It only grows, also for a promise
// that was never delivered.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>

#include "core/base/u256.hpp"
#include "core/identity/address.hpp"

namespace myst::core {

class GrandTotals {
 public:
  struct Key {
    std::uint64_t chain = 0;
    Address identity, hermes;
    bool operator<(const Key& o) const {
      return std::tie(chain, identity, hermes) < std::tie(o.chain, o.identity, o.hermes);
    }
  };
  static constexpr std::size_t kMaxEntries = 1024;  // full: load() refuses, no connection is made

  bool known(const Key& key) const { return totals_.count(key) != 0; }
  // From storage. A value in memory that is larger stays. False: full.
  bool load(const Key& key, const Wei& total) {
    auto found = totals_.find(key);
    if (found == totals_.end()) {
      if (totals_.size() >= kMaxEntries) return false;
      found = totals_.emplace(key, total).first;
    }
    if (found->second < total) found->second = total;
    return true;
  }
  // The amount of the next promise. nullopt: not loaded, or beyond 256 bits.
  std::optional<Wei> add(const Key& key, const Wei& difference) {
    const auto found = totals_.find(key);
    if (found == totals_.end()) return std::nullopt;
    const auto sum = U256::checked_add(found->second, difference);
    if (sum) found->second = *sum;
    return sum;
  }

 private:
  std::map<Key, Wei> totals_;
};

}  // namespace myst::core
