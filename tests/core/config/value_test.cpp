#include "core/config/value.hpp"

#include <gtest/gtest.h>

namespace myst::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(ConfigValue, ReadsLeniently) {
  EXPECT_TRUE(ConfigValue("True").as_bool());
  EXPECT_FALSE(ConfigValue("yes").as_bool());
  EXPECT_TRUE(ConfigValue(2.5).as_bool());
  EXPECT_EQ(ConfigValue("0x10").as_integer(), 16);
  EXPECT_EQ(ConfigValue("12.9").as_integer(), 12);
  EXPECT_EQ(ConfigValue("many").as_integer(), 0);
  EXPECT_EQ(ConfigValue(1e300).as_integer(), INT64_MAX);
  EXPECT_EQ(ConfigValue(true).as_integer(), 1);
  EXPECT_EQ(ConfigValue(6250.0).as_text(), "6250");
  EXPECT_EQ(ConfigValue(std::int64_t{7}).as_number(), 7.0);
  EXPECT_EQ(ConfigValue("3m").as_duration(), minutes{3});
  EXPECT_EQ(ConfigValue("1000").as_duration(), std::chrono::microseconds{1});
  EXPECT_EQ(ConfigValue(1e9).as_duration(), seconds{1});
  EXPECT_EQ(ConfigValue("a b\tc,d").as_list(), (std::vector<std::string>{"a", "b", "c,d"}));
  EXPECT_EQ(ConfigValue().as_text(), "");
}

TEST(ConfigValue, IntegersAreWholeAndInRange) {
  EXPECT_EQ(parse_integer("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(parse_integer("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(parse_integer("0b101"), 5);
  for (const char* bad : {"", "-", "0x", "1.5", "9223372036854775808", "-9223372036854775809",
                          "--1", "1 ", "0xg", "-+5"}) {
    EXPECT_FALSE(parse_integer(bad).has_value()) << bad;
  }
}

TEST(ConfigValue, DurationsReadAndPrint) {
  const struct {
    const char* text;
    Duration value;
    const char* printed;
  } rows[] = {{"1h20m30s", minutes{80} + seconds{30}, "1h20m30s"},
              {"1.5s", milliseconds{1500}, "1.5s"},
              {"60s", minutes{1}, "1m0s"},
              {"20ms", milliseconds{20}, "20ms"},
              {"0", Duration{0}, "0s"},
              {"-1.5h", -minutes{90}, "-1h30m0s"},
              {"1us", std::chrono::microseconds{1}, "1\xc2\xb5s"},
              {".5s", milliseconds{500}, "500ms"},
              {"25h53m33.540493171s", seconds{93213} + Duration{540493171}, "25h53m33.540493171s"}};
  for (const auto& row : rows) {
    const auto value = parse_duration(row.text);
    ASSERT_TRUE(value.ok()) << row.text;
    EXPECT_EQ(value->count(), row.value.count()) << row.text;
    EXPECT_EQ(format_duration(row.value), row.printed);
  }
  for (const char* bad : {"", "s", "1", "1x", "1s2", "9999999999h", "-", ".s", "1..5s"}) {
    EXPECT_FALSE(parse_duration(bad).ok()) << bad;
  }
}

TEST(ConfigValue, NumbersPrintAsTheReferenceDoes) {
  EXPECT_EQ(number_text(0.00006), "0.00006");
  EXPECT_EQ(number_text(33.5), "33.5");
  EXPECT_EQ(number_text(24), "24");
  EXPECT_EQ(number_text(1e20), "100000000000000000000");
  EXPECT_EQ(number_text(1e21), "1e+21");
  EXPECT_EQ(number_text(std::numeric_limits<double>::infinity()), "0");
}

TEST(ConfigValue, LimitsHoldForDepthCountAndText) {
  ConfigValue deep(true);
  for (int i = 0; i < 40; ++i) deep = ConfigValue(ConfigValue::List{deep});
  EXPECT_FALSE(check_limits(deep).ok());
  EXPECT_FALSE(check_limits(ConfigValue(ConfigValue::List(5000))).ok());
  EXPECT_FALSE(check_limits(ConfigValue(std::string(70000, 'x'))).ok());
  EXPECT_TRUE(check_limits(ConfigValue(ConfigValue::List(100))).ok());
}

}  // namespace
}  // namespace myst::core
