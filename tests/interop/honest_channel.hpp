// Channel::request and Channel::poll_event as core wrote them.
#pragma once

#include "core/p2p/channel.hpp"

namespace myst::interop {

Result<std::uint64_t> honest_request(core::Channel& channel, Instant now, std::string_view topic,
                                     ByteSpan data, Duration timeout);
std::optional<core::Channel::Event> honest_poll_event(core::Channel& channel);

}  // namespace myst::interop
