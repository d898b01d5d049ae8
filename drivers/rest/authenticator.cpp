#include "drivers/rest/authenticator.hpp"

#include <crypt.h>

#include <array>
#include <memory>

#include "core/base/secret.hpp"
#include "core/base/text.hpp"
#include "drivers/rest/jwt.hpp"
#include "platform/system/files.hpp"

namespace myst::rest {
namespace {

constexpr std::size_t kWaiting = 8;
constexpr std::int64_t kTokenLifetime = 48 * 3600;
constexpr unsigned long kCost = 10;  // as the reference: bcrypt.DefaultCost

bool fits_bcrypt(std::string_view password) {
  return password.size() <= 72 && password.find('\0') == std::string_view::npos;
}

// Blocking: the stored hash, made from the initial password when there is none.
std::string stored_hash(const std::string& file) {
  if (const auto content = platform::read_file(file, 4096); content.ok()) {
    const std::string_view line = trim(std::string_view(*content).substr(0, content->find('\n')));
    if (!line.empty()) return std::string(line);
  } else if (content.error().code != Errc::NotFound) {
    return "";
  }
  if (!store_password(file, kInitialPassword).ok()) return "";
  const auto content = platform::read_file(file, 4096);
  return content.ok() ? std::string(trim(*content)) : "";
}

}  // namespace

Result<std::string> hash_password(std::string_view password) {
  if (!fits_bcrypt(password)) return Error{Errc::Rejected, 0, "password above 72 bytes"};
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> salt{};
  if (crypt_gensalt_rn("$2a$", kCost, nullptr, 0, salt.data(), salt.size()) == nullptr) {
    return Error{Errc::Internal, 0, "no bcrypt in this system's libcrypt"};
  }
  auto data = std::make_unique<crypt_data>();  // 32 KB: not on the stack
  std::string phrase(password);
  const char* hash = crypt_r(phrase.c_str(), salt.data(), data.get());
  wipe(phrase.data(), phrase.size());
  if (hash == nullptr || hash[0] != '$') return Error{Errc::Internal, 0, "bcrypt failed"};
  return std::string(hash);
}

bool password_matches(std::string_view password, const std::string& hash) {
  if (hash.compare(0, 2, "$2") != 0 || !fits_bcrypt(password)) return false;
  auto data = std::make_unique<crypt_data>();
  std::string phrase(password);
  const char* made = crypt_r(phrase.c_str(), hash.c_str(), data.get());
  wipe(phrase.data(), phrase.size());
  return made != nullptr && equal_constant_time(as_bytes(made), as_bytes(hash));
}

Status store_password(const std::string& file, std::string_view password) {
  MYST_TRY_ASSIGN(const std::string hash, hash_password(password));
  return platform::write_file_atomically(file, hash, 0600);
}

Authenticator::Authenticator(platform::Loop& loop, std::string password_file, Bytes key)
    : queue_(loop, kWaiting), file_(std::move(password_file)), key_(std::move(key)) {}

Authenticator::~Authenticator() { wipe(key_.data(), key_.size()); }

void Authenticator::check(std::string username, std::string password,
                          std::function<void(bool)> done) {
  if (username != kUsername) return done(false);
  const Status queued = queue_.submit_for<bool>(
      [file = file_, password = std::move(password)] {
        return password_matches(password, stored_hash(file));
      },
      done);
  if (!queued.ok()) done(false);
}

void Authenticator::change(std::string username, std::string old_password, std::string new_password,
                           std::function<void(bool)> done) {
  if (username != kUsername) return done(false);
  const Status queued = queue_.submit_for<bool>(
      [file = file_, old_password = std::move(old_password),
       new_password = std::move(new_password)] {
        return password_matches(old_password, stored_hash(file)) &&
               store_password(file, new_password).ok();
      },
      done);
  if (!queued.ok()) done(false);
}

Authenticator::Token Authenticator::issue(WallTime now) const {
  const std::int64_t expires_at = unix_seconds(now) + kTokenLifetime;
  return {make_token(key_, kUsername, expires_at), expires_at};
}

Status Authenticator::verify(std::string_view token, WallTime now) const {
  MYST_TRY(check_token(key_, token, unix_seconds(now)));
  return {};
}

}  // namespace myst::rest
