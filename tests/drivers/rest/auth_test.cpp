#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/text.hpp"
#include "core/crypto/sha2.hpp"
#include "drivers/rest/authenticator.hpp"
#include "drivers/rest/filters.hpp"
#include "drivers/rest/jwt.hpp"
#include "platform/system/files.hpp"

namespace myst::rest {
namespace {

const Bytes kKey(256, 7);

std::string token_of(std::string_view header, std::string_view claims) {
  const std::string body = to_base64url(as_bytes(header)) + "." + to_base64url(as_bytes(claims));
  return body + "." + to_base64url(hmac_sha256(kKey, as_bytes(body)));
}

TEST(Jwt, OwnTokensPassUntilTheyExpire) {
  const std::string token = make_token(kKey, "myst", 1000);
  EXPECT_EQ(*check_token(kKey, token, 999), "myst");
  EXPECT_EQ(check_token(kKey, token, 1000).error().code, Errc::Timeout);
  EXPECT_FALSE(check_token(Bytes(256, 8), token, 0).ok());
  EXPECT_FALSE(check_token(Bytes{}, token, 0).ok());
}

TEST(Jwt, ReadsTheTokenOfRfc7515) {
  // RFC 7515 appendix A.1.
  const auto key = from_base64url(
      "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
  const char* token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
      ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
      "cnVlfQ"
      ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  EXPECT_TRUE(check_token(*key, token, 1300819379).ok());
  EXPECT_EQ(check_token(*key, token, 1300819380).error().code, Errc::Timeout);
}

TEST(Jwt, ForgeriesAreRefused) {
  const std::string good = make_token(kKey, "myst", 1000);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(check_token(kKey, bad, 0).ok()) << i;
  }
  EXPECT_FALSE(check_token(kKey, token_of(R"({"alg":"none"})", R"({"exp":9})"), 0).ok());
  EXPECT_FALSE(check_token(kKey, token_of(R"({"alg":"RS256"})", R"({"exp":9})"), 0).ok());
  EXPECT_FALSE(check_token(kKey, token_of(R"({"alg":"HS256"})", R"({"username":"myst"})"), 0).ok());
  EXPECT_FALSE(check_token(kKey, token_of(R"({"alg":"HS256"})", "[]"), 0).ok());
  EXPECT_TRUE(check_token(kKey, token_of(R"({"alg":"HS256"})", R"({"exp":9.5})"), 9).ok());
  for (const char* bad : {"", ".", "..", "a.b", "a.b.c.d"}) {
    EXPECT_FALSE(check_token(kKey, bad, 0).ok()) << bad;
  }
  EXPECT_FALSE(check_token(kKey, std::string(10000, 'a'), 0).ok());
}

TEST(Jwt, TheHeaderAloneCountsWhenItIsThere) {
  EXPECT_EQ(*find_token("bEaReR abc", "token=xyz"), "abc");
  EXPECT_EQ(find_token("Basic abc", "token=xyz").error().code, Errc::Malformed);
  EXPECT_EQ(find_token("Bearer", "").error().code, Errc::Malformed);
  EXPECT_EQ(find_token("Bearer a b", "").error().code, Errc::Malformed);
  EXPECT_EQ(*find_token("", "a=b; token=x%2Ey; c=d"), "x.y");
  EXPECT_EQ(find_token("", "atoken=x").error().code, Errc::NotFound);
}

class AccountTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/myst-rest-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    folder_ = path;
  }
  void TearDown() override {
    (void)unlink(file().c_str());
    (void)rmdir(folder_.c_str());
  }
  std::string file() const { return folder_ + "/nodeui-pass"; }
  bool check(Authenticator& account, const char* user, std::string password) {
    std::optional<bool> result;
    account.check(user, std::move(password), [&](bool good) { result = good; });
    EXPECT_TRUE(loop_.run_until([&] { return result.has_value(); }, std::chrono::seconds{20}));
    return result.value_or(false);
  }
  bool change(Authenticator& account, std::string from, std::string to) {
    std::optional<bool> result;
    account.change(kUsername, std::move(from), std::move(to), [&](bool good) { result = good; });
    EXPECT_TRUE(loop_.run_until([&] { return result.has_value(); }, std::chrono::seconds{20}));
    return result.value_or(false);
  }
  std::string folder_;
  platform::Loop loop_;
};

TEST(Bcrypt, MatchesKnownHashesOnly) {
  // The test vector of Go's bcrypt package, cost 10.
  const std::string hash = "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga";
  EXPECT_TRUE(password_matches("allmine", hash));
  EXPECT_FALSE(password_matches("allmind", hash));
  EXPECT_FALSE(password_matches("allmine", ""));
  EXPECT_FALSE(password_matches("allmine", "$2a$10$short"));
  EXPECT_FALSE(password_matches("x", "$6$salt$whatever"));  // another scheme
  EXPECT_FALSE(hash_password(std::string(73, 'x')).ok());
  EXPECT_FALSE(hash_password(std::string_view("a\0b", 3)).ok());
}

TEST_F(AccountTest, FirstCheckMakesTheInitialPassword) {
  Authenticator account(loop_, file(), kKey);
  EXPECT_TRUE(check(account, "myst", kInitialPassword));
  EXPECT_FALSE(check(account, "myst", "other"));
  EXPECT_FALSE(check(account, "root", kInitialPassword));
  struct stat info {};
  ASSERT_EQ(stat(file().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto content = platform::read_file(file(), 1000);
  EXPECT_EQ(content->compare(0, 7, "$2a$10$"), 0) << *content;
}

TEST_F(AccountTest, ChangingNeedsTheOldPassword) {
  Authenticator account(loop_, file(), kKey);
  EXPECT_FALSE(change(account, "wrong", "new"));
  EXPECT_TRUE(change(account, kInitialPassword, "new"));
  EXPECT_TRUE(check(account, "myst", "new"));
  EXPECT_FALSE(check(account, "myst", kInitialPassword));
  EXPECT_FALSE(change(account, "new", std::string(80, 'x')));
  ASSERT_TRUE(store_password(file(), "again").ok());  // `myst reset`, seen without a restart
  EXPECT_TRUE(check(account, "myst", "again"));
}

TEST_F(AccountTest, AFloodOfGuessesIsRefusedAtOnce) {
  Authenticator account(loop_, file(), kKey);
  int answered = 0;
  for (int i = 0; i < 30; ++i) account.check("myst", "guess", [&](bool) { ++answered; });
  EXPECT_GE(answered, 20);
  EXPECT_TRUE(loop_.run_until([&] { return answered == 30; }, std::chrono::seconds{20}));
}

TEST(HostFilter, FollowsTheList) {
  const HostFilter filter(".localhost, localhost, .localdomain");
  for (const char* good : {"", "localhost", "LOCALHOST:4050", "a.b.localhost", "x.localdomain.",
                           "127.0.0.1", "8.8.8.8:80", "[::1]:4050", "localhost."}) {
    EXPECT_TRUE(filter.allows(good)) << good;
  }
  for (const char* bad : {"evil.example", "localdomain", "::1", "[::1]", "notlocalhost",
                          "localhost.evil", "localhost:x", "[::1]:99999", "[evil]:80", "."}) {
    EXPECT_FALSE(filter.allows(bad)) << bad;
  }
  EXPECT_TRUE(HostFilter(".").allows("anything.example"));
  EXPECT_FALSE(HostFilter("").allows("localhost"));
}

TEST(Filters, OriginMustBeTheHostAsked) {
  Request request;
  request.host = "localhost:4050";
  EXPECT_TRUE(origin_is_ours(request));
  request.origin = "http://localhost:4050";
  EXPECT_TRUE(origin_is_ours(request));
  for (const char* bad : {"http://localhost", "null", "http://evil", "ftp://localhost:4050"}) {
    request.origin = bad;
    EXPECT_FALSE(origin_is_ours(request)) << bad;
  }
}

TEST(Filters, LoopbackLooksBehindTheLocalProxyOnly) {
  Request request;
  request.peer = IpAddress::v4(127, 0, 0, 1);
  EXPECT_TRUE(comes_from_loopback(request));
  request.forwarded_for = "127.0.0.1, 192.168.1.5";
  EXPECT_FALSE(comes_from_loopback(request));
  request.forwarded_for = "192.168.1.5, 127.0.0.1";
  EXPECT_FALSE(comes_from_loopback(request));
  request.forwarded_for = "127.0.0.1";
  EXPECT_TRUE(comes_from_loopback(request));
  request.forwarded_for = "nonsense";
  EXPECT_FALSE(comes_from_loopback(request));
  request.forwarded_for = "";
  request.real_ip = "10.0.0.9";
  EXPECT_FALSE(comes_from_loopback(request));
  request.real_ip = "";
  request.peer = IpAddress::v4(192, 168, 1, 5);
  request.forwarded_for = "127.0.0.1";  // only a local proxy is believed
  EXPECT_FALSE(comes_from_loopback(request));
}

}  // namespace
}  // namespace myst::rest
