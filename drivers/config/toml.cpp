#include "drivers/config/toml.hpp"

#include <cmath>
#include <string>

#include "core/base/text.hpp"
#include "drivers/config/toml_reader.hpp"

namespace myst::config {
namespace {

using core::ConfigLimits;
using core::ConfigValue;

void append_key(std::string& out, std::string_view key) {
  constexpr std::string_view kBare =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  if (!key.empty() && key.find_first_not_of(kBare) == std::string_view::npos) {
    out += key;
  } else {
    out += quoted(key);
  }
}

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "nan";
  } else if (std::isinf(value)) {
    out += value > 0 ? "inf" : "-inf";
  } else {
    std::string text = core::number_text(value);
    // A float stays one when it is read again.
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    out += text;
  }
}

void append_value(std::string& out, const ConfigValue& value) {
  if (const bool* boolean = value.boolean()) {
    out += *boolean ? "true" : "false";
  } else if (const std::int64_t* integer = value.integer()) {
    out += std::to_string(*integer);
  } else if (const double* number = value.number()) {
    append_number(out, *number);
  } else if (const std::string* text = value.text()) {
    out += quoted(*text);
  } else if (const ConfigValue::List* list = value.list()) {
    out += '[';
    bool first = true;
    for (const ConfigValue& item : *list) {
      if (item.is_null()) continue;
      if (!first) out += ", ";
      first = false;
      append_value(out, item);
    }
    out += ']';
  } else if (const ConfigValue::Table* table = value.table()) {
    out += '{';
    bool first = true;
    for (const auto& [key, item] : *table) {
      if (item.is_null()) continue;
      if (!first) out += ", ";
      first = false;
      append_key(out, key);
      out += " = ";
      append_value(out, item);
    }
    out += '}';
  }
}

void append_table(std::string& out, const ConfigValue::Table& table, const std::string& path,
                  const std::string& indent) {
  for (const auto& [key, value] : table) {
    if (value.is_null() || value.is_table()) continue;
    out += indent;
    append_key(out, key);
    out += " = ";
    append_value(out, value);
    out += '\n';
  }
  for (const auto& [key, value] : table) {
    if (!value.is_table()) continue;
    std::string inner = path;
    if (!inner.empty()) inner += '.';
    append_key(inner, key);
    if (!out.empty()) out += '\n';
    out += indent + "[" + inner + "]\n";
    append_table(out, *value.table(), inner, indent + "  ");
  }
}

}  // namespace

Result<ConfigValue> parse_toml(std::string_view text, std::string* why) {
  if (text.size() > ConfigLimits::kFile) {
    if (why != nullptr) *why = "the file is larger than 1 MiB";
    return Error{Errc::Full, 0, "configuration file too large"};
  }
  if (!is_utf8(text)) {
    if (why != nullptr) *why = "the file is not UTF-8 text";
    return Error{Errc::Malformed, 0, "configuration file is not UTF-8"};
  }
  TomlMistake mistake;
  ConfigValue tree = read_toml(text, mistake);
  if (mistake.what != nullptr) {
    if (why != nullptr) *why = "line " + std::to_string(mistake.line) + ": " + mistake.what;
    return Error{mistake.code, mistake.line, mistake.what};
  }
  if (const Status status = core::check_limits(tree); !status.ok()) {
    if (why != nullptr) *why = status.error().what;
    return status.error();
  }
  return tree;
}

std::string write_toml(const ConfigValue& tree) {
  std::string out;
  if (const ConfigValue::Table* table = tree.table()) append_table(out, *table, "", "");
  return out;
}

}  // namespace myst::config
