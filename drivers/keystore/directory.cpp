#include "drivers/keystore/directory.hpp"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "drivers/keystore/key_file.hpp"
#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"
#include "platform/system/files.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::keystore {
namespace {

constexpr std::size_t kMaxNames = 65536;
constexpr char kRemember[] = "remember.json";

struct CloseFolder {
  void operator()(DIR* folder) const { (void)::closedir(folder); }
};

bool looks_like_key_file(std::string_view name) {
  return name.size() == 77 && name.substr(0, 5) == "UTC--" && name.substr(34, 3) == "Z--";
}

}  // namespace

std::vector<std::string> Directory::candidates() const {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, CloseFolder> folder(::opendir(path_.c_str()));
  if (folder == nullptr) return names;
  while (names.size() < kMaxNames) {
    const dirent* const entry = ::readdir(folder.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    // node: accounts/keystore file_cache.go: hidden files and editors' backups are no keys.
    if (name.front() == '.' || name.back() == '~') continue;
    names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  if (names.size() > kMaxFiles) names.resize(kMaxFiles);
  return names;
}

Directory::Listing Directory::list() {
  std::vector<Entry> found;
  auto before = known_.begin();
  for (std::string& name : candidates()) {
    struct stat info {};
    const std::string full = path_ + "/" + name;
    if (::lstat(full.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    Entry entry;
    entry.changed_ns = std::int64_t{info.st_mtim.tv_sec} * 1000000000 + info.st_mtim.tv_nsec;
    entry.size = info.st_size;
    entry.inode = info.st_ino;
    while (before != known_.end() && before->name < name) ++before;
    if (before != known_.end() && before->name == name && before->changed_ns == entry.changed_ns &&
        before->size == entry.size && before->inode == entry.inode) {
      entry.address = before->address;
    } else if (const auto text = platform::read_file(full, kMaxFileSize); text.ok()) {
      if (const auto address = claimed_address(*text); address.ok()) entry.address = *address;
    }
    entry.name = std::move(name);
    found.push_back(std::move(entry));
  }
  known_ = std::move(found);
  Listing listing;
  for (const Entry& entry : known_) {
    if (entry.address) {
      listing.accounts.push_back({entry.name, *entry.address});
    } else if (looks_like_key_file(entry.name)) {
      listing.damaged.push_back(entry.name);
    }
  }
  return listing;
}

Result<std::string> Directory::read(const Address& address) {
  std::string name;
  for (const Account& account : list().accounts) {
    if (account.address != address) continue;
    if (!name.empty()) return Error{Errc::Rejected, 0, "several key files for this identity"};
    name = account.name;
  }
  if (name.empty()) return Error{Errc::NotFound, 0, "identity not found"};
  return platform::read_file(path_ + "/" + name, kMaxFileSize);
}

Status Directory::write(const Address& address, std::string_view json,
                        std::int64_t unix_nanoseconds) {
  for (const Account& account : list().accounts) {
    if (account.address == address) return Error{Errc::AlreadyExists, 0, "account already exists"};
  }
  MYST_TRY(platform::make_directories(path_, 0700));
  // Hidden until it is whole and read back: a half-written file must never be listed, and two files
  // of one address would make the identity unusable.
  const std::string name = key_file_name(address, unix_nanoseconds);
  const std::string hidden = path_ + "/." + name + ".tmp";
  MYST_TRY(platform::write_file_atomically(hidden, json, 0600));
  const auto back = platform::read_file(hidden, kMaxFileSize);
  if (!back.ok() || *back != json) {
    (void)::unlink(hidden.c_str());
    return Error{Errc::Io, 0, "key file does not read back"};
  }
  const std::string final_path = path_ + "/" + name;
  if (::rename(hidden.c_str(), final_path.c_str()) != 0) {
    const Error error{Errc::Io, errno, "rename key file"};
    (void)::unlink(hidden.c_str());
    return error;
  }
  platform::UniqueFd folder(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid() || ::fsync(folder.get()) != 0) {
    return Error{Errc::Io, errno, "sync keystore folder"};
  }
  return {};
}

std::optional<Address> Directory::remembered() const {
  const auto text = platform::read_file(path_ + "/" + kRemember, kMaxFileSize);
  if (!text.ok()) return std::nullopt;
  const auto document = json::Document::parse(*text, {kMaxFileSize, 16});
  if (!document.ok()) return std::nullopt;
  const auto address = document->root()
                           .get("identity", json::Case::Ignore)
                           .get("address", json::Case::Ignore)
                           .string();
  if (!address.ok()) return std::nullopt;
  const auto parsed = Address::parse(*address);
  if (!parsed.ok()) return std::nullopt;
  return *parsed;
}

Status Directory::remember(const Address& address) {
  MYST_TRY(platform::make_directories(path_, 0700));
  std::string text;
  json::Writer(text)
      .begin_object()
      .key("identity")
      .begin_object()
      .member("address", address.to_string())
      .end_object()
      .end_object();
  // The temporary file beside it is no account either: it has no top-level address.
  return platform::write_file_atomically(path_ + "/" + kRemember, text, 0644);
}

}  // namespace myst::keystore
