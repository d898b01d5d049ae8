#include "core/hub/price_board.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "core/base/text.hpp"

namespace myst::core {
namespace {

constexpr auto kLife = std::chrono::duration_cast<WallTime::duration>(PriceBoard::kLifetime);

void apply(const PriceBoard::Rule& rule, PricesByType& types) {
  for (const bool residential : {true, false}) {
    if (rule.residential && *rule.residential != residential) continue;
    PriceSet& set = residential ? types.residential : types.other;
    for (std::size_t i = 0; i < set.size(); ++i) {
      if (!rule.service || static_cast<std::size_t>(*rule.service) == i) set[i] = rule.price;
    }
  }
}

PricesByType prices(const std::vector<PriceBoard::Rule>& rules, const std::string& country) {
  PriceSet zero;
  zero.fill(Price{});
  PricesByType out{zero, zero};
  for (const PriceBoard::Rule& rule : rules) {
    if (rule.country.empty() || rule.country == country) apply(rule, out);
  }
  return out;
}

}  // namespace

Result<PriceBoard::Rule> PriceBoard::parse_rule(std::string_view text) {
  const Error malformed{Errc::Malformed, 0, "price rule"};
  Rule rule;
  const std::size_t equals = text.find('=');
  if (equals != std::string_view::npos) {
    const auto words = split(text.substr(0, equals), '/');
    if (words.empty() || words.size() > 3) return malformed;
    if (words[0] != "*") {
      const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
      if (words[0].size() != 2 || !std::all_of(words[0].begin(), words[0].end(), upper)) {
        return malformed;
      }
      rule.country = std::string(words[0]);
    }
    if (words.size() > 1 && words[1] != "*") {
      if (words[1] != "residential" && words[1] != "other") return malformed;
      rule.residential = words[1] == "residential";
    }
    if (words.size() > 2 && words[2] != "*") {
      const auto at = std::find(kPricedServiceNames.begin(), kPricedServiceNames.end(), words[2]);
      if (at == kPricedServiceNames.end()) return malformed;
      rule.service = static_cast<PricedService>(at - kPricedServiceNames.begin());
    }
    text.remove_prefix(equals + 1);
  }
  const std::size_t comma = text.find(',');
  if (comma == std::string_view::npos) return malformed;
  MYST_TRY_ASSIGN(rule.price.per_hour, U256::parse(text.substr(0, comma)));
  MYST_TRY_ASSIGN(rule.price.per_gib, U256::parse(text.substr(comma + 1)));
  return rule;
}

void PriceBoard::set(std::vector<Rule> rules, WallTime now) {
  before_ = std::exchange(rules_, std::move(rules));
  if (changed_ || !before_.empty()) {
    changed_ = now;
  } else {
    changed_ = WallTime{};  // the first prices replace none
  }
}

PriceDocument PriceBoard::document(WallTime now) const {
  const bool changing = changed_ && *changed_ != WallTime{} && now < *changed_ + kLife;
  const std::vector<Rule>& before = changing ? before_ : rules_;
  PriceDocument out;
  out.defaults = {prices(rules_, ""), prices(before, "")};
  std::set<std::string> countries;
  for (const auto* rules : {&rules_, &before}) {
    for (const Rule& rule : *rules) {
      if (!rule.country.empty()) countries.insert(rule.country);
    }
  }
  for (const std::string& country : countries) {
    out.per_country[country] = {prices(rules_, country), prices(before, country)};
  }
  out.current_valid_until = now + kLife;
  out.previous_valid_until = changing ? *changed_ + kLife : now;
  out.current_server_time = now;
  return out;
}

}  // namespace myst::core
