#include "drivers/config/user_file.hpp"

#include <cstring>

#include "drivers/config/toml.hpp"
#include "platform/system/files.hpp"

namespace myst::config {
namespace {

std::string reason(const Error& error) {
  if (error.code == Errc::Io && error.detail != 0) return std::strerror(error.detail);
  return error.what;
}

}  // namespace

UserFile::UserFile(std::string folder)
    : folder_(std::move(folder)), path_(folder_ + "/config-mainnet.toml") {}

Result<core::ConfigValue> UserFile::load(std::string* why) {
  const auto fail = [&](const std::string& text, const Error& error) {
    if (why != nullptr) *why = path_ + ": " + text;
    return error;
  };
  auto content = platform::read_file(path_, core::ConfigLimits::kFile);
  if (!content.ok() && content.error().code == Errc::NotFound) {
    if (const Status made = platform::make_directories(folder_, 0700); !made.ok()) {
      return fail("cannot make its directory: " + reason(made.error()), made.error());
    }
    if (const Status made = platform::write_file_atomically(path_, "", 0600); !made.ok()) {
      return fail("cannot be created: " + reason(made.error()), made.error());
    }
    content = std::string();
  }
  if (!content.ok()) return fail("cannot be read: " + reason(content.error()), content.error());
  std::string mistake;
  auto tree = parse_toml(*content, &mistake);
  if (!tree.ok()) return fail(mistake, tree.error());
  loaded_ = true;
  return tree;
}

Status UserFile::save(const core::ConfigValue& tree) const {
  if (!loaded_)
    return Error{Errc::InvalidState, 0, "the configuration file could not be read at start"};
  return platform::write_file_atomically(path_, write_toml(tree), 0600);
}

}  // namespace myst::config
