// The keystore folder: which files are accounts, which identity was used last, and writing new key
// files so that a power cut leaves a whole file or none. Blocking disk access: a worker's business,
// but for list(), which costs some stat calls when nothing changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/identity/address.hpp"

namespace myst::keystore {

class Directory {
 public:
  static constexpr std::size_t kMaxFiles = 1024;  // more are not looked at, in name order

  struct Account {
    std::string name;  // of the file
    Address address;
  };
  struct Listing {
    std::vector<Account> accounts;     // by file name, that is by age; one address may repeat
    std::vector<std::string> damaged;  // named like key files, but no accounts
  };

  explicit Directory(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }

  // What is there now; files that did not change since the last call are not read again.
  Listing list();

  // The text of the only file with that address. NotFound: none. Rejected: several, so that it is
  // not clear which one is meant. Io, Full: it cannot be read.
  Result<std::string> read(const Address& address);
  // AlreadyExists: the address has a file. Io: nothing was written, or not durably.
  Status write(const Address& address, std::string_view json, std::int64_t unix_nanoseconds);

  // remember.json: nullopt when there is none or it is not readable.
  std::optional<Address> remembered() const;
  Status remember(const Address& address);

 private:
  struct Entry {
    std::string name;
    std::int64_t changed_ns = 0;
    std::int64_t size = 0;
    std::uint64_t inode = 0;
    std::optional<Address> address;
  };
  std::vector<std::string> candidates() const;
  std::string path_;
  std::vector<Entry> known_;  // sorted by name
};

}  // namespace myst::keystore
