#include "core/base/time_text.hpp"

#include <cstdint>
#include <cstdio>

#include "core/base/text.hpp"

namespace myst {
namespace {

constexpr std::int64_t kSecondsPerDay = 86400;

struct Date {
  std::int64_t year;
  int month, day;
};

// Days since 1970-01-01 in the proleptic Gregorian calendar, both ways. Years begin in March, so
// that the leap day is the last of its year.
std::int64_t days_from(const Date& date) {
  const std::int64_t year = date.month <= 2 ? date.year - 1 : date.year;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year =
      (153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + date.day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
         719468;
}

Date date_from(std::int64_t days) {
  days += 719468;
  const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const std::int64_t day_of_era = days - era * 146097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month = (5 * day_of_year + 2) / 153;
  Date date{};
  date.day = static_cast<int>(day_of_year - (153 * month + 2) / 5 + 1);
  date.month = static_cast<int>(month < 10 ? month + 3 : month - 9);
  date.year = year_of_era + era * 400 + (date.month <= 2 ? 1 : 0);
  return date;
}

// Exactly `digits` digits at the front.
Result<int> take_number(std::string_view& text, std::size_t digits) {
  const auto value = text.size() < digits ? std::nullopt : parse_decimal(text.substr(0, digits));
  if (!value) return Error{Errc::Malformed, 0, "time text"};
  text.remove_prefix(digits);
  return static_cast<int>(*value);
}

Status take(std::string_view& text, char a, char b) {
  if (text.empty() || (text.front() != a && text.front() != b)) {
    return Error{Errc::Malformed, 0, "time text"};
  }
  text.remove_prefix(1);
  return {};
}

// Refuses what no calendar or clock shows.
Result<std::int64_t> seconds_of(const Date& date, int hour, int minute, int second) {
  const std::int64_t days = days_from(date);
  const Date again = date_from(days);
  if (date.year == 0 || date.month < 1 || date.month > 12 || again.month != date.month ||
      again.day != date.day || hour > 23 || minute > 59 || second > 60) {
    return Error{Errc::Malformed, 0, "time text"};
  }
  return days * kSecondsPerDay + hour * 3600 + minute * 60 + second;
}

}  // namespace

std::string to_rfc3339(WallTime time) {
  const std::int64_t total = time.time_since_epoch().count();
  const std::int64_t ms = ((total % 1000) + 1000) % 1000;
  const std::int64_t seconds = (total - ms) / 1000;
  const std::int64_t of_day = ((seconds % kSecondsPerDay) + kSecondsPerDay) % kSecondsPerDay;
  const Date date = date_from((seconds - of_day) / kSecondsPerDay);
  char out[64];
  std::snprintf(out, sizeof out, "%04lld-%02d-%02dT%02d:%02d:%02d",
                static_cast<long long>(date.year), date.month, date.day,
                static_cast<int>(of_day / 3600), static_cast<int>(of_day / 60 % 60),
                static_cast<int>(of_day % 60));
  std::string text(out);
  if (ms != 0) {
    std::snprintf(out, sizeof out, ".%03d", static_cast<int>(ms));
    text += out;
  }
  return text + "Z";
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  Date date{};
  MYST_TRY_ASSIGN(date.year, take_number(text, 4));
  MYST_TRY(take(text, '-', '-'));
  MYST_TRY_ASSIGN(date.month, take_number(text, 2));
  MYST_TRY(take(text, '-', '-'));
  MYST_TRY_ASSIGN(date.day, take_number(text, 2));
  MYST_TRY(take(text, 'T', 't'));
  MYST_TRY_ASSIGN(const int hour, take_number(text, 2));
  MYST_TRY(take(text, ':', ':'));
  MYST_TRY_ASSIGN(const int minute, take_number(text, 2));
  MYST_TRY(take(text, ':', ':'));
  MYST_TRY_ASSIGN(const int second, take_number(text, 2));
  std::int64_t ms = 0;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    std::int64_t unit = 100;
    std::size_t digits = 0;
    for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
      ms += unit * (text[digits] - '0');
      unit /= 10;
    }
    if (digits == 0) return Error{Errc::Malformed, 0, "time text"};
    text.remove_prefix(digits);
  }
  std::int64_t offset = 0;
  if (text == "Z" || text == "z") {
    text = {};
  } else {
    const bool west = !text.empty() && text.front() == '-';
    MYST_TRY(take(text, '+', '-'));
    MYST_TRY_ASSIGN(const int hours, take_number(text, 2));
    MYST_TRY(take(text, ':', ':'));
    MYST_TRY_ASSIGN(const int minutes, take_number(text, 2));
    if (hours > 23 || minutes > 59) return Error{Errc::Malformed, 0, "time text"};
    offset = (hours * 60 + minutes) * 60 * (west ? -1 : 1);
  }
  if (!text.empty()) return Error{Errc::Malformed, 0, "time text"};
  MYST_TRY_ASSIGN(const std::int64_t seconds, seconds_of(date, hour, minute, second));
  return WallTime{} + std::chrono::milliseconds{(seconds - offset) * 1000 + ms};
}

Result<WallTime> parse_http_date(std::string_view text) {
  // "Sun, 06 Nov 1994 08:49:37 GMT"; the day's name is not looked at.
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") {
    return Error{Errc::Malformed, 0, "HTTP date"};
  }
  text = text.substr(5, 20);
  Date date{};
  MYST_TRY_ASSIGN(date.day, take_number(text, 2));
  MYST_TRY(take(text, ' ', ' '));
  const std::size_t month = kMonths.find(text.substr(0, 3));
  if (month == std::string_view::npos || month % 3 != 0) {
    return Error{Errc::Malformed, 0, "HTTP date"};
  }
  date.month = static_cast<int>(month / 3) + 1;
  text.remove_prefix(3);
  MYST_TRY(take(text, ' ', ' '));
  MYST_TRY_ASSIGN(date.year, take_number(text, 4));
  MYST_TRY(take(text, ' ', ' '));
  MYST_TRY_ASSIGN(const int hour, take_number(text, 2));
  MYST_TRY(take(text, ':', ':'));
  MYST_TRY_ASSIGN(const int minute, take_number(text, 2));
  MYST_TRY(take(text, ':', ':'));
  MYST_TRY_ASSIGN(const int second, take_number(text, 2));
  MYST_TRY_ASSIGN(const std::int64_t seconds, seconds_of(date, hour, minute, second));
  return WallTime{} + std::chrono::seconds{seconds};
}

}  // namespace myst
