// TOML 1.0 text to configuration values and back.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/config/value.hpp"

namespace myst::config {

// Dates and times become text. Malformed: `why` (when given) says where and what, for people.
// Full: larger or deeper than ConfigLimits.
Result<core::ConfigValue> parse_toml(std::string_view text, std::string* why = nullptr);

// A table of values, sorted, sub-tables indented by two blanks as the reference writes them.
// Nulls are left out: TOML has none.
std::string write_toml(const core::ConfigValue& tree);

}  // namespace myst::config
