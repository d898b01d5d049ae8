#include "core/market/ranking.hpp"

#include <gtest/gtest.h>

namespace myst::core {
namespace {

PricedProposal make(const char* name, const char* ip_type, double quality, double bandwidth,
                    unsigned per_hour, unsigned per_gib) {
  PricedProposal item;
  item.proposal.provider_id = name;
  item.proposal.location.ip_type = ip_type;
  item.proposal.quality.quality = quality;
  item.proposal.quality.bandwidth = bandwidth;
  item.proposal.quality.latency = 100 - bandwidth;
  item.proposal.quality.uptime = quality * 8;
  item.price = {Wei(per_hour), Wei(per_gib)};
  return item;
}

// Vector client_presets of discovery.json.
std::vector<PricedProposal> sample() {
  return {make("A", "residential", 2.0, 10, 5, 50), make("B", "residential", 1.0, 30, 4, 40),
          make("C", "hosting", 2.5, 20, 3, 30), make("D", "residential", 0, 0, 2, 20),
          make("E", "residential", 1.6, 25, 1, 10)};
}

std::string names(const std::vector<PricedProposal>& list) {
  std::string out;
  for (const auto& item : list) out += item.proposal.provider_id;
  return out;
}

TEST(Presets, KeepAndOrderAsTheReference) {
  for (const auto& [id, expected] : {std::pair(1, "E"), std::pair(2, "CAE"), std::pair(3, "C"),
                                     std::pair(0, "ABCDE"), std::pair(100, "ABCDE")}) {
    auto list = sample();
    apply_preset(list, id);
    EXPECT_EQ(names(list), expected) << id;
  }
  std::vector<PricedProposal> none;
  for (int id = 0; id < 4; ++id) apply_preset(none, id);
  EXPECT_TRUE(none.empty());
}

TEST(Sorting, OrdersByWhatTheNameSays) {
  for (const auto& [by, expected] : {std::pair("quality", "CAEBD"), std::pair("uptime", "CAEBD"),
                                     std::pair("bandwidth", "BECAD"), std::pair("latency", "BECAD"),
                                     std::pair("price", "EDCBA"), std::pair("", "ABCDE")}) {
    auto list = sample();
    sort_proposals(list, *parse_sort_by(by));
    EXPECT_EQ(names(list), expected) << by;
  }
  EXPECT_FALSE(parse_sort_by("colour").ok());
}

TEST(Presets, UserPresetsStartAtOneHundred) {
  FilterPresets presets;
  EXPECT_EQ(presets.list().size(), 3u);
  EXPECT_EQ(*presets.save({0, "mine", "", 1}), 100);
  EXPECT_EQ(*presets.save({0, "other", "", 1}), 101);
  EXPECT_EQ(*presets.save({100, "renamed", "", 1}), 100);
  EXPECT_EQ(presets.list()[3].name, "renamed");
  EXPECT_FALSE(presets.save({1, "x", "", 1}).ok());
  EXPECT_FALSE(presets.save({777, "x", "", 1}).ok());
  EXPECT_FALSE(presets.remove(3).ok());
  EXPECT_TRUE(presets.remove(100).ok());
  EXPECT_FALSE(presets.remove(100).ok());
  EXPECT_EQ(*presets.save({0, "third", "", 1}), 102);
  for (int i = 0; i < 98; ++i) ASSERT_TRUE(presets.save({0, "n", "", 0}).ok());
  EXPECT_EQ(presets.save({0, "n", "", 0}).error().code, Errc::Full);
}

}  // namespace
}  // namespace myst::core
