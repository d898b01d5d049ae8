#include "drivers/discovery/price_codec.hpp"

#include <cstdlib>

#include "core/base/time_text.hpp"
#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"

namespace myst::discovery {
namespace {

using core::Price;
using core::PricePeriods;
using core::PricesByType;
using core::PriceSet;
using json::Case;
using json::Value;
using json::Writer;

constexpr std::size_t kMaxCountries = 300;

Status read_set(Value value, PriceSet& out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Value item = value.get(core::kPricedServiceNames[i], Case::Ignore);
    if (item.is_nothing()) continue;
    Price price;
    if (const Value hour = item.get("price_per_hour", Case::Ignore); !hour.is_nothing()) {
      MYST_TRY_ASSIGN(price.per_hour, hour.u256());
    }
    if (const Value gib = item.get("price_per_gib", Case::Ignore); !gib.is_nothing()) {
      MYST_TRY_ASSIGN(price.per_gib, gib.u256());
    }
    out[i] = price;
  }
  return {};
}

Status read_types(Value value, PricesByType& out) {
  MYST_TRY(read_set(value.get("residential", Case::Ignore), out.residential));
  return read_set(value.get("other", Case::Ignore), out.other);
}

Status read_periods(Value value, PricePeriods& out) {
  MYST_TRY(read_types(value.get("current", Case::Ignore), out.current));
  return read_types(value.get("previous", Case::Ignore), out.previous);
}

Result<WallTime> read_time(Value object, std::string_view name) {
  MYST_TRY_ASSIGN(const std::string_view text, object.get(name, Case::Ignore).string());
  return parse_rfc3339(text);
}

void write_set(Writer& writer, const PriceSet& set) {
  writer.begin_object();
  for (std::size_t i = 0; i < set.size(); ++i) {
    if (!set[i]) continue;
    const auto readable = [](const Wei& wei) {
      return std::strtod(wei.to_string().c_str(), nullptr) / 1e18;
    };
    writer.key(core::kPricedServiceNames[i]).begin_object();
    writer.member("price_per_hour", set[i]->per_hour)
        .member("price_per_hour_human_readable", readable(set[i]->per_hour))
        .member("price_per_gib", set[i]->per_gib)
        .member("price_per_gib_human_readable", readable(set[i]->per_gib));
    writer.end_object();
  }
  writer.end_object();
}

void write_periods(Writer& writer, const PricePeriods& periods) {
  writer.begin_object();
  for (const auto& [name, types] :
       {std::pair("current", &periods.current), std::pair("previous", &periods.previous)}) {
    writer.key(name).begin_object().key("residential");
    write_set(writer, types->residential);
    writer.key("other");
    write_set(writer, types->other);
    writer.end_object();
  }
  writer.end_object();
}

}  // namespace

Result<core::PriceDocument> read_prices(std::string_view text) {
  MYST_TRY_ASSIGN(const auto document, json::Document::parse(text));
  const Value root = document.root();
  core::PriceDocument out;
  const Value defaults = root.get("defaults", Case::Ignore);
  if (!defaults.is_object()) return Error{Errc::Malformed, 0, "price document without defaults"};
  MYST_TRY(read_periods(defaults, out.defaults));
  for (const auto& [country, periods] : root.get("per_country", Case::Ignore)) {
    if (out.per_country.size() >= kMaxCountries) break;
    MYST_TRY(read_periods(periods, out.per_country[std::string(country)]));
  }
  MYST_TRY_ASSIGN(out.current_valid_until, read_time(root, "current_valid_until"));
  MYST_TRY_ASSIGN(out.previous_valid_until, read_time(root, "previous_valid_until"));
  MYST_TRY_ASSIGN(out.current_server_time, read_time(root, "current_server_time"));
  return out;
}

std::string write_prices(const core::PriceDocument& document) {
  std::string out;
  Writer writer(out);
  writer.begin_object().key("defaults");
  write_periods(writer, document.defaults);
  writer.key("per_country");
  if (document.per_country.empty()) {
    writer.null();
  } else {
    writer.begin_object();
    for (const auto& [country, periods] : document.per_country) {
      writer.key(country);
      write_periods(writer, periods);
    }
    writer.end_object();
  }
  writer.member("current_valid_until", to_rfc3339(document.current_valid_until))
      .member("previous_valid_until", to_rfc3339(document.previous_valid_until))
      .member("current_server_time", to_rfc3339(document.current_server_time))
      .end_object();
  return out;
}

}  // namespace myst::discovery
