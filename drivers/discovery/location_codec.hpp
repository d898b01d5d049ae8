// What a location service answers about the caller.
#pragma once

#include <string>
#include <string_view>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/market/proposal.hpp"

namespace myst::discovery {

struct LocationAnswer {
  IpAddress ip;
  core::ProposalLocation location;
};

// Missing keys are empty; the IP type is called node_type here. Malformed: no JSON object, no or no
// valid ip (the reference takes an answer without ip as success with an empty address).
Result<LocationAnswer> read_location(std::string_view text);
std::string write_location(const LocationAnswer& answer);
// {"ip":"..."}, the key in any letter case; or, of public fallback services, the bare address.
Result<IpAddress> read_ip(std::string_view text);

}  // namespace myst::discovery
