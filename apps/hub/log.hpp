// How the hub tells its operator something: one line at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace myst::hub {

enum class Level : std::uint8_t { Info, Warning };
using Log = std::function<void(Level, const std::string&)>;

}  // namespace myst::hub
