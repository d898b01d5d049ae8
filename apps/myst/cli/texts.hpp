// Longer texts the commands print.
#pragma once

#include <string>

namespace myst::app {

std::string version_text();
std::string license_text();
std::string warranty_text();
std::string conditions_text();
std::string program_help();

}  // namespace myst::app
