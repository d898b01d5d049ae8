// Who tells this machine's programs their resolvers, and how to change that and back.
//
//   resolvectl  systemd-resolved is in charge: servers and the catch-all domain go to the link
//   resolvconf  openresolv is in charge of /etc/resolv.conf
//   file        nobody is, or somebody who leaves a foreign file alone: replaced, content kept in
//   the
//               journal, put back as it was (file or symbolic link)
#pragma once

#include <string>

#include "core/base/result.hpp"
#include "core/system/change.hpp"

namespace myst::platform {

class Resolver {
 public:
  explicit Resolver(std::string resolv_conf = "/etc/resolv.conf") : path_(std::move(resolv_conf)) {}

  // What make() would do and undo() needs, in words for the journal. `live`: the prior of another
  // SetDns in force (its file is not the machine's own); empty: none.
  Result<std::string> probe(const std::string& live_prior) const;
  Status make(const core::SetDns& change, const std::string& prior);
  // `other`: a SetDns that stays in force. A file that somebody else wrote meanwhile is left alone.
  Status undo(const core::SetDns& change, const std::string& prior, const core::SetDns* other);

  const std::string& path() const { return path_; }

 private:
  Status make_file(const core::SetDns& change);
  Status undo_file(const std::string& prior);
  std::string path_;
};

}  // namespace myst::platform
