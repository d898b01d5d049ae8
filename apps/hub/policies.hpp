// The access policies a hub serves: one document a file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/market/access_policy.hpp"

namespace myst::hub {

class Policies {
 public:
  static constexpr std::size_t kMaxDocuments = 1000;
  Policies() = default;  // none given: everybody is allowed

  // All *.json of the folder. A file that does not parse is left out and named in `problems`. Io:
  // the folder cannot be read.
  static Result<Policies> load(const std::string& folder, std::vector<std::string>& problems);
  static Policies of(std::vector<core::AccessPolicyDocument> documents);

  // True when some policy names the identity, or no policies were given.
  bool allows(const std::string& identity) const {
    return !given_ || rules_.names_identity(identity);
  }
  struct Served {
    std::string json;
    std::string etag;  // with quotes
  };
  const Served& all() const { return all_; }
  const Served* find(std::string_view id) const;  // nullptr: no such policy
  std::size_t size() const { return documents_.size(); }

 private:
  bool given_ = false;
  core::AccessRules rules_;
  std::vector<std::pair<std::string, Served>> documents_;
  Served all_{"{\"entries\":[]}", "\"none\""};
};

}  // namespace myst::hub
