// Where addresses are: ranges and prefixes an operator supplies, and a default. Immutable once
// built; a country database of 600,000 ranges takes some 15 MB.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"

namespace myst::core {

struct Place {
  std::string country;  // ISO 3166 alpha-2, upper case
  std::string ip_type;  // "residential", "hosting", ...
};

class LocationTable {
 public:
  static constexpr std::size_t kMaxRanges = 4000000;
  explicit LocationTable(Place fallback) : fallback_(std::move(fallback)) {}

  // A place for a network; later ones win over earlier ones and over the database.
  void add_network(const IpPrefix& network, Place place);
  // One line of a country database: "first,last,CC" or "network/length,CC", each value maybe in
  // quotes; further columns are ignored, an empty line, one that starts with '#' and a header line
  // (its first value is not an address) do nothing. Malformed, Full.
  Status add_line(std::string_view line);
  void finish();  // sorts: call once after the last line

  Place find(const IpAddress& address) const;
  std::size_t ranges() const { return v4_.size() + v6_.size(); }

 private:
  using Country = std::array<char, 2>;
  struct Range4 {
    std::uint32_t first, last;
    Country country;
  };
  struct Range6 {
    ByteArray<16> first, last;
    Country country;
  };
  Status add_range(const IpAddress& first, const IpAddress& last, std::string_view country);
  Place fallback_;
  std::vector<std::pair<IpPrefix, Place>> networks_;
  std::vector<Range4> v4_;
  std::vector<Range6> v6_;
};

}  // namespace myst::core
