#include "core/hub/price_board.hpp"

#include <gtest/gtest.h>

namespace myst::core {
namespace {

constexpr WallTime kNow = WallTime{} + std::chrono::seconds{1700000000};

PriceBoard::Rule rule(std::string_view text) {
  const auto parsed = PriceBoard::parse_rule(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed.ok() ? *parsed : PriceBoard::Rule{};
}

TEST(PriceBoard, WithoutRulesEverythingIsFree) {
  const PriceDocument document = PriceBoard().document(kNow);
  for (const auto& price : document.defaults.current.residential) {
    ASSERT_TRUE(price.has_value());
    EXPECT_TRUE(price->per_hour.is_zero() && price->per_gib.is_zero());
  }
  EXPECT_TRUE(document.per_country.empty());
}

TEST(PriceBoard, LaterAndMoreSpecialRulesWin) {
  PriceBoard board;
  board.set({rule("10,20"), rule("*/residential=11,21"), rule("LT=12,22"),
             rule("LT/other/dvpn=13,23"), rule("*/*/scraping=14,24")},
            kNow);
  PriceTable table;
  table.load(board.document(kNow), kNow);
  EXPECT_EQ(table.current("DE", "hosting", "wireguard")->per_hour, Wei(10));
  EXPECT_EQ(table.current("DE", "residential", "wireguard")->per_gib, Wei(21));
  EXPECT_EQ(table.current("LT", "residential", "wireguard")->per_hour, Wei(12));
  EXPECT_EQ(table.current("LT", "hosting", "dvpn")->per_hour, Wei(13));
  EXPECT_EQ(table.current("LT", "hosting", "scraping")->per_hour, Wei(14));
}

TEST(PriceBoard, AfterAChangeTheOldPriceIsTakenForAWhile) {
  PriceBoard board;
  const Price old{Wei(1000000000000000000), Wei(1000000000000000000)};
  board.set({{"", {}, {}, old}}, kNow);
  EXPECT_EQ(board.document(kNow).previous_valid_until, kNow);
  const WallTime later = kNow + std::chrono::hours{1};
  board.set({{"", {}, {}, {Wei(2000000000000000000), old.per_gib}}}, later);
  PriceTable table;
  table.load(board.document(later), later);
  EXPECT_TRUE(table.accepts(old, "LT", "residential", "wireguard"));
  const WallTime expired = later + std::chrono::minutes{6};
  table.load(board.document(expired), expired);
  EXPECT_FALSE(table.accepts(old, "LT", "residential", "wireguard"));
}

TEST(PriceBoard, RefusesWhatIsNoRule) {
  for (const char* text : {"", "1", "1,", ",1", "1,2,3", "lt=1,2", "LTU=1,2", "LT/home=1,2",
                           "LT/other/ftp=1,2", "LT/other/dvpn/x=1,2", "=1,2", "-1,2", "1.5,2"}) {
    EXPECT_FALSE(PriceBoard::parse_rule(text).ok()) << text;
  }
}

}  // namespace
}  // namespace myst::core
