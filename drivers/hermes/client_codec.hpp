// Bodies of the Hermes API as a node writes and reads them (node: session/pingpong/
// hermes_caller.go). Amounts are bare integers of any size, names are read in any letter case.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/identity/signer.hpp"
#include "core/money/calls.hpp"

namespace myst::hermes {

struct WireCall {
  bool post = true;
  std::string path;  // behind <scheme>://<host>/api/v2/
  std::string body;  // empty for GET
  bool signed_by_us = false;
};
// Malformed: a payment whose numbers cannot be written.
Result<WireCall> write_call(const core::money::HermesCall& call);
// "Signature <base64 of the raw signature over the body>".
Result<std::string> authorization(const Signer& signer, std::string_view body);

// 200 to 300 are success. A body of a refusal that names no known cause, or none at all, is a
// Refusal with cause Internal. Malformed: a success that cannot be read.
Result<core::hermes::Answer> read_answer(const core::money::HermesCall& call, int status,
                                         std::string_view body);

// <scheme>://<host[:port]>/api/v2: path and query of what the registry says are dropped (node:
// session/pingpong/hermes_url_getter.go). Malformed: no http or https URL.
Result<std::string> base_url(std::string_view registered);

}  // namespace myst::hermes
