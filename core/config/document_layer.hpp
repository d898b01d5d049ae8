// A hub's network document as configuration keys: what NodeConfig::absorb_document() takes.
#pragma once

#include <vector>

#include "core/config/flags.hpp"
#include "core/market/network_document.hpp"

namespace myst::core {

// One value a key, in the order of docs/network-document.md. Without contracts nothing is said of
// chains: the defaults of NetworkKind::Own describe a network that has none.
std::vector<FlagValue> document_values(const NetworkDocument& document);

}  // namespace myst::core
