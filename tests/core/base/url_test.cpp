#include "core/base/url.hpp"

#include <gtest/gtest.h>

namespace myst {
namespace {

TEST(Url, PartsAreTakenApart) {
  const auto url = Url::parse("HTTPS://us%20er:pw@Example.ORG:8443/a/b%20c?x=1&y=#frag");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->user_info, "us%20er:pw");
  EXPECT_EQ(url->host, "example.org");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->path, "/a/b%20c");
  EXPECT_EQ(url->query, "x=1&y=");
  EXPECT_EQ(url->target(), "/a/b%20c?x=1&y=");
  EXPECT_EQ(url->to_string(), "https://us%20er:pw@example.org:8443/a/b%20c?x=1&y=");
}

TEST(Url, LittleIsEnough) {
  const auto url = Url::parse("nats://broker");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->host, "broker");
  EXPECT_EQ(url->port_or(4222), 4222);
  EXPECT_EQ(url->target(), "/");
  EXPECT_EQ(Url::parse("http://h?q")->target(), "/?q");
  EXPECT_EQ(Url::parse("http://h:/")->port, 0);
}

TEST(Url, Ipv6StandsInBrackets) {
  const auto url = Url::parse("http://[::1]:80/");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->authority(), "[::1]:80");
}

TEST(Url, BrokenOnesAreMalformed) {
  for (const char* text : {"", "host", "://host", "http:/host", "http://", "http://:80",
                           "http://h:0", "http://h:65536", "http://h:1x", "http://[::1",
                           "http://[1.2.3.4]/", "http://[::1]x", "http://a b/", "http://h/\r\nX: y",
                           "http://h\x01", "http://h\xc3\xa4/", "http://ho_st!/", "1http://h"}) {
    EXPECT_FALSE(Url::parse(text).ok()) << text;
  }
  EXPECT_FALSE(Url::parse("http://h/" + std::string(Url::kMaxLength, 'a')).ok());
}

TEST(PercentEncoding, RoundTripsEveryByte) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  const std::string encoded = percent_encode(all);
  EXPECT_EQ(*percent_decode(encoded), all);
  EXPECT_EQ(percent_encode("a b/~"), "a%20b%2F~");
  for (const char* text : {"%", "%1", "%zz", "a%4"}) EXPECT_FALSE(percent_decode(text).ok());
}

TEST(Query, PairsAreDecoded) {
  const auto query = parse_query("a=1&b=x%20y+z&&c&d=e=f");
  ASSERT_TRUE(query.ok());
  const QueryParameters expected = {{"a", "1"}, {"b", "x y z"}, {"c", ""}, {"d", "e=f"}};
  EXPECT_EQ(*query, expected);
  EXPECT_TRUE(parse_query("")->empty());
  EXPECT_FALSE(parse_query("a=%").ok());
  std::string many;
  for (int i = 0; i < 300; ++i) many += "a&";
  EXPECT_FALSE(parse_query(many).ok());
}

}  // namespace
}  // namespace myst
