#include "core/hub/location_table.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace myst::core {
namespace {

std::string_view unquoted(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  return text;
}

IpAddress last_of(const IpPrefix& prefix) {
  const IpPrefix network = prefix.network();
  ByteArray<16> bytes{};
  const ByteSpan from = network.ip.bytes();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::size_t bits =
        i * 8 >= prefix.length ? 0 : std::min<std::size_t>(8, prefix.length - i * 8);
    bytes[i] = static_cast<std::uint8_t>(from[i] | (0xffu >> bits));
  }
  if (network.ip.is_v6()) return IpAddress::v6(bytes);
  return IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

ByteArray<16> sixteen(const IpAddress& address) {
  ByteArray<16> out{};
  std::copy(address.bytes().begin(), address.bytes().end(), out.begin());
  return out;
}

// The last range that begins at or before the address, if it reaches that far.
template <typename Range, typename Key>
const Range* lookup(const std::vector<Range>& ranges, const Key& key) {
  auto after = std::upper_bound(ranges.begin(), ranges.end(), key,
                                [](const Key& k, const Range& range) { return k < range.first; });
  if (after == ranges.begin()) return nullptr;
  --after;
  return key <= after->last ? &*after : nullptr;
}

}  // namespace

void LocationTable::add_network(const IpPrefix& network, Place place) {
  networks_.emplace_back(network, std::move(place));
}

Status LocationTable::add_line(std::string_view line) {
  line = trim(line);
  if (line.empty() || line.front() == '#') return {};
  const auto columns = split(line, ',');
  const std::string_view first = unquoted(columns[0]);
  if (first.find('/') != std::string_view::npos) {
    const auto prefix = IpPrefix::parse(first);
    if (prefix.ok() && columns.size() >= 2) {
      return add_range(prefix->network().ip, last_of(*prefix), unquoted(columns[1]));
    }
    return Error{Errc::Malformed, 0, "country database line"};
  }
  const auto begin = IpAddress::parse(first);
  if (!begin.ok()) {
    // A header names its columns in letters; hex digits alone would be a broken address.
    const bool header =
        !first.empty() && first.find_first_of(".:0123456789") == std::string_view::npos;
    if (header && ranges() == 0) return {};
    return Error{Errc::Malformed, 0, "country database line"};
  }
  if (columns.size() < 3) return Error{Errc::Malformed, 0, "country database line"};
  MYST_TRY_ASSIGN(const IpAddress end, IpAddress::parse(unquoted(columns[1])));
  return add_range(*begin, end, unquoted(columns[2]));
}

Status LocationTable::add_range(const IpAddress& first, const IpAddress& last,
                                std::string_view country) {
  if (first.is_v6() != last.is_v6() || last < first) {
    return Error{Errc::Malformed, 0, "country database range"};
  }
  if (country.size() != 2) {
    // Databases write "-" or nothing for reserved ranges.
    if (country.empty() || country == "-") return {};
    return Error{Errc::Malformed, 0, "country database country"};
  }
  if (ranges() >= kMaxRanges) return Error{Errc::Full, 0, "country database"};
  const Country code{country[0], country[1]};
  if (first.is_v6()) {
    v6_.push_back({sixteen(first), sixteen(last), code});
  } else {
    v4_.push_back({first.v4_host_order(), last.v4_host_order(), code});
  }
  return {};
}

void LocationTable::finish() {
  const auto by_first = [](const auto& a, const auto& b) { return a.first < b.first; };
  std::sort(v4_.begin(), v4_.end(), by_first);
  std::sort(v6_.begin(), v6_.end(), by_first);
  v4_.shrink_to_fit();
  v6_.shrink_to_fit();
}

Place LocationTable::find(const IpAddress& address) const {
  for (auto at = networks_.rbegin(); at != networks_.rend(); ++at) {
    if (at->first.contains(address)) return at->second;
  }
  const auto named = [&](const auto* range) {
    if (range == nullptr) return fallback_;
    return Place{std::string(range->country.data(), range->country.size()), fallback_.ip_type};
  };
  return address.is_v4() ? named(lookup(v4_, address.v4_host_order()))
                         : named(lookup(v6_, sixteen(address)));
}

}  // namespace myst::core
