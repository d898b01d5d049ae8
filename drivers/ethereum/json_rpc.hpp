// JSON-RPC 2.0 as chain servers speak it: requests and answers of core/chain/rpc_pool as texts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/chain/rpc_pool.hpp"

namespace myst::ethereum {

// An object for one item, an array for more.
std::string write_request(const chain::RpcPool::Exchange& exchange);

struct ResponseText {
  std::vector<chain::RpcPool::Answer> answers;
  // One object where an array was asked for: the server takes no arrays, or is in trouble.
  std::optional<chain::RpcError> instead_of_batch;
};
// Malformed: no JSON-RPC answer. An object in an array that is none is left out.
Result<ResponseText> read_response(std::string_view text, const chain::RpcPool::Exchange& exchange);

}  // namespace myst::ethereum
