// Bodies of the Hermes API as its server reads and writes them (node: session/pingpong/
// hermes_caller.go). Names of members may come in any letter case, amounts are bare integers of any
// size. Every read error is Malformed: the answer is then "malformed json".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/hub/hermes/requests.hpp"

namespace myst::hermes {

constexpr std::size_t kMaxBody = 16 * 1024;         // the longest real one has some 1,500 bytes
constexpr std::size_t kMaxRecoveryData = 4 * 1024;  // hex digits

Result<core::hermes::PromiseRequest> read_promise_request(std::string_view body, bool withdrawal);
Result<core::hermes::RevealRequest> read_reveal(std::string_view body);
Result<core::hermes::ChangeFeeRequest> read_change_fee(std::string_view body);
// `signer`: of the HTTP request.
Result<core::hermes::SyncRequest> read_sync(std::string_view body, const Address& signer);
Result<core::hermes::RefreshRequest> read_refresh(std::string_view body, const Address& signer);
// {"chain_id","identity","amount"}: the operator's own call.
Result<core::hermes::OffchainCreditRequest> read_credit(std::string_view body);

// Who signed a request: "Signature <base64 of the raw signature over the body>". nullopt: nobody.
std::optional<Address> request_signer(std::string_view authorization, std::string_view body);

std::string write_promise(const core::hermes::SignedPromise& promise);
std::string write_data(const std::vector<core::hermes::AccountData>& chains);
std::string write_refusal(const core::hermes::Refusal& refusal);
std::string write_done();

}  // namespace myst::hermes
