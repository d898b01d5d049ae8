#include "drivers/config/toml.hpp"

#include <gtest/gtest.h>

namespace myst::config {
namespace {

using core::ConfigValue;
using Table = ConfigValue::Table;
using List = ConfigValue::List;

TEST(Toml, ReadsWhatTheReferenceWrites) {
  const auto tree = parse_toml(R"(active-services = "scraping,data_transfer,dvpn,monitoring"

[node]
  version = "dev-build"

[shaper]
  bandwidth = 6250.0
  enabled = true

[terms]
  consumer-agreed = true
)");
  ASSERT_TRUE(tree.ok());
  EXPECT_EQ(*tree, ConfigValue(Table{{"active-services", "scraping,data_transfer,dvpn,monitoring"},
                                     {"node", Table{{"version", "dev-build"}}},
                                     {"shaper", Table{{"bandwidth", 6250.0}, {"enabled", true}}},
                                     {"terms", Table{{"consumer-agreed", true}}}}));
}

TEST(Toml, WritesAsTheReferenceWrites) {
  const ConfigValue tree(Table{{"shaper", Table{{"bandwidth", 6250.0}, {"enabled", true}}},
                               {"active-services", "noop"},
                               {"stun-servers", List{"a:1", "b:2"}},
                               {"gone", ConfigValue()}});
  EXPECT_EQ(write_toml(tree),
            "active-services = \"noop\"\nstun-servers = [\"a:1\", \"b:2\"]\n\n"
            "[shaper]\n  bandwidth = 6250.0\n  enabled = true\n");
}

TEST(Toml, EveryTreeReadsBackEqual) {
  const ConfigValue tree(Table{{"a b.c", Table{{"", Table{{"\"q\"\\\n\x7f", "\xe2\x82\xac\t"}}}}},
                               {"chains", Table{{"1", Table{{"knownHermeses", List{"0x1"}}}}}},
                               {"deep", List{List{Table{{"x", std::int64_t{-3}}}}, List{}}},
                               {"number", 1e-9},
                               {"large", 1e300},
                               {"whole", std::int64_t{INT64_MIN}},
                               {"never", std::numeric_limits<double>::infinity()}});
  std::string why;
  const auto again = parse_toml(write_toml(tree), &why);
  ASSERT_TRUE(again.ok()) << why << write_toml(tree);
  EXPECT_EQ(*again, tree);
}

TEST(Toml, MistakesAreNamedWithTheirLine) {
  for (const char* bad : {"a = 1\nb = \n", "[a]\n[a\n", "a = 1\na = 2\n", "a = 01", "[/"}) {
    std::string why;
    EXPECT_FALSE(parse_toml(bad, &why).ok()) << bad;
    EXPECT_EQ(why.compare(0, 5, "line "), 0) << why;
  }
}

ConfigValue value_of(const std::string& text) {
  const auto tree = parse_toml("x = " + text);
  if (!tree.ok()) return {};
  return tree->table()->at("x");
}

TEST(Toml, ValuesOfEveryKind) {
  const struct {
    const char* text;
    ConfigValue value;
  } rows[] = {{"+99", std::int64_t{99}},
              {"-0", std::int64_t{0}},
              {"1_000", std::int64_t{1000}},
              {"0xDEAD_beef", std::int64_t{0xdeadbeef}},
              {"0o755", std::int64_t{493}},
              {"0b1101", std::int64_t{13}},
              {"-9223372036854775808", std::int64_t{INT64_MIN}},
              {"3.1415", 3.1415},
              {"5e+22", 5e22},
              {"1e06", 1e6},
              {"-2E-2", -0.02},
              {"6.626e-34", 6.626e-34},
              {"9_224_617.445_991", 9224617.445991},
              {"true", true},
              {R"("a\tb\u00e9\U0001F600\"\\")", "a\tb\xc3\xa9\xf0\x9f\x98\x80\"\\"},
              {R"('C:\no "escape"')", R"(C:\no "escape")"},
              {"\"\"\"\nRoses\nViolets\"\"\"", "Roses\nViolets"},
              {"\"\"\"a \\\n\n   b\"\"\"", "a b"},
              {"\"\"\"q \"\"\"\"\"", "q \"\""},
              {"'''\r\nraw\r\n\\'''", "raw\n\\"},
              {"1979-05-27T07:32:00.5-07:00", "1979-05-27T07:32:00.5-07:00"},
              {"1979-05-27 07:32:00", "1979-05-27 07:32:00"},
              {"1979-05-27", "1979-05-27"},
              {"07:32:00", "07:32:00"},
              {"[ 1, # one\n 'b',\n ]", List{std::int64_t{1}, "b"}},
              {"[]", List{}},
              {"{}", Table{}},
              {"{ a.b = 1, 'c d' = [2] }",
               Table{{"a", Table{{"b", std::int64_t{1}}}}, {"c d", List{std::int64_t{2}}}}}};
  for (const auto& row : rows) EXPECT_EQ(value_of(row.text), row.value) << row.text;
  EXPECT_TRUE(value_of("+inf").number() != nullptr);
  EXPECT_TRUE(value_of("-nan").number() != nullptr);
}

TEST(Toml, WhatIsNoValueIsRefused) {
  for (const char* bad : {"",
                          "word",
                          "01",
                          "1__0",
                          "_1",
                          "1_",
                          "0x",
                          "0xg",
                          "-0x1",
                          "1.",
                          ".5",
                          "1.e5",
                          "1e",
                          "9223372036854775808",
                          "1e999",
                          "True",
                          "\"a",
                          "'a",
                          "\"\\x\"",
                          "\"\\ud800\"",
                          "\"\\u12\"",
                          "\"a\nb\"",
                          "\"\"\"a",
                          "\"\"\"\"\"\"\"\"\"",
                          "[1 2]",
                          "[1",
                          "[,]",
                          "{a = 1,}",
                          "{a = 1\n}",
                          "{a 1}",
                          "{a = 1, a = 2}",
                          "1979-5-27",
                          "1979-05-27T",
                          "07:32",
                          "07:32:00Z",
                          "1 2",
                          "\"a\" b",
                          "\"\x01\""}) {
    EXPECT_FALSE(parse_toml(std::string("x = ") + bad + "\n").ok()) << bad;
  }
}

TEST(Toml, TablesMayBeDefinedOnce) {
  for (const char* good : {"[a.b]\n[a]\nc = 1", "a.b = 1\na.c = 2", "[a]\nb.c = 1\nb.d = 2",
                           "[[a]]\nx = 1\n[[a]]\n[a.b]\ny = 2", "[a.b.c]\n[a.d]",
                           "\xef\xbb\xbf"
                           "a = 1",
                           "[ a . 'b c' ]\r\nx = 1\r\n", "# only a comment", "\"\" = 1", ""}) {
    EXPECT_TRUE(parse_toml(good).ok()) << good;
  }
  for (const char* bad : {"[a]\n[a]",
                          "a = 1\n[a]",
                          "[a]\nb = 1\n[a.b]",
                          "a.b = 1\n[a]",
                          "[a]\nb.c = 1\n[a.b]",
                          "a = {}\na.b = 1",
                          "a = {}\n[a.b]",
                          "a = [{}]\n[[a]]",
                          "[a]\n[[a]]",
                          "[[a]]\n[a]",
                          "[a.b]\n[a]\nb = 1",
                          "[a]\nb = 1\nb.c = 2",
                          "a = 1\na.b = 2",
                          "[]",
                          "[a",
                          "[[a]",
                          "[a]]",
                          "[a] x = 1",
                          "a = 1 b = 2",
                          "= 1",
                          "a.",
                          "a..b = 1",
                          "\"\"\"a\"\"\" = 1",
                          "a",
                          "[a\n]"}) {
    EXPECT_FALSE(parse_toml(bad).ok()) << bad;
  }
  EXPECT_EQ(*parse_toml("[[a]]\nx = 1\n[[a]]\n[a.b]\ny = 2"),
            ConfigValue(Table{{"a", List{Table{{"x", std::int64_t{1}}},
                                         Table{{"b", Table{{"y", std::int64_t{2}}}}}}}}));
}

TEST(Toml, LimitsHold) {
  EXPECT_FALSE(parse_toml(std::string(2 << 20, '#')).ok());
  EXPECT_FALSE(parse_toml("a = " + std::string(100, '[') + std::string(100, ']')).ok());
  EXPECT_FALSE(parse_toml("a = " + std::string(100000, '[')).ok());
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "k" + std::to_string(i) + " = 1\n";
  EXPECT_FALSE(parse_toml(many).ok());
}

TEST(Toml, DatesBecomeText) {
  EXPECT_EQ(*parse_toml("when = 2024-01-31T12:00:00Z"),
            ConfigValue(Table{{"when", "2024-01-31T12:00:00Z"}}));
}

}  // namespace
}  // namespace myst::config
