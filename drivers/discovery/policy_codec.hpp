// Access policy documents as JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/market/access_policy.hpp"

namespace myst::discovery {

// Malformed; Full above 100,000 rules. A policy needs an id.
Result<core::AccessPolicyDocument> read_access_policy(std::string_view text);
std::string write_access_policy(const core::AccessPolicyDocument& document);
// {"entries":[...]}
std::string write_access_policies(const std::vector<core::AccessPolicyDocument>& documents);

}  // namespace myst::discovery
