// The schema as a list of steps: step N turns version N into N + 1. Landed steps never change.
#pragma once

#include <vector>

namespace myst::storage {

const std::vector<const char*>& migrations();

}  // namespace myst::storage
