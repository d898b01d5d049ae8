// The price document served at {discovery}/prices.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/market/price.hpp"

namespace myst::discovery {

// Malformed: no JSON, a price that is no bare integer, no `defaults`. Whatever else is missing is a
// price that is missing. At most 300 countries are read.
Result<core::PriceDocument> read_prices(std::string_view text);
std::string write_prices(const core::PriceDocument& document);

}  // namespace myst::discovery
