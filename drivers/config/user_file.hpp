// The user's configuration file: `config-mainnet.toml` in the configuration directory, of every
// network. Blocking; the owner saves on an ordered worker.
#pragma once

#include <string>

#include "core/base/result.hpp"
#include "core/config/value.hpp"

namespace myst::config {

class UserFile {
 public:
  explicit UserFile(std::string folder);

  // The folder (0700) and an empty file are made when missing. After an error the node goes on
  // without a user layer, and save() refuses: what could not be read must not be overwritten.
  // `why`: the same for people, with path and line.
  Result<core::ConfigValue> load(std::string* why);
  // The whole file, atomically. InvalidState: not loaded.
  Status save(const core::ConfigValue& tree) const;

  const std::string& path() const { return path_; }
  bool loaded() const { return loaded_; }

 private:
  std::string folder_, path_;
  bool loaded_ = false;
};

}  // namespace myst::config
