// Prices of a network: wei of MYST per hour and per GiB (2^30 bytes), set by the operator of the
// discovery service per country, IP type and service; not by providers.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/payment/price.hpp"

namespace myst::core {

using Price = payment::Price;  // wei per hour and per GiB

// What holds before a price document was ever read: 0.00006 MYST/h and 0.1 MYST/GiB.
Price default_price();

enum class PricedService : std::uint8_t {
  Wireguard,
  Scraping,
  QuicScraping,
  DataTransfer,
  Dvpn,
  Monitoring,
};
constexpr std::size_t kPricedServices = 6;
constexpr std::array<std::string_view, kPricedServices> kPricedServiceNames{
    "wireguard", "scraping", "quic_scraping", "data_transfer", "dvpn", "monitoring"};

using PriceSet = std::array<std::optional<Price>, kPricedServices>;
struct PricesByType {
  PriceSet residential;
  PriceSet other;
};
struct PricePeriods {
  PricesByType current;
  PricesByType previous;
};

// The document served at {discovery}/prices.
struct PriceDocument {
  PricePeriods defaults;
  std::map<std::string, PricePeriods> per_country;  // upper-case ISO code
  WallTime current_valid_until{};
  WallTime previous_valid_until{};
  WallTime current_server_time{};
};

// The price table of a node: the last document and what is left when there is none.
class PriceTable {
 public:
  // The document's times are the server's; they are moved by the difference of the clocks.
  void load(const PriceDocument& document, WallTime now);
  // Everything costs nothing: a network without a chain.
  void load_free();
  bool loaded() const { return document_.has_value() || free_; }
  // True when the document should be fetched (again). The owner spaces out failing attempts.
  bool is_due(WallTime now) const;
  std::optional<WallTime> valid_until() const;

  // nullopt: a document is loaded and has no price for this; the proposal is left out of lists.
  std::optional<Price> current(std::string_view country, std::string_view ip_type,
                               std::string_view service_type) const;
  std::optional<Price> previous(std::string_view country, std::string_view ip_type,
                                std::string_view service_type) const;

  // The provider's answer to an offer for its own place and type: its current price, its previous
  // price, or both parts at most the built-in default (so a free session is always accepted).
  bool accepts(const Price& offer, std::string_view country, std::string_view ip_type,
               std::string_view service_type) const;

 private:
  std::optional<Price> look_up(bool previous, std::string_view country, std::string_view ip_type,
                               std::string_view service_type) const;
  std::optional<PriceDocument> document_;
  bool free_ = false;
};

// All zero, for every service and both IP types, valid for `lifetime`: what the hub of a network
// without a chain serves.
PriceDocument free_prices(WallTime now, Duration lifetime);

}  // namespace myst::core
