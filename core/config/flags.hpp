// Command line words to flag values, with the rules existing setups rely on (node: urfave/cli 2.25
// on Go's flag package): one or two dashes alike, `--name value` and `--name=value`, booleans
// without a value or with `=false`, lists comma separated and repeated, `--` ends the flags, and
// the first word that is no flag ends them too.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/span.hpp"
#include "core/config/keys.hpp"

namespace myst::core {

// A flag a command accepts beyond those of the key table.
struct FlagSpec {
  std::string_view name;
  ConfigType type;
  std::string_view default_text;
  std::string_view help;
};

// The flags accepted at one place of the command line.
struct FlagSet {
  std::uint8_t key_scope = 0;  // ConfigKey::kGlobal or kService: keys of the table
  Span<const FlagSpec> own;    // and these
  bool version = false;        // --version, -v

  // The type of a flag by its exact name; nullptr: not accepted here.
  const ConfigType* find(std::string_view name) const;
};

struct FlagValue {
  std::string name;
  ConfigValue value;
};

struct ParsedFlags {
  std::vector<FlagValue> values;  // the last one of a name counts; lists are already joined
  std::size_t rest = 0;           // index of the first word that was not read
  bool help = false;              // --help or -h was among them
  bool version = false;
  std::string error;  // empty: all well. Else one sentence, and `values` is not to be used

  bool ok() const { return error.empty(); }
  const ConfigValue* find(std::string_view name) const;
  // Of a flag with a default in `set`.
  ConfigValue get(const FlagSet& set, std::string_view name) const;
};

ParsedFlags parse_flags(const FlagSet& set, Span<const std::string> words, std::size_t first = 0);

// The lines of a help text that describe the flags: "   --name value   help (default: x)".
std::string describe_flags(const FlagSet& set, NetworkKind network);

}  // namespace myst::core
