// Both directions of the NATS parser: no crash, and however the bytes are cut, the same is read.
// What a server's INFO leaves after the gate is JSON that reads back.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "core/broker/address.hpp"
#include "core/broker/nats_protocol.hpp"

namespace {

using namespace myst;
using core::NatsParser;

std::string read_all(NatsParser::Sender sender, ByteSpan bytes, std::size_t step) {
  NatsParser::Limits limits;
  limits.line = 512;
  limits.payload = 1024;
  NatsParser parser(sender, limits);
  std::string seen, payload;  // of a payload that ends in an error, how much came first is open
  while (!bytes.empty()) {
    ByteSpan piece = bytes.first(std::min(step, bytes.size()));
    bytes = bytes.subspan(piece.size());
    for (;;) {
      auto token = parser.next(piece);
      if (!token.ok()) return seen + "!";
      if (!*token) break;
      if (const auto* line = std::get_if<core::NatsLine>(&**token)) {
        seen += std::to_string(static_cast<int>(line->verb));
        for (const auto part : {line->subject, line->reply, line->queue, line->sid, line->text}) {
          seen += ' ';
          seen += part;
        }
        if (line->verb == core::NatsVerb::Info) {
          const auto info = core::parse_nats_info(line->text);
          const auto shown = core::strip_nats_info(line->text);
          if (shown.ok() && !core::parse_nats_info(*shown).ok() && info.ok()) std::abort();
        }
      } else {
        payload += as_text(std::get<core::NatsPayload>(**token).bytes);
        if (!std::get<core::NatsPayload>(**token).last) continue;
        seen += payload + "|";
        payload.clear();
      }
    }
    if (!piece.empty()) std::abort();
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan bytes(data, size);
  for (const auto sender : {NatsParser::Sender::Server, NatsParser::Sender::Client}) {
    const std::string whole = read_all(sender, bytes, size + 1);
    if (read_all(sender, bytes, 1) != whole || read_all(sender, bytes, 7) != whole) std::abort();
  }
  if (const auto address = core::BrokerAddress::parse(as_text(bytes)); address.ok()) {
    const auto again = core::BrokerAddress::parse(address->to_string());
    if (!again.ok() || again->host != address->host || again->port != address->port) std::abort();
  }
  return 0;
}
