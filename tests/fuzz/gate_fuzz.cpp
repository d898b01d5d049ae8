// The gate between a client and a server that both send anything: what comes out towards the server
// is NATS again and publishes nothing to a protected subject (no signature here can be valid).
#include <cstdlib>

#include "core/hub/gate.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  Now now{Instant{} + std::chrono::hours{1}, WallTime{} + std::chrono::seconds{1700000000}};
  core::GateConfig config;
  core::SubscriptionMemory memory;
  core::GateCounters counters;
  core::GateSession session(config, memory, counters, now);
  Bytes to_server;
  std::size_t at = 0;
  while (at < size) {
    const std::uint8_t op = data[at++];
    const std::size_t length = std::min<std::size_t>(op >> 1, size - at);
    const ByteSpan piece(data + at, length);
    at += length;
    const Status status =
        (op & 1) == 0 ? session.handle_client(now, piece) : session.handle_server(now, piece);
    core::append(to_server, session.take_to_server());
    (void)session.take_to_client();
    now.instant += std::chrono::milliseconds{10};
    if (!status.ok()) break;
  }
  core::NatsParser parser(core::NatsParser::Sender::Client, {});
  ByteSpan rest = to_server;
  for (;;) {
    auto token = parser.next(rest);
    if (!token.ok()) std::abort();
    if (!*token) break;
    const auto* line = std::get_if<core::NatsLine>(&**token);
    if (line == nullptr) continue;
    const bool publish = line->verb == core::NatsVerb::Pub || line->verb == core::NatsVerb::HPub;
    if (publish && core::is_protected_subject(line->subject) && counters.verified == 0)
      std::abort();
    if (line->subject.substr(0, 7) == "signed.") std::abort();
  }
  return 0;
}
