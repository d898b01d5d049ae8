#include "drivers/discovery/price_codec.hpp"

#include <gtest/gtest.h>

#include "platform/json/json.hpp"
#include "tests/support/support.hpp"

namespace myst::discovery {
namespace {

using std::chrono::seconds;

json::Document vectors() {
  auto document = json::Document::parse(test::read_vector("discovery.json"));
  EXPECT_TRUE(document.ok());
  return std::move(*document);
}

// 2026-01-01T00:01:00Z, the server's time in the vector.
constexpr WallTime kServerTime = WallTime{} + seconds{1767225660};

TEST(PriceTable, LooksUpAsTheReferenceNode) {
  const auto document = vectors();
  const auto group = document.root()["node_price_lookup"];
  const auto prices = read_prices(group["prices_document"].to_text());
  ASSERT_TRUE(prices.ok());
  core::PriceTable table;
  table.load(*prices, kServerTime);
  std::size_t count = 0;
  for (const auto& [i, item] : group["cases"]) {
    const auto price = table.current(*item["country"].string(), *item["ip_type"].string(),
                                     *item["service_type"].string());
    ASSERT_TRUE(price);
    EXPECT_EQ(price->per_hour, *item["price"]["price_per_hour"].u256());
    EXPECT_EQ(price->per_gib, *item["price"]["price_per_gib"].u256());
    ++count;
  }
  EXPECT_EQ(count, 10u);
  EXPECT_EQ(table.previous("LT", "residential", "wireguard")->per_hour, Wei(70));
}

TEST(PriceTable, ClockDifferenceIsTakenOut) {
  const auto document = vectors();
  const auto prices =
      read_prices(document.root()["node_price_lookup"]["prices_document"].to_text());
  core::PriceTable table;
  EXPECT_TRUE(table.is_due(kServerTime));
  table.load(*prices, kServerTime + std::chrono::hours{5});  // our clock is five hours ahead
  EXPECT_FALSE(table.is_due(kServerTime + std::chrono::hours{5} + seconds{240}));
  EXPECT_TRUE(table.is_due(kServerTime + std::chrono::hours{5} + seconds{241}));
}

TEST(PriceTable, ProviderAcceptsCurrentPreviousAndCheap) {
  const auto document = vectors();
  const auto group = document.root()["provider_price_acceptance"];
  const auto price = [](json::Value value, const char* hour, const char* gib) {
    return core::Price{*U256::parse(*value[hour].string()), *U256::parse(*value[gib].string())};
  };
  core::PriceDocument prices;
  core::PriceSet current, previous;
  current.fill(price(group["known_prices_wei"]["current"], "hour", "gib"));
  previous.fill(price(group["known_prices_wei"]["previous"], "hour", "gib"));
  prices.defaults = {{current, current}, {previous, previous}};
  core::PriceTable table;
  table.load(prices, kServerTime);
  std::size_t count = 0;
  for (const auto& [i, item] : group["cases"]) {
    EXPECT_EQ(table.accepts(price(item, "price_per_hour_wei", "price_per_gib_wei"), "LT",
                            "residential", "dvpn"),
              *item["accepted"].boolean())
        << item.to_text();
    ++count;
  }
  EXPECT_EQ(count, 9u);
}

TEST(PriceTable, WithoutADocumentTheBuiltInPriceHolds) {
  core::PriceTable table;
  EXPECT_EQ(table.current("LT", "residential", "wireguard"), core::default_price());
  EXPECT_FALSE(table.previous("LT", "residential", "wireguard"));
  EXPECT_FALSE(table.accepts({Wei(60000000000001u), Wei(0)}, "LT", "residential", "wireguard"));
  table.load_free();
  EXPECT_TRUE(table.current("LT", "residential", "wireguard")->is_free());
  EXPECT_FALSE(table.is_due(kServerTime));
}

TEST(PriceCodec, FreePricesSurviveTheWire) {
  const auto text = write_prices(core::free_prices(kServerTime, seconds{300}));
  EXPECT_NE(text.find(R"("per_country":null)"), std::string::npos);
  EXPECT_NE(text.find(R"("current_valid_until":"2026-01-01T00:06:00Z")"), std::string::npos);
  const auto again = read_prices(text);
  ASSERT_TRUE(again.ok());
  core::PriceTable table;
  table.load(*again, kServerTime);
  for (const char* service : {"wireguard", "noop", "dvpn", "quic_scraping"}) {
    EXPECT_TRUE(table.current("LT", "hosting", service)->is_free());
    EXPECT_TRUE(table.previous("LT", "residential", service)->is_free());
  }
}

TEST(PriceCodec, AmountsBeyondDoublesAreExact) {
  core::PriceDocument document = core::free_prices(kServerTime, seconds{300});
  const Wei big = *U256::parse("123456789012345678901234567890");
  document.per_country["LT"].current.residential[0] = core::Price{big, Wei(1)};
  const auto again = read_prices(write_prices(document));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->per_country.at("LT").current.residential[0]->per_hour, big);
  EXPECT_FALSE(again->per_country.at("LT").current.residential[1]);
}

TEST(PriceCodec, RefusesWhatIsNoPriceDocument) {
  const std::string times =
      R"(,"current_valid_until":"2026-01-01T00:05:00Z","previous_valid_until":"2026-01-01T00:05:00Z","current_server_time":"2026-01-01T00:05:00Z"})";
  EXPECT_TRUE(read_prices("{\"defaults\":{}" + times).ok());
  EXPECT_FALSE(read_prices("{\"defaults\":null" + times).ok());
  EXPECT_FALSE(read_prices("{\"defaults\":{}}").ok());
  EXPECT_FALSE(
      read_prices(R"({"defaults":{"current":{"other":{"dvpn":{"price_per_hour":"1"}}}})" + times)
          .ok());
  EXPECT_FALSE(
      read_prices(R"({"defaults":{"current":{"other":{"dvpn":{"price_per_hour":1.5}}}})" + times)
          .ok());
  EXPECT_FALSE(read_prices("[]").ok());
}

}  // namespace
}  // namespace myst::discovery
