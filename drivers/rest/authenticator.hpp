// The node's one account: user `myst`, its password as a bcrypt hash in `<data-dir>/nodeui-pass`
// (the file the reference node keeps), tokens signed with a key of the node's database.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "platform/loop/work_queue.hpp"

namespace myst::rest {

constexpr char kUsername[] = "myst";
constexpr char kInitialPassword[] = "mystberry";

// "$2a$10$..." with a fresh salt. Rejected: above 72 bytes or with a NUL, which bcrypt would
// ignore. Slow on purpose (tens of milliseconds, a second on small boards): never in the loop's
// thread.
Result<std::string> hash_password(std::string_view password);
bool password_matches(std::string_view password, const std::string& hash);

// Replaces the stored hash; blocking, as `myst reset` uses it.
Status store_password(const std::string& file, std::string_view password);

class Authenticator {
 public:
  // `key`: 256 random bytes. More than a few checks waiting at once are refused: no queue for
  // guesses.
  Authenticator(platform::Loop& loop, std::string password_file, Bytes key);
  ~Authenticator();

  // The file is read on every check, so a reset takes effect at once; it is made when missing.
  void check(std::string username, std::string password, std::function<void(bool)> done);
  void change(std::string username, std::string old_password, std::string new_password,
              std::function<void(bool)> done);

  struct Token {
    std::string text;
    std::int64_t expires_at;  // Unix seconds
  };
  Token issue(WallTime now) const;  // 48 hours
  Status verify(std::string_view token, WallTime now) const;

 private:
  platform::WorkQueue queue_;
  std::string file_;
  Bytes key_;
};

}  // namespace myst::rest
