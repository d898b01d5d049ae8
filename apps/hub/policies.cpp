#include "apps/hub/policies.hpp"

#include <dirent.h>
#include <errno.h>

#include <algorithm>
#include <memory>

#include "core/base/text.hpp"
#include "core/crypto/keccak.hpp"
#include "drivers/discovery/policy_codec.hpp"
#include "platform/system/files.hpp"

namespace myst::hub {
namespace {

constexpr std::size_t kMaxFile = 16u << 20;

Policies::Served served(std::string json) {
  const std::string digest = to_hex(keccak256(as_bytes(json)));
  return {std::move(json), "\"" + digest.substr(0, 32) + "\""};
}

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

}  // namespace

Policies Policies::of(std::vector<core::AccessPolicyDocument> documents) {
  Policies out;
  out.given_ = true;
  for (const auto& document : documents) {
    out.rules_.add(document);
    out.documents_.emplace_back(document.id, served(discovery::write_access_policy(document)));
  }
  out.all_ = served(discovery::write_access_policies(documents));
  return out;
}

Result<Policies> Policies::load(const std::string& folder, std::vector<std::string>& problems) {
  const std::unique_ptr<DIR, CloseDir> dir(::opendir(folder.c_str()));
  if (dir == nullptr) return Error{Errc::Io, errno, "policies folder"};
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name.size() > 5 && name.substr(name.size() - 5) == ".json") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  std::vector<core::AccessPolicyDocument> documents;
  for (const std::string& name : names) {
    if (documents.size() >= kMaxDocuments) {
      problems.push_back(name + ": more than 1000 policies");
      break;
    }
    const auto text = platform::read_file(folder + "/" + name, kMaxFile);
    if (!text.ok()) {
      problems.push_back(name + ": " + text.error().what);
      continue;
    }
    auto document = discovery::read_access_policy(*text);
    if (!document.ok()) {
      problems.push_back(name + ": " + document.error().what);
      continue;
    }
    documents.push_back(std::move(*document));
  }
  return of(std::move(documents));
}

const Policies::Served* Policies::find(std::string_view id) const {
  for (const auto& [name, document] : documents_) {
    if (name == id) return &document;
  }
  return nullptr;
}

}  // namespace myst::hub
