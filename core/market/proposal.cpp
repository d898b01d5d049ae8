#include "core/market/proposal.hpp"

#include <algorithm>

namespace myst::core {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

const std::vector<AccessPolicyRef>& Proposal::policies() const {
  static const std::vector<AccessPolicyRef> kNone;
  return access_policies ? *access_policies : kNone;
}

bool is_supported(const Proposal& proposal, const SupportedKinds& kinds) {
  if (!contains(kinds.service_types, proposal.service_type)) return false;
  return std::any_of(proposal.contacts.begin(), proposal.contacts.end(), [&](const auto& contact) {
    return contact.usable && contains(kinds.contact_types, contact.type);
  });
}

bool is_valid(const Proposal& proposal) {
  return proposal.format == kProposalFormat && !proposal.provider_id.empty() &&
         !proposal.service_type.empty() && !proposal.contacts.empty();
}

std::vector<std::string> broker_addresses(const Proposal& proposal) {
  for (const ProposalContact& contact : proposal.contacts) {
    if (contact.type == kNatsContact) return contact.broker_addresses;
  }
  return {};
}

}  // namespace myst::core
