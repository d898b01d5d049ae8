#include "core/market/access_policy.hpp"

namespace myst::core {

std::string access_policy_source(std::string_view base, std::string_view id) {
  std::string out(base);
  if (out.empty() || out.back() != '/') out += '/';
  return out += id;
}

void AccessRules::add(const AccessPolicyDocument& document) {
  for (const AccessRule& rule : document.allow) {
    if (rule.value.empty()) continue;
    if (rule.type == "identity") identities_.insert(rule.value);
    if (rule.type == "dns_hostname") hosts_.insert(rule.value);
    if (rule.type == "dns_zone") zones_.insert(rule.value);
  }
}

bool AccessRules::allows_identity(const std::string& identity) const {
  return identities_.empty() || names_identity(identity);
}

bool AccessRules::allows_host(std::string_view host) const {
  if (!constrains_hosts()) return true;
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  if (hosts_.count(host) != 0) return true;
  // The name itself and each of its parents.
  for (std::string_view zone = host; !zone.empty();) {
    if (zones_.count(zone) != 0) return true;
    const std::size_t dot = zone.find('.');
    zone = dot == std::string_view::npos ? std::string_view() : zone.substr(dot + 1);
  }
  return false;
}

}  // namespace myst::core
