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
  for (const char* bad :
       {"a = 1\nb = \n", "[a]\n[a\n", "a = 1\na = 2\n", "x = \"\xff\"", "a = 01"}) {
    std::string why;
    EXPECT_FALSE(parse_toml(bad, &why).ok()) << bad;
    EXPECT_EQ(why.compare(0, 5, "line "), 0) << why;
  }
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
