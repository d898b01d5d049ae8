// What a peer that cheats says on its channel in place of what its core said, and what it shows its
// core in place of what came. The core's own Channel is underneath (honest_channel.cpp); nothing of
// this is in any program but interop_peer_tool. The setup's "twist", beside what this_host.hpp
// knows:
//
// {"honest": N}, so many payments or invoices are as they should be (3).
// {"stale": true}, every payment after them is the first one again; with "invoice", every other
// one.
// {"late": SECONDS}, every payment after them leaves so much later, with the next one.
// {"replay": HEX}, every payment is this one, of another session.
// {"invoice": "another_agreement" | "another_total" | "another_lock"}, every invoice after them is
// read as another one, and that one is paid.
// {"repeat": true}, every invoice after them comes twice.
// {"agreements": true}, every invoice after them is under an agreement of its own.
// {"flood": N}, N invoices leave in place of each after them, each a little one of its own
// agreement.
#pragma once

#include "platform/json/json.hpp"

namespace myst::interop {

void twist_channels(json::Value twist);

}  // namespace myst::interop
