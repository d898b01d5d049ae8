// Access policies: who may use a service and which hosts its sessions may reach. Documents come
// from a trust oracle (or the hub); the rules of a service are the union over its policies.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace myst::core {

struct AccessRule {
  std::string type;  // identity, dns_hostname, dns_zone; others are ignored
  std::string value;
};

struct AccessPolicyDocument {
  std::string id;
  std::string title;
  std::string description;
  std::vector<AccessRule> allow;
};

// The URL of a policy: base, a slash if there is none, id.
std::string access_policy_source(std::string_view base, std::string_view id);

// Each kind only constrains when there is at least one rule of that kind.
class AccessRules {
 public:
  void add(const AccessPolicyDocument& document);
  // Exact text against the lower-case identity.
  bool allows_identity(const std::string& identity) const;
  bool names_identity(const std::string& identity) const {
    return identities_.count(identity) != 0;
  }
  // `host` as queried, with or without the trailing dot. A zone is the name and all below it; the
  // reference node tests the mere suffix, so that "example.com" also admits "notexample.com".
  bool allows_host(std::string_view host) const;
  bool constrains_hosts() const { return !hosts_.empty() || !zones_.empty(); }

 private:
  std::set<std::string> identities_;
  std::set<std::string, std::less<>> hosts_;
  std::set<std::string, std::less<>> zones_;
};

}  // namespace myst::core
