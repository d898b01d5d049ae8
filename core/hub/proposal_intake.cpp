#include "core/hub/proposal_intake.hpp"

#include "core/identity/address.hpp"
#include "core/identity/signed_subject.hpp"

namespace myst::core {
namespace {

using Kind = ProposalIntake::Kind;

Result<Kind> kind_of(std::string_view topic) {
  if (topic == "proposal-register.v3" || topic == "proposal-ping.v3") return Kind::Announce;
  if (topic == "proposal-unregister.v3") return Kind::Withdraw;
  return Error{Errc::Malformed, 0, "not a proposal subject"};
}

// An identity as it stands in subjects: 0x and lower-case digits, nothing else.
bool is_identity(std::string_view text) {
  const auto address = Address::parse(text);
  return address.ok() && address->to_string() == text;
}

}  // namespace

const char* const ProposalIntake::kSubjects[7] = {
    "*.proposal-register.v3",
    "*.proposal-ping.v3",
    "*.proposal-unregister.v3",
    "signed.*.*.*.proposal-register.v3",
    "signed.*.*.*.proposal-ping.v3",
    "signed.*.*.*.proposal-unregister.v3",
    "signed.*.*.proposal-unregister.v3",  // nodes before 1.33.9
};

Result<ProposalIntake::Order> ProposalIntake::judge(Now now, std::string_view subject) const {
  Order order;
  if (subject.substr(0, 7) != "signed.") {
    const std::size_t dot = subject.find('.');
    if (dot == std::string_view::npos) return Error{Errc::Malformed, 0, "not a proposal subject"};
    MYST_TRY_ASSIGN(order.kind, kind_of(subject.substr(dot + 1)));
    const std::string_view name = subject.substr(0, dot);
    if (is_identity(name)) {
      order.provider_id = std::string(name);
    } else if (name != "*" || !config_.accept_unnamed) {
      return Error{Errc::Rejected, 0, "proposal message without a signer"};
    }
    return order;
  }
  MYST_TRY_ASSIGN(const SignedSubject parsed, parse_signed_subject(subject));
  std::string_view topic = parsed.topic;
  if (topic.substr(0, 2) == "*.") topic.remove_prefix(2);
  MYST_TRY_ASSIGN(order.kind, kind_of(topic));
  const std::int64_t skew = parsed.unix_seconds - unix_seconds(now.wall);
  const auto most = std::chrono::duration_cast<std::chrono::seconds>(config_.max_skew).count();
  if (skew > most || skew < -most) return Error{Errc::Rejected, 0, "stale proposal message"};
  MYST_TRY_ASSIGN(const Address signer, recover_signer(parsed));
  order.provider_id = signer.to_string();
  return order;
}

}  // namespace myst::core
