// The configuration of a node: four layers, of which the highest that has a key wins.
//
//   command line   flags given by hand
//   user           config-mainnet.toml and POST /config/user; the only layer that changes at run
//   time document       what the hub of a network of one's own publishes default        the key
//   table, by network
//
// A single lookup never merges sub-trees; the dump does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/flags.hpp"
#include "core/config/keys.hpp"
#include "core/config/value.hpp"

namespace myst::core {

class NodeConfig {
 public:
  // What defaults like `~/.mysterium` are made of.
  struct Places {
    std::string home;         // HOME of the user
    std::string program_dir;  // directory of the executable
  };
  enum class Layer : std::uint8_t { None, Default, Document, User, CommandLine };
  // One key of the hub's document, with the layer that has the last word on it.
  struct Taken {
    std::string key;
    std::string value;  // for the log
    Layer used;         // Document: taken; CommandLine or User: overruled
  };

  explicit NodeConfig(Places places);

  // A --network among the flags chooses the defaults. A bad name is ignored (and reported by the
  // returned error: log it and go on), as is `network` of the user file unless it is a hub's URL.
  Status set_command_line(std::vector<FlagValue> flags);
  // The content of the user file. Full, Malformed: refused as a whole, nothing changed.
  Status set_user(ConfigValue tree);
  // Replaces the document layer. Only keys of the table that are not of the user's own machine
  // (directories, API, credentials) are taken; others are ignored. Returned: one entry a key, for
  // the log.
  std::vector<Taken> absorb_document(const std::vector<FlagValue>& items);

  NetworkKind network() const { return network_; }
  // Not empty when network() is Own: where the hub is, as the user wrote it but for slashes at the
  // end.
  std::string hub_url() const;
  // Folder of the database below data-dir: mainnet, testnet, localnet, or made of the hub's name.
  std::string network_folder() const;

  // Lookups, key in any case. An unknown key is null, false, 0, empty.
  ConfigValue get(std::string_view key) const;
  Layer origin(std::string_view key) const;
  bool flag(std::string_view key) const { return get(key).as_bool(); }
  std::int64_t integer(std::string_view key) const { return get(key).as_integer(); }
  double number(std::string_view key) const { return get(key).as_number(); }
  std::string text(std::string_view key) const { return get(key).as_text(); }
  Duration duration(std::string_view key) const { return get(key).as_duration(); }
  // List keys as lists; text keys are split at commas, as the flags are written.
  std::vector<std::string> list(std::string_view key) const;

  // Trees with lower-case keys for the API.
  ConfigValue dump() const;
  ConfigValue defaults() const;
  const ConfigValue& user() const { return user_; }

  // Changes of the user layer in memory; the owner saves. Rejected: a scalar would replace a
  // sub-tree of known keys or the other way round, which would make the tree unreadable. Full:
  // limits.
  Status set_user_value(std::string_view key, ConfigValue value);
  void remove_user_value(std::string_view key);

  // The first value that cannot work (port out of range, unknown word), as a sentence; empty: all
  // well.
  std::string first_fault() const;

 private:
  const ConfigValue* command_line(std::string_view key) const;
  const ConfigValue* document(std::string_view key) const;
  ConfigValue default_value(const ConfigKey& key) const;
  void choose_network();

  Places places_;
  NetworkKind network_ = NetworkKind::Mainnet;
  std::vector<FlagValue> command_line_, document_;  // names lower-case
  ConfigValue user_{ConfigValue::Table{}};
};

// "udp.ports" and the like: "start:end" with 1 <= start <= end <= 65535.
struct PortRange {
  std::uint16_t first = 0, last = 0;
};
Result<PortRange> parse_port_range(std::string_view text);

}  // namespace myst::core
