#include "core/market/price.hpp"

#include "core/base/text.hpp"

namespace myst::core {
namespace {

// wireguard, scraping, dvpn and monitoring have prices of their own; everything else, quic_scraping
// included, is charged as data_transfer (node: session/pingpong/pricing.go).
PricedService charged_as(std::string_view service_type) {
  const std::string name = to_lower(service_type);
  if (name == "wireguard") return PricedService::Wireguard;
  if (name == "scraping") return PricedService::Scraping;
  if (name == "dvpn") return PricedService::Dvpn;
  if (name == "monitoring") return PricedService::Monitoring;
  return PricedService::DataTransfer;
}

bool residential(std::string_view ip_type) {
  return equal_ignoring_case(ip_type, "residential") || equal_ignoring_case(ip_type, "cellular");
}

std::string to_upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

}  // namespace

Price default_price() { return {Wei(60000000000000u), Wei(100000000000000000u)}; }

void PriceTable::load(const PriceDocument& document, WallTime now) {
  const auto skew = now - document.current_server_time;
  document_ = document;
  document_->current_valid_until += skew;
  document_->previous_valid_until += skew;
  document_->current_server_time = now;
  free_ = false;
}

void PriceTable::load_free() {
  document_.reset();
  free_ = true;
}

bool PriceTable::is_due(WallTime now) const {
  if (free_) return false;
  return !document_ || now > document_->current_valid_until;
}

std::optional<WallTime> PriceTable::valid_until() const {
  if (!document_) return std::nullopt;
  return document_->current_valid_until;
}

std::optional<Price> PriceTable::look_up(bool previous, std::string_view country,
                                         std::string_view ip_type,
                                         std::string_view service_type) const {
  if (free_) return Price{};
  const auto entry = document_->per_country.find(to_upper(country));
  const PricePeriods& periods =
      entry == document_->per_country.end() ? document_->defaults : entry->second;
  const PricesByType& types = previous ? periods.previous : periods.current;
  const PriceSet& set = residential(ip_type) ? types.residential : types.other;
  return set[static_cast<std::size_t>(charged_as(service_type))];
}

std::optional<Price> PriceTable::current(std::string_view country, std::string_view ip_type,
                                         std::string_view service_type) const {
  if (!loaded()) return default_price();
  return look_up(false, country, ip_type, service_type);
}

std::optional<Price> PriceTable::previous(std::string_view country, std::string_view ip_type,
                                          std::string_view service_type) const {
  if (!loaded()) return std::nullopt;
  return look_up(true, country, ip_type, service_type);
}

bool PriceTable::accepts(const Price& offer, std::string_view country, std::string_view ip_type,
                         std::string_view service_type) const {
  const Price limit = default_price();
  if (offer.per_hour <= limit.per_hour && offer.per_gib <= limit.per_gib) return true;
  return offer == current(country, ip_type, service_type) ||
         offer == previous(country, ip_type, service_type);
}

PriceDocument free_prices(WallTime now, Duration lifetime) {
  PriceSet zero;
  zero.fill(Price{});
  const PricesByType types{zero, zero};
  PriceDocument document;
  document.defaults = {types, types};
  document.current_valid_until = now + std::chrono::duration_cast<WallTime::duration>(lifetime);
  document.previous_valid_until = now;
  document.current_server_time = now;
  return document;
}

}  // namespace myst::core
