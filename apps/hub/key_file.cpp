#include "apps/hub/key_file.hpp"

#include <sys/stat.h>

#include <cstring>

#include "core/base/text.hpp"
#include "drivers/keystore/key_file.hpp"
#include "platform/system/files.hpp"

namespace myst::hub {
namespace {

constexpr std::uint64_t kScryptMemory = 1u << 30;

std::string cannot_read(const std::string& path, const Error& error) {
  std::string out = "cannot read the key file " + path;
  if (error.code == Errc::Io && error.detail > 0) {
    out += std::string(": ") + std::strerror(error.detail);
  } else if (error.code == Errc::NotFound) {
    out += ": no such file";
  }
  return out;
}

}  // namespace

std::variant<LocalSigner, std::string> read_key_file(const std::string& path,
                                                     const std::string& passphrase_file) {
  const auto content = platform::read_file(path, keystore::kMaxFileSize);
  if (!content.ok()) return cannot_read(path, content.error());
  const std::string_view text = trim(*content);
  Secret<32> key;
  if (!text.empty() && text.front() == '{') {
    std::string passphrase;
    if (!passphrase_file.empty()) {
      const auto read = platform::read_file(passphrase_file, 4096);
      if (!read.ok()) return cannot_read(passphrase_file, read.error());
      passphrase = *read;
      while (!passphrase.empty() && (passphrase.back() == '\n' || passphrase.back() == '\r')) {
        passphrase.pop_back();
      }
    }
    auto opened = keystore::open_key(text, as_bytes(passphrase), kScryptMemory);
    if (!opened.ok()) {
      return path + ": " +
             (opened.error().code == Errc::Unauthorized ? "wrong passphrase" : opened.error().what);
    }
    key = std::move(opened->key);
  } else {
    const std::string_view digits = text.substr(0, 2) == "0x" ? text.substr(2) : text;
    if (!from_hex(digits, key.mutable_bytes()).ok()) {
      return path + " holds neither 64 hex digits nor a keystore file";
    }
  }
  auto signer = LocalSigner::from_key(key);
  if (!signer.ok()) return path + " holds no private key";
  return std::move(*signer);
}

bool is_exposed(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && (info.st_mode & 077) != 0;
}

}  // namespace myst::hub
