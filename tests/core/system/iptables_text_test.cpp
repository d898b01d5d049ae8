#include "core/system/iptables_text.hpp"

#include <gtest/gtest.h>

namespace myst::core {
namespace {

TEST(IptablesSave, FindsLeftoversOfOneNameOnly) {
  const char* save =
      "# Generated\n*nat\n:PREROUTING ACCEPT [0:0]\n:MYST - [0:0]\n:MYST1 - [0:0]\n"
      ":MYSTERY - [0:0]\n-A PREROUTING -s 10.182.3.0/24 -j MYST\n-A PREROUTING -j MYST1\n"
      "-A PREROUTING -m comment --comment \"x -j MYST\" -j MYSTERY\n-A MYST -j RETURN\nCOMMIT\n"
      "*filter\n:FORWARD DROP [0:0]\n:MYST_BLOCK - [0:0]\nCOMMIT\n";
  const IptablesRules rules = read_iptables_save(save, "MYST");
  EXPECT_EQ(rules.rules, 4u);
  EXPECT_EQ(rules.own_chains, 4u);
  EXPECT_TRUE(rules.drop_policy);
  EXPECT_EQ(rules.remove_leftovers,
            "*nat\n-D PREROUTING -s 10.182.3.0/24 -j MYST\n-F MYST\n-X MYST\nCOMMIT\n"
            "*filter\n-F MYST_BLOCK\n-X MYST_BLOCK\nCOMMIT\n");
  EXPECT_EQ(read_iptables_save(save, "OTHER").remove_leftovers, "");
}

TEST(IptablesSave, CountsRulesOfEachChain) {
  const auto counts =
      count_rules("*nat\n:A ACCEPT [1:2]\n:B - [0:0]\n-A A -j B\n-A A -j B\nCOMMIT\n");
  EXPECT_EQ(counts, (std::map<std::string, std::size_t>{{"nat A", 2}, {"nat B", 0}}));
}

TEST(IptablesSave, NothingInNothing) {
  const IptablesRules rules = read_iptables_save("", "MYST");
  EXPECT_EQ(rules.rules + rules.own_chains, 0u);
  EXPECT_TRUE(rules.remove_leftovers.empty());
}

}  // namespace
}  // namespace myst::core
