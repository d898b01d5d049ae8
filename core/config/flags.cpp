#include "core/config/flags.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace myst::core {
namespace {

std::string quoted(std::string_view text) {
  // What the user typed is repeated, but not at any length.
  std::string out = "\"" + std::string(text.substr(0, 80)) + "\"";
  if (text.size() > 80) out.insert(out.size() - 1, "...");
  return out;
}

const ConfigKey* exact_key(std::string_view name, std::uint8_t scope) {
  if (scope == 0) return nullptr;
  for (const ConfigKey& key : config_keys()) {
    if (key.name == name && (key.scope & scope) != 0) return &key;
  }
  return nullptr;
}

// A flag that exists, but at another place, is the most common mistake.
std::string unknown_flag(const FlagSet& set, std::string_view name) {
  std::string message = "flag provided but not defined: -" + std::string(name.substr(0, 80));
  if ((set.key_scope & ConfigKey::kGlobal) == 0 && exact_key(name, ConfigKey::kGlobal) != nullptr) {
    message += " (it is a global flag: put it before the command)";
  } else if ((set.key_scope & ConfigKey::kService) == 0 &&
             exact_key(name, ConfigKey::kService) != nullptr) {
    message += " (it is a flag of `service`: put it after that word)";
  }
  return message;
}

void store(std::vector<FlagValue>& values, std::string_view name, ConfigValue value) {
  for (FlagValue& known : values) {
    if (known.name != name) continue;
    if (known.value.list() != nullptr) {
      ConfigValue::List joined = *known.value.list();
      joined.insert(joined.end(), value.list()->begin(), value.list()->end());
      value = ConfigValue(std::move(joined));
    }
    known.value = std::move(value);
    return;
  }
  values.push_back({std::string(name), std::move(value)});
}

void describe(std::string& out, std::string_view name, ConfigType type, std::string_view help,
              std::string_view default_text) {
  std::string left = "   --" + std::string(name);
  if (type != ConfigType::Bool) left += " value";
  out += left;
  out.append(left.size() < 46 ? 46 - left.size() : 2, ' ');
  out += help;
  if (!default_text.empty()) {
    out += " (default: ";
    if (type == ConfigType::Text) out += '"';
    if (type == ConfigType::Text && default_text.front() == '@') {
      out += "<directory of the program>" + std::string(default_text.substr(1));
    } else {
      out += default_text;
    }
    if (type == ConfigType::Text) out += '"';
    out += ')';
  }
  out += '\n';
}

}  // namespace

const ConfigType* FlagSet::find(std::string_view name) const {
  for (const FlagSpec& spec : own) {
    if (spec.name == name) return &spec.type;
  }
  const ConfigKey* key = exact_key(name, key_scope);
  return key == nullptr ? nullptr : &key->type;
}

const ConfigValue* ParsedFlags::find(std::string_view name) const {
  for (const FlagValue& flag : values) {
    if (flag.name == name) return &flag.value;
  }
  return nullptr;
}

ConfigValue ParsedFlags::get(const FlagSet& set, std::string_view name) const {
  if (const ConfigValue* given = find(name)) return *given;
  for (const FlagSpec& spec : set.own) {
    if (spec.name != name) continue;
    auto value = parse_config_text(spec.type, spec.default_text);
    if (value.ok()) return *value;
  }
  return {};
}

ParsedFlags parse_flags(const FlagSet& set, Span<const std::string> words, std::size_t first) {
  ParsedFlags out;
  std::size_t i = first;
  const auto fail = [&](std::string why) {
    out.error = std::move(why);
    out.rest = i;
    return out;
  };
  while (i < words.size()) {
    std::string_view word = words[i];
    if (word.size() < 2 || word.front() != '-') break;
    if (word == "--") {
      ++i;
      break;
    }
    std::string_view name = word.substr(word[1] == '-' ? 2 : 1);
    const std::size_t equals = name.find('=');
    std::string_view text;
    const bool has_value = equals != std::string_view::npos;
    if (has_value) {
      text = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    if (name.empty() || name.front() == '-') return fail("bad flag syntax: " + quoted(word));
    ++i;
    const ConfigType* type = set.find(name);
    if (type == nullptr) {
      const bool help = name == "help" || name == "h";
      const bool version = set.version && (name == "version" || name == "v");
      if (!help && !version) return fail(unknown_flag(set, name));
      const auto value = has_value ? parse_bool(text) : true;
      if (!value)
        return fail("invalid boolean value " + quoted(text) + " for -" + std::string(name));
      (help ? out.help : out.version) = *value;
      continue;
    }
    if (*type == ConfigType::Bool) {
      const auto value = has_value ? parse_bool(text) : true;
      if (!value) {
        return fail("invalid boolean value " + quoted(text) + " for -" + std::string(name) +
                    ": use true or false");
      }
      store(out.values, name, *value);
      continue;
    }
    if (!has_value) {
      if (i == words.size()) return fail("flag needs an argument: -" + std::string(name));
      text = words[i++];
    }
    if (text.size() > ConfigLimits::kText)
      return fail("value too long for flag -" + std::string(name));
    auto value = parse_config_text(*type, text);
    if (!value.ok()) {
      return fail("invalid value " + quoted(text) + " for flag -" + std::string(name) + ": " +
                  value.error().what);
    }
    store(out.values, name, std::move(*value));
  }
  out.rest = i;
  return out;
}

std::string describe_flags(const FlagSet& set, NetworkKind network) {
  std::string out;
  for (const FlagSpec& spec : set.own) {
    describe(out, spec.name, spec.type, spec.help, spec.default_text);
  }
  for (const ConfigKey& key : config_keys()) {
    if ((key.scope & set.key_scope) == 0 || key.is_hidden()) continue;
    describe(out, key.name, key.type, key.help, key.default_text(network));
  }
  out += "   --help, -h";
  out.append(33, ' ');
  out += "show help\n";
  if (set.version) {
    out += "   --version, -v";
    out.append(30, ' ');
    out += "print the version\n";
  }
  return out;
}

}  // namespace myst::core
