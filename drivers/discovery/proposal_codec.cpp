#include "drivers/discovery/proposal_codec.hpp"

#include <algorithm>
#include <limits>

#include "platform/json/writer.hpp"

namespace myst::discovery {
namespace {

using core::Proposal;
using core::ProposalContact;
using json::Case;
using json::Value;
using json::Writer;

constexpr std::size_t kMaxContacts = 16, kMaxAddresses = 64, kMaxPolicies = 64;
constexpr std::size_t kMaxText = 256;
constexpr std::size_t kMaxMessage = 32 * 1024;
constexpr std::size_t kMaxList = 64u << 20;

// As Go's encoder writes text: safe to stand in HTML, no line separators of JavaScript.
std::string escaped(std::string_view text) {
  std::string quoted, out;
  json::append_quoted(quoted, text);
  for (std::size_t i = 0; i < quoted.size(); ++i) {
    const char c = quoted[i];
    const std::string_view rest = std::string_view(quoted).substr(i, 3);
    if (c == '<') {
      out += "\\u003c";
    } else if (c == '>') {
      out += "\\u003e";
    } else if (c == '&') {
      out += "\\u0026";
    } else if (rest == "\xe2\x80\xa8" || rest == "\xe2\x80\xa9") {
      out += rest[2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      out += c;
    }
  }
  return out;
}

void text_member(Writer& writer, std::string_view name, std::string_view text) {
  writer.key(name).raw(escaped(text));
}

void text_unless_empty(Writer& writer, std::string_view name, std::string_view text) {
  if (!text.empty()) text_member(writer, name, text);
}

void write_location(Writer& writer, const core::ProposalLocation& location) {
  writer.begin_object();
  text_unless_empty(writer, "continent", location.continent);
  text_unless_empty(writer, "country", location.country);
  text_unless_empty(writer, "region", location.region);
  text_unless_empty(writer, "city", location.city);
  if (location.asn != 0) writer.member("asn", location.asn);
  text_unless_empty(writer, "isp", location.isp);
  text_unless_empty(writer, "ip_type", location.ip_type);
  writer.end_object();
}

void write_contact(Writer& writer, const ProposalContact& contact) {
  writer.begin_object();
  text_member(writer, "type", contact.type);
  writer.key("definition");
  if (contact.type != core::kNatsContact) {
    writer.raw(contact.other_definition.empty() ? "{}" : contact.other_definition);
  } else if (contact.broker_addresses.empty()) {
    writer.begin_object().key("broker_addresses").null().end_object();
  } else {
    writer.begin_object().key("broker_addresses").begin_array();
    for (const std::string& address : contact.broker_addresses) writer.raw(escaped(address));
    writer.end_array().end_object();
  }
  writer.end_object();
}

// Text of a known key: absent and null leave it empty.
Status read_text(Value object, std::string_view name, std::string& out) {
  const Value value = object.get(name, Case::Ignore);
  if (value.is_nothing()) return {};
  MYST_TRY_ASSIGN(const std::string_view text, value.string());
  out = std::string(text);
  return {};
}

Status read_number(Value object, std::string_view name, double& out) {
  const Value value = object.get(name, Case::Ignore);
  if (value.is_nothing()) return {};
  MYST_TRY_ASSIGN(out, value.number());
  return {};
}

Result<std::int64_t> read_integer(Value object, std::string_view name, std::int64_t least,
                                  std::int64_t most) {
  const Value value = object.get(name, Case::Ignore);
  if (value.is_nothing()) return std::int64_t{0};
  MYST_TRY_ASSIGN(const std::int64_t number, value.i64());
  if (number < least || number > most) return Error{Errc::Malformed, 0, "proposal number"};
  return number;
}

Status expect_object(Value value, const char* what) {
  if (value.is_nothing() || value.is_object()) return {};
  return Error{Errc::Malformed, 0, what};
}

Status read_location(Value value, core::ProposalLocation& out) {
  MYST_TRY(expect_object(value, "proposal location"));
  MYST_TRY(read_text(value, "continent", out.continent));
  MYST_TRY(read_text(value, "country", out.country));
  MYST_TRY(read_text(value, "region", out.region));
  MYST_TRY(read_text(value, "city", out.city));
  MYST_TRY_ASSIGN(const std::int64_t asn,
                  read_integer(value, "asn", 0, std::numeric_limits<std::uint32_t>::max()));
  out.asn = static_cast<std::uint32_t>(asn);
  MYST_TRY(read_text(value, "isp", out.isp));
  return read_text(value, "ip_type", out.ip_type);
}

Status read_quality(Value value, core::ProposalQuality& out) {
  MYST_TRY(expect_object(value, "proposal quality"));
  MYST_TRY(read_number(value, "quality", out.quality));
  MYST_TRY(read_number(value, "latency", out.latency));
  MYST_TRY(read_number(value, "bandwidth", out.bandwidth));
  MYST_TRY(read_number(value, "uptime", out.uptime));
  MYST_TRY(read_number(value, "packetLoss", out.packet_loss));
  out.monitoring_failed = value.get("monitoring_failed", Case::Ignore).boolean_or(false);
  return {};
}

// A definition that does not decode makes the contact unusable, not the proposal malformed.
void read_nats_definition(Value value, ProposalContact& contact) {
  contact.usable = false;
  if (!value.is_object()) return;
  const Value addresses = value.get("broker_addresses", Case::Ignore);
  if (!addresses.is_nothing() && !addresses.is_array()) return;
  for (const auto& [name, address] : addresses) {
    const auto text = address.string();
    if (!text.ok() || contact.broker_addresses.size() >= kMaxAddresses) return;
    contact.broker_addresses.emplace_back(*text);
  }
  contact.usable = true;
}

Status read_contacts(Value value, std::vector<ProposalContact>& out) {
  for (const auto& [name, item] : value.is_array() ? value : Value()) {
    if (out.size() >= kMaxContacts) return Error{Errc::Full, 0, "proposal contacts"};
    ProposalContact contact;
    MYST_TRY(expect_object(item, "proposal contact"));
    MYST_TRY(read_text(item, "type", contact.type));
    if (contact.type == core::kNatsContact) {
      read_nats_definition(item.get("definition", Case::Ignore), contact);
    } else if (const Value definition = item.get("definition", Case::Ignore); definition.exists()) {
      contact.other_definition = definition.to_text();
    }
    out.push_back(std::move(contact));
  }
  return {};
}

Status read_policies(Value value, std::optional<std::vector<core::AccessPolicyRef>>& out) {
  if (value.is_nothing()) return {};
  if (!value.is_array()) return Error{Errc::Malformed, 0, "proposal access policies"};
  out.emplace();
  for (const auto& [name, item] : value) {
    if (out->size() >= kMaxPolicies) return Error{Errc::Full, 0, "proposal access policies"};
    core::AccessPolicyRef policy;
    MYST_TRY(expect_object(item, "proposal access policy"));
    MYST_TRY(read_text(item, "id", policy.id));
    MYST_TRY(read_text(item, "source", policy.source));
    out->push_back(std::move(policy));
  }
  return {};
}

// Brokers that were shut down; a substring test, so ".9" also hits .90 to .99
// (discovery: proposal/inmemory.go).
bool is_retired_broker(const std::string& address) {
  for (const char* ip : {"51.158.204.30", "51.158.204.75", "51.158.204.9", "51.158.204.23"}) {
    if (address.find(ip) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

std::string quality_json(const core::ProposalQuality& quality) {
  std::string out;
  Writer writer(out);
  writer.begin_object()
      .member("quality", quality.quality)
      .member("latency", quality.latency)
      .member("bandwidth", quality.bandwidth)
      .member("uptime", quality.uptime)
      .member("packetLoss", quality.packet_loss);
  if (quality.monitoring_failed) writer.member("monitoring_failed", true);
  writer.end_object();
  return out;
}

std::string proposal_json_head(const Proposal& proposal) {
  std::string out;
  Writer writer(out);
  writer.begin_object().member("id", proposal.id);
  text_member(writer, "format", proposal.format);
  writer.member("compatibility", proposal.compatibility);
  text_member(writer, "provider_id", proposal.provider_id);
  text_member(writer, "service_type", proposal.service_type);
  writer.key("location");
  write_location(writer, proposal.location);
  writer.key("contacts").begin_array();
  for (const ProposalContact& contact : proposal.contacts) write_contact(writer, contact);
  writer.end_array();
  if (proposal.access_policies) {
    writer.key("access_policies").begin_array();
    for (const core::AccessPolicyRef& policy : *proposal.access_policies) {
      writer.begin_object();
      text_member(writer, "id", policy.id);
      text_member(writer, "source", policy.source);
      writer.end_object();
    }
    writer.end_array();
  }
  writer.key("quality");
  return out;
}

std::string proposal_json(const Proposal& proposal) {
  return proposal_json_head(proposal) + quality_json(proposal.quality) + "}";
}

std::string proposal_message(const Proposal& proposal) {
  return "{\"proposal\":" + proposal_json(proposal) + "}";
}

Result<Proposal> read_proposal(Value value) {
  if (!value.is_object()) return Error{Errc::Malformed, 0, "proposal is no object"};
  Proposal out;
  out.format.clear();
  MYST_TRY_ASSIGN(out.id, read_integer(value, "id", std::numeric_limits<std::int64_t>::min(),
                                       std::numeric_limits<std::int64_t>::max()));
  MYST_TRY(read_text(value, "format", out.format));
  MYST_TRY_ASSIGN(const std::int64_t compatibility,
                  read_integer(value, "compatibility", -1000000, 1000000));
  out.compatibility = static_cast<int>(compatibility);
  MYST_TRY(read_text(value, "provider_id", out.provider_id));
  MYST_TRY(read_text(value, "service_type", out.service_type));
  MYST_TRY(read_location(value.get("location", Case::Ignore), out.location));
  MYST_TRY(read_contacts(value.get("contacts", Case::Ignore), out.contacts));
  MYST_TRY(read_policies(value.get("access_policies", Case::Ignore), out.access_policies));
  MYST_TRY(read_quality(value.get("quality", Case::Ignore), out.quality));
  return out;
}

Result<Proposal> read_proposal_message(std::string_view payload) {
  json::Limits limits;
  limits.max_bytes = kMaxMessage;
  MYST_TRY_ASSIGN(const auto document, json::Document::parse(payload, limits));
  return read_proposal(document.root().get("proposal", Case::Ignore));
}

Result<std::vector<Proposal>> read_proposal_list(std::string_view text) {
  json::Limits limits;
  limits.max_bytes = kMaxList;
  MYST_TRY_ASSIGN(const auto document, json::Document::parse(text, limits));
  std::vector<Proposal> out;
  if (document.root().is_null()) return out;
  if (!document.root().is_array()) return Error{Errc::Malformed, 0, "proposal list"};
  for (const auto& [name, item] : document.root()) {
    MYST_TRY_ASSIGN(Proposal proposal, read_proposal(item));
    out.push_back(std::move(proposal));
  }
  return out;
}

Result<core::IndexedProposal> index_proposal(Proposal proposal) {
  const core::ProposalLocation& location = proposal.location;
  const Proposal& given = proposal;
  for (const std::string* text :
       {&given.format, &given.provider_id, &given.service_type, &location.continent,
        &location.country, &location.region, &location.city, &location.isp, &location.ip_type}) {
    if (text->size() > kMaxText) return Error{Errc::Rejected, 0, "proposal text too long"};
  }
  if (proposal.provider_id.empty() || proposal.service_type.empty()) {
    return Error{Errc::Rejected, 0, "proposal without provider or service"};
  }
  if (proposal.contacts.empty()) return Error{Errc::Rejected, 0, "proposal without contact"};
  for (ProposalContact& contact : proposal.contacts) {
    if (!contact.usable) return Error{Errc::Rejected, 0, "proposal contact without definition"};
    auto& addresses = contact.broker_addresses;
    addresses.erase(std::remove_if(addresses.begin(), addresses.end(), is_retired_broker),
                    addresses.end());
  }
  core::IndexedProposal out;
  out.json_head = proposal_json_head(proposal);
  proposal.contacts.clear();
  proposal.quality = {};
  out.proposal = std::move(proposal);
  return out;
}

}  // namespace myst::discovery
