#include "core/market/filter.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/base/text.hpp"

namespace myst::core {
namespace {

constexpr std::size_t kMaxProviderIds = 100;
constexpr std::string_view kAllPolicies = "all";

bool any_provider(const ProposalFilter& filter, const Proposal& proposal) {
  if (filter.provider_ids.empty()) return true;
  return !proposal.provider_id.empty() &&
         std::find(filter.provider_ids.begin(), filter.provider_ids.end(), proposal.provider_id) !=
             filter.provider_ids.end();
}

bool equal_if_set(const std::string& wanted, const std::string& value) {
  return wanted.empty() || wanted == value;
}

bool same_place_and_type(const ProposalFilter& filter, const Proposal& proposal) {
  return equal_if_set(filter.service_type, proposal.service_type) &&
         equal_if_set(filter.location_country, proposal.location.country) &&
         equal_if_set(filter.ip_type, proposal.location.ip_type) && any_provider(filter, proposal);
}

// Integers of the reference server are 16 bits wide: beyond that they are clamped.
int parse_int16(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  if (text.empty()) return 0;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return 0;
    value = std::min(value * 10 + (c - '0'), 32768);
  }
  return negative ? -value : std::min(value, 32767);
}

double parse_number(std::string_view text) {
  // Digits, sign, point and exponent only: strtod would also take hex, inf and nan.
  if (text.empty() || text.size() > 40 ||
      text.find_first_not_of("0123456789+-.eE") != std::string_view::npos) {
    return 0;
  }
  const std::string copy(text);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (end != copy.c_str() + copy.size()) return 0;
  // Nothing has such a quality or bandwidth; the bound keeps the written form short.
  return std::clamp(value, -1e12, 1e12);
}

bool parse_bool(std::string_view text) {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) return true;
  }
  return false;
}

std::string two_decimals(double value) {
  char out[400];
  std::snprintf(out, sizeof out, "%.2f", value);
  return out;
}

}  // namespace

bool matches_locally(const ProposalFilter& filter, const Proposal& proposal) {
  if (!same_place_and_type(filter, proposal)) return false;
  if (filter.access_policy == kAllPolicies) return true;
  if (filter.access_policy.empty() && filter.access_policy_source.empty()) return true;
  const auto& policies = proposal.policies();
  return std::any_of(policies.begin(), policies.end(), [&](const AccessPolicyRef& policy) {
    return equal_if_set(filter.access_policy, policy.id) &&
           equal_if_set(filter.access_policy_source, policy.source);
  });
}

bool matches_statically(const ProposalFilter& filter, const Proposal& proposal) {
  if (!same_place_and_type(filter, proposal)) return false;
  if (filter.compatibility_min != 0 && proposal.compatibility < filter.compatibility_min)
    return false;
  if (filter.compatibility_max != 0 && proposal.compatibility > filter.compatibility_max)
    return false;
  const auto& policies = proposal.policies();
  const auto has = [&](auto field, const std::string& value) {
    return std::any_of(policies.begin(), policies.end(),
                       [&](const AccessPolicyRef& policy) { return policy.*field == value; });
  };
  if (filter.access_policy.empty() && !policies.empty()) return false;
  if (!filter.access_policy.empty() && filter.access_policy != kAllPolicies &&
      !has(&AccessPolicyRef::id, filter.access_policy)) {
    return false;
  }
  return filter.access_policy_source.empty() ||
         has(&AccessPolicyRef::source, filter.access_policy_source);
}

std::string to_query(const ProposalFilter& filter) {
  std::string out;
  const auto add = [&](const char* name, const std::string& value) {
    if (!out.empty()) out += '&';
    out += name;
    out += '=';
    out += form_encode(value);
  };
  const auto add_text = [&](const char* name, const std::string& value) {
    if (!value.empty()) add(name, value);
  };
  // Alphabetical order.
  add_text("access_policy", filter.access_policy);
  add_text("access_policy_source", filter.access_policy_source);
  if (filter.bandwidth_min > 0) add("bandwidth_min", two_decimals(filter.bandwidth_min));
  if (filter.compatibility_min != 0 || filter.compatibility_max != 0) {
    add("compatibility_max", std::to_string(filter.compatibility_max));
    add("compatibility_min", std::to_string(filter.compatibility_min));
  }
  if (filter.include_monitoring_failed) add("include_monitoring_failed", "true");
  add_text("ip_type", filter.ip_type);
  add_text("location_country", filter.location_country);
  add_text("nat_compatibility", filter.nat_compatibility);
  if (filter.preset_id != 0) add("preset_id", std::to_string(filter.preset_id));
  for (const std::string& id : filter.provider_ids) add("provider_id", id);
  if (filter.quality_min < 0 || filter.quality_min > 0) {
    add("quality_min", two_decimals(filter.quality_min));
  }
  add_text("service_type", filter.service_type);
  return out;
}

ProposalFilter parse_proposal_query(std::string_view query) {
  ProposalFilter filter;
  for (const std::string_view pair : split(query, '&')) {
    const std::size_t equals = pair.find('=');
    const std::string name = form_decode(pair.substr(0, equals));
    const std::string value =
        equals == std::string_view::npos ? "" : form_decode(pair.substr(equals + 1));
    // Of a repeated name the first one counts, except for provider_id.
    const auto first = [&](std::string& field) {
      if (field.empty()) field = value;
    };
    if (name == "provider_id") {
      if (filter.provider_ids.size() < kMaxProviderIds) filter.provider_ids.push_back(value);
    } else if (name == "service_type") {
      first(filter.service_type);
    } else if (name == "location_country") {
      first(filter.location_country);
    } else if (name == "ip_type") {
      first(filter.ip_type);
    } else if (name == "access_policy") {
      first(filter.access_policy);
    } else if (name == "access_policy_source") {
      first(filter.access_policy_source);
    } else if (name == "compatibility_min") {
      filter.compatibility_min = parse_int16(value);
    } else if (name == "compatibility_max") {
      filter.compatibility_max = parse_int16(value);
    } else if (name == "bandwidth_min") {
      filter.bandwidth_min = parse_number(value);
    } else if (name == "quality_min") {
      filter.quality_min = parse_number(value);
    } else if (name == "nat_compatibility") {
      first(filter.nat_compatibility);
    } else if (name == "include_monitoring_failed") {
      filter.include_monitoring_failed = parse_bool(value);
    } else if (name == "preset_id") {
      filter.preset_id = parse_int16(value);
    }
  }
  return filter;
}

std::string form_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      append_percent(out, c);
    }
  }
  return out;
}

std::string form_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '+') {
      out += ' ';
    } else if (c == '%' && text.size() - i > 2 && hex_digit(text[i + 1]) >= 0 &&
               hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace myst::core
