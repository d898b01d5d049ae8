// The table of all configuration keys: name, type, default per network, where its flag is accepted,
// help. Everything that knows a key by name (flags, help, lookup, dump) reads this one table.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/config/value.hpp"

namespace myst::core {

enum class ConfigType : std::uint8_t { Bool, Integer, Number, Text, List, Duration };

// Whose defaults apply. Own: a network of one's own, described by the document of its hub; no
// address of the public networks is a default there, so such a node never calls them.
enum class NetworkKind : std::uint8_t { Mainnet, Testnet, Localnet, Own };
const char* to_string(NetworkKind kind);
// "mainnet", "testnet", "localnet" in any case, or where a hub is, as http(s) URL, host.name or
// host:port: Own. NotFound otherwise.
Result<NetworkKind> parse_network(std::string_view text);

struct ConfigKey {
  // Where the flag of a key is accepted.
  static constexpr std::uint8_t kGlobal = 1;   // before the command
  static constexpr std::uint8_t kService = 2;  // after `service`
  static constexpr std::uint8_t kHidden = 4;   // accepted, not in the help
  static constexpr std::uint8_t kFile = 0;     // no flag: user file and API only

  std::string_view name;  // as its flag is written; lookups ignore case
  ConfigType type;
  std::uint8_t scope;
  // As text; lists comma separated. `~` in front is the home directory, `@` that of the program.
  std::string_view mainnet;
  // Null data: as mainnet.
  std::string_view testnet, localnet, own;
  std::string_view help;

  bool is_global() const { return (scope & kGlobal) != 0; }
  bool is_service() const { return (scope & kService) != 0; }
  bool is_hidden() const { return (scope & kHidden) != 0; }
  // Never written into dumps, which every local caller can read.
  bool is_secret() const;
  std::string_view default_text(NetworkKind kind) const;
};

// The terms a user agrees with; agreement counts only while the stored version is equal as text.
constexpr std::string_view kTermsVersion = "0.0.53";

Span<const ConfigKey> config_keys();
// Ignores case; nullptr: not a key of the table.
const ConfigKey* find_config_key(std::string_view name);

// A text as the type says it, as flags and defaults are read. Malformed: not of this type.
Result<ConfigValue> parse_config_text(ConfigType type, std::string_view text);

}  // namespace myst::core
