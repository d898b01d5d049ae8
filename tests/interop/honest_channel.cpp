// The core's channel as it is, with its two ends under other names: twisted_channel.cpp stands in
// front of them. Everything that the channel is made of is read first, under its own names.
#include "core/base/endian.hpp"
#include "core/base/text.hpp"
#include "core/p2p/fec.hpp"
#include "core/p2p/framing.hpp"
#include "core/p2p/kcp.hpp"
#include "core/p2p/packet.hpp"

#define request honest_request
#define poll_event honest_poll_event
#include "core/p2p/channel.cpp"
#undef request
#undef poll_event

#include "tests/interop/honest_channel.hpp"

namespace myst::interop {

Result<std::uint64_t> honest_request(core::Channel& channel, Instant now, std::string_view topic,
                                     ByteSpan data, Duration timeout) {
  return channel.honest_request(now, topic, data, timeout);
}
std::optional<core::Channel::Event> honest_poll_event(core::Channel& channel) {
  return channel.honest_poll_event();
}

}  // namespace myst::interop
