#include "core/config/value.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/base/text.hpp"

namespace myst::core {
namespace {

std::optional<double> parse_number(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::int64_t truncate(double value) {
  if (!(value > -9.2e18)) return std::isnan(value) ? 0 : std::numeric_limits<std::int64_t>::min();
  if (!(value < 9.2e18)) return std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(value);
}

Status check(const ConfigValue& value, std::size_t depth, std::size_t& left) {
  if (depth > ConfigLimits::kDepth) return Error{Errc::Full, 0, "configuration nested too deep"};
  if (left-- == 0) {
    left = 0;
    return Error{Errc::Full, 0, "too many configuration values"};
  }
  if (const std::string* text = value.text()) {
    if (text->size() > ConfigLimits::kText) {
      return Error{Errc::Full, 0, "configuration text too long"};
    }
  } else if (const ConfigValue::List* list = value.list()) {
    for (const ConfigValue& item : *list) MYST_TRY(check(item, depth + 1, left));
  } else if (const ConfigValue::Table* table = value.table()) {
    for (const auto& [name, item] : *table) {
      if (name.size() > 256) return Error{Errc::Full, 0, "configuration key too long"};
      MYST_TRY(check(item, depth + 1, left));
    }
  }
  return {};
}

struct Unit {
  std::string_view name;
  std::int64_t ns;
};
constexpr Unit kUnits[] = {{"ns", 1},           {"us", 1000},        {"\xc2\xb5s", 1000},
                           {"\xce\xbcs", 1000}, {"ms", 1000000},     {"s", 1000000000},
                           {"m", 60000000000},  {"h", 3600000000000}};

}  // namespace

Status check_limits(const ConfigValue& value) {
  std::size_t left = ConfigLimits::kValues;
  return check(value, 0, left);
}

std::optional<bool> parse_bool(std::string_view text) {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) return true;
  }
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.size() > 2 && text[0] == '0') {
    const char mark = text[1];
    if (mark == 'x' || mark == 'X') base = 16;
    if (mark == 'o' || mark == 'O') base = 8;
    if (mark == 'b' || mark == 'B') base = 2;
    if (base != 10) text.remove_prefix(2);
  }
  if (text.empty() || hex_digit(text.front()) < 0) return std::nullopt;
  std::uint64_t magnitude = 0;
  const auto [end, status] =
      std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  if (status != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (magnitude > kMax + (negative ? 1 : 0)) return std::nullopt;
  return negative ? static_cast<std::int64_t>(~magnitude + 1)
                  : static_cast<std::int64_t>(magnitude);
}

std::string number_text(double value) {
  if (!std::isfinite(value)) return "0";
  std::array<char, 512> buffer;
  const double size = std::fabs(value);
  // The limits at which the reference's JSON changes to exponents (Go: encoding/json floatEncoder).
  const auto format = size != 0 && (size < 1e-6 || size >= 1e21) ? std::chars_format::scientific
                                                                 : std::chars_format::fixed;
  const auto [end, status] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format);
  if (status != std::errc{}) return "0";
  return std::string(buffer.data(), end);
}

Result<Duration> parse_duration(std::string_view text) {
  const Error bad{Errc::Malformed, 0, "not a duration such as 30s, 3m or 1h20m30s"};
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return Duration{0};
  if (text.empty()) return bad;
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  std::int64_t total = 0;
  while (!text.empty()) {
    std::int64_t whole = 0, fraction = 0, scale = 1;
    bool digits = false;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      const int digit = text.front() - '0';
      if (whole > (kMax - digit) / 10) return bad;
      whole = whole * 10 + digit;
      digits = true;
      text.remove_prefix(1);
    }
    if (!text.empty() && text.front() == '.') {
      text.remove_prefix(1);
      while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
        if (scale < 1000000000) {  // finer than a nanosecond of a second: cut
          fraction = fraction * 10 + (text.front() - '0');
          scale *= 10;
        }
        digits = true;
        text.remove_prefix(1);
      }
    }
    if (!digits) return bad;
    std::size_t length = 0;
    while (length < text.size() && text[length] != '.' &&
           (text[length] < '0' || text[length] > '9')) {
      ++length;
    }
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits) {
      if (candidate.name == text.substr(0, length)) unit = &candidate;
    }
    if (unit == nullptr) return bad;
    text.remove_prefix(length);
    if (whole > (kMax - total) / unit->ns) return bad;
    total += whole * unit->ns;
    const auto part =
        static_cast<std::int64_t>(static_cast<double>(fraction) *
                                  (static_cast<double>(unit->ns) / static_cast<double>(scale)));
    if (part > kMax - total) return bad;
    total += part;
  }
  return Duration{negative ? -total : total};
}

std::string format_duration(Duration duration) {
  if (duration.count() == 0) return "0s";
  const bool negative = duration.count() < 0;
  auto ns = static_cast<std::uint64_t>(duration.count());
  if (negative) ns = ~ns + 1;
  const auto with_fraction = [](std::uint64_t value, std::uint64_t unit, const char* name) {
    std::string text = std::to_string(value / unit);
    std::string rest = std::to_string(unit + value % unit).substr(1);
    while (!rest.empty() && rest.back() == '0') rest.pop_back();
    return text + (rest.empty() ? "" : "." + rest) + name;
  };
  std::string out = negative ? "-" : "";
  if (ns < 1000) return out + std::to_string(ns) + "ns";
  if (ns < 1000000) return out + with_fraction(ns, 1000, "\xc2\xb5s");
  if (ns < 1000000000) return out + with_fraction(ns, 1000000, "ms");
  const std::uint64_t minutes = ns / 60000000000u;
  if (minutes >= 60) out += std::to_string(minutes / 60) + "h";
  if (minutes > 0) out += std::to_string(minutes % 60) + "m";
  return out + with_fraction(ns % 60000000000u, 1000000000, "s");
}

bool ConfigValue::as_bool() const {
  if (const bool* value = boolean()) return *value;
  if (const std::int64_t* value = integer()) return *value != 0;
  if (const double* value = number()) return *value != 0;
  if (const std::string* value = text()) return parse_bool(*value).value_or(false);
  return false;
}

std::int64_t ConfigValue::as_integer() const {
  if (const bool* value = boolean()) return *value ? 1 : 0;
  if (const std::int64_t* value = integer()) return *value;
  if (const double* value = number()) return truncate(*value);
  if (const std::string* value = text()) {
    if (const auto whole = parse_integer(*value)) return *whole;
    if (const auto broken = parse_number(*value)) return truncate(*broken);
  }
  return 0;
}

double ConfigValue::as_number() const {
  if (const double* value = number()) return *value;
  if (const std::string* value = text()) return parse_number(*value).value_or(0);
  return static_cast<double>(as_integer());
}

std::string ConfigValue::as_text() const {
  if (const std::string* value = text()) return *value;
  if (const bool* value = boolean()) return *value ? "true" : "false";
  if (const std::int64_t* value = integer()) return std::to_string(*value);
  if (const double* value = number()) return number_text(*value);
  return "";
}

Duration ConfigValue::as_duration() const {
  const std::string* value = text();
  if (value == nullptr) return Duration{as_integer()};
  if (const auto whole = parse_integer(*value)) return Duration{*whole};
  const auto parsed = parse_duration(*value);
  return parsed.ok() ? *parsed : Duration{0};
}

std::vector<std::string> ConfigValue::as_list() const {
  std::vector<std::string> out;
  if (const List* items = list()) {
    for (const ConfigValue& item : *items) out.push_back(item.as_text());
    return out;
  }
  const std::string joined = as_text();
  std::string_view rest = joined;
  for (;;) {
    rest = trim(rest);
    if (rest.empty()) return out;
    const std::string_view word = rest.substr(0, rest.find_first_of(" \t\r\n"));
    out.emplace_back(word);
    rest.remove_prefix(word.size());
  }
}

}  // namespace myst::core
