// TOML 1.0 by hand. The library at hand (toml++ 3.3.0, Debian 12) asserts, and without asserts is
// undefined, at text such as "[/": a configuration file is edited by people and corrupted by power
// cuts, and neither may end the node. Private to drivers/config.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/config/value.hpp"

namespace myst::config {

// Malformed: `line` counts from 1, `what` is for people. Full: nested deeper than ConfigLimits.
struct TomlMistake {
  Errc code = Errc::Malformed;
  int line = 1;
  const char* what = nullptr;  // null: none
};

core::ConfigValue read_toml(std::string_view text, TomlMistake& mistake);

}  // namespace myst::config
