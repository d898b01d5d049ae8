#include "core/base/time_text.hpp"

#include <gtest/gtest.h>

namespace myst {
namespace {

std::int64_t ms(std::string_view text) {
  const auto time = parse_rfc3339(text);
  return time.ok() ? time->time_since_epoch().count() : -1;
}

TEST(TimeText, ReadsAndWrites) {
  EXPECT_EQ(ms("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(ms("2023-11-14T22:13:20Z"), 1700000000000);
  EXPECT_EQ(ms("2023-11-14T23:13:20.123456789+01:00"), 1700000000123);
  EXPECT_EQ(ms("2023-11-14T17:13:20-05:00"), 1700000000000);
  EXPECT_EQ(ms("2024-02-29T00:00:00Z"), 1709164800000);
  for (const char* text :
       {"1970-01-01T00:00:00Z", "2026-01-01T00:05:00Z", "2000-02-29T23:59:59.007Z",
        "1969-12-31T23:59:59.500Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"}) {
    EXPECT_EQ(to_rfc3339(*parse_rfc3339(text)), text);
  }
}

TEST(TimeText, ReadsHttpDates) {
  const auto read = parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(to_rfc3339(*read), "1994-11-06T08:49:37Z");
  for (const char* text : {"", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Feb 1994 08:49:37 GMT",
                           "Sun, 06 anF 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                           "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:61:37 GMT"}) {
    EXPECT_FALSE(parse_http_date(text).ok()) << text;
  }
}

TEST(TimeText, RefusesWhatIsNoTime) {
  for (const char* text :
       {"", "2023-11-14", "2023-11-14T22:13:20", "2023-13-14T22:13:20Z", "2023-02-29T00:00:00Z",
        "2023-11-14T24:13:20Z", "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20Zx",
        "2023-11-14 22:13:20Z", "0000-01-01T00:00:00Z", "2023-11-14T22:13:20+1:00"}) {
    EXPECT_FALSE(parse_rfc3339(text).ok()) << text;
  }
}

}  // namespace
}  // namespace myst
