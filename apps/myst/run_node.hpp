// The node as a program: `myst daemon` and `myst service`.
#pragma once

#include "apps/myst/commands.hpp"

namespace myst::app {

// Runs until a signal (0), POST /stop or a failing start (1).
int run_node(NodeLaunch launch);

}  // namespace myst::app
