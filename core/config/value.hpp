// One configuration value: what a TOML file, a JSON body or a flag can hold. Numbers keep the kind
// they were given with (6250.0 stays a float); readers convert leniently, as setups of years rely
// on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace myst::core {

class ConfigValue {
 public:
  using List = std::vector<ConfigValue>;
  using Table = std::map<std::string, ConfigValue, std::less<>>;

  ConfigValue() = default;                                       // null
  ConfigValue(bool value) : data_(value) {}                      // NOLINT: implicit by design
  ConfigValue(std::int64_t value) : data_(value) {}              // NOLINT: implicit by design
  ConfigValue(double value) : data_(value) {}                    // NOLINT: implicit by design
  ConfigValue(std::string value) : data_(std::move(value)) {}    // NOLINT: implicit by design
  ConfigValue(const char* value) : data_(std::string(value)) {}  // NOLINT: implicit by design
  ConfigValue(List value) : data_(std::move(value)) {}           // NOLINT: implicit by design
  ConfigValue(Table value) : data_(std::move(value)) {}          // NOLINT: implicit by design

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_table() const { return table() != nullptr; }
  const bool* boolean() const { return std::get_if<bool>(&data_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&data_); }
  const double* number() const { return std::get_if<double>(&data_); }
  const std::string* text() const { return std::get_if<std::string>(&data_); }
  const List* list() const { return std::get_if<List>(&data_); }
  const Table* table() const { return std::get_if<Table>(&data_); }
  Table* table() { return std::get_if<Table>(&data_); }

  // Lenient readers (node: spf13/cast as used by config/viper.go). Never fail: what cannot be read
  // is false, 0, empty.
  bool as_bool() const;  // 1, t, T, TRUE, true, True; numbers but 0
  std::int64_t as_integer() const;
  double as_number() const;
  std::string as_text() const;
  Duration as_duration() const;  // "3m"; a bare number, also as text, counts nanoseconds
  std::vector<std::string> as_list() const;  // a text is split at white space, not at commas

  bool operator==(const ConfigValue& other) const { return data_ == other.data_; }
  bool operator!=(const ConfigValue& other) const { return !(*this == other); }

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, List, Table> data_;
};

// What a tree from outside (file, API) may hold at most.
struct ConfigLimits {
  static constexpr std::size_t kDepth = 16;
  static constexpr std::size_t kValues = 4096;
  static constexpr std::size_t kText = 64 * 1024;
  static constexpr std::size_t kFile = 1024 * 1024;
};
Status check_limits(const ConfigValue& value);

// Shortest text that reads back as the same double, without exponent where JSON of the reference
// has none ("6250", "0.00006"). Infinity and NaN, which JSON lacks, give "0".
std::string number_text(double value);

// Truth words of the command line and of URL queries; nullopt: no such word.
std::optional<bool> parse_bool(std::string_view text);

// Decimal, 0x, 0o and 0b texts with an optional sign (Go: strconv.ParseInt with base 0).
std::optional<std::int64_t> parse_integer(std::string_view text);

// "1h20m30s", "1.5s", "-2ms", "0"; units h m s ms us µs ns. Malformed also when it leaves 64 bits.
Result<Duration> parse_duration(std::string_view text);
// Largest unit first: "25h53m33.540493171s", "1m0s", "1.5s", "20ms", "0s".
std::string format_duration(Duration duration);

}  // namespace myst::core
