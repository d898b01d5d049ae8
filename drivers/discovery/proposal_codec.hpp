// Proposals as JSON: what goes over the broker and what a discovery server lists.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/hub/proposal_index.hpp"
#include "core/market/proposal.hpp"
#include "platform/json/json.hpp"

namespace myst::discovery {

// Byte for byte as the reference node writes it: key order, <, > and & escaped.
std::string proposal_json(const core::Proposal& proposal);
// The payload of register, ping and unregister: {"proposal":{...}}.
std::string proposal_message(const core::Proposal& proposal);
std::string quality_json(const core::ProposalQuality& quality);
// Up to and including "quality": for the hub's index.
std::string proposal_json_head(const core::Proposal& proposal);

// Unknown keys are ignored, letter case of keys too, null is as if absent. Malformed: a known key
// of another type. Contacts that are no list are an empty one. Full: beyond 16 contacts, 64
// addresses of one, 64 policies.
Result<core::Proposal> read_proposal(json::Value value);
Result<core::Proposal> read_proposal_message(std::string_view payload);
// An array or null (none). One malformed element fails the whole, as at the reference node.
Result<std::vector<core::Proposal>> read_proposal_list(std::string_view text);

// What the hub stores of an announcement: retired broker addresses removed, checked so that no
// reader can stumble. Rejected: a nats/p2p/v1 contact without usable definition (the reference
// consumer crashes on it), no contact, texts that are empty or too long.
Result<core::IndexedProposal> index_proposal(core::Proposal proposal);

}  // namespace myst::discovery
