// The client machine against a server that sends anything, in pieces, with time passing, and a user
// who subscribes, publishes and asks. The bounds hold; each request is answered at most once.
#include <cstdlib>
#include <set>

#include "core/broker/nats_client.hpp"

namespace {

struct CountingRng final : myst::Rng {
  std::uint8_t next = 0;
  void fill(myst::MutableByteSpan out) override {
    for (std::uint8_t& byte : out) byte = next++;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  using core::NatsClient;
  CountingRng rng;
  Now now{Instant{} + std::chrono::hours{1}, WallTime{} + std::chrono::hours{500000}};
  NatsClient::Config config;
  config.servers = {*core::BrokerAddress::parse("a"), *core::BrokerAddress::parse("tls://b")};
  config.max_message_bytes = 64;
  config.max_waiting_bytes = 4096;
  NatsClient client(config, rng, now);
  std::set<std::uint64_t> open;
  std::size_t at = 0;
  while (at < size) {
    const std::uint8_t op = data[at++];
    const std::size_t length = std::min<std::size_t>(op >> 3, size - at);
    const ByteSpan piece(data + at, length);
    switch (op & 7) {
      case 0:
        client.handle_connected(now);
        break;
      case 1:
        client.handle_closed(now, Error{Errc::Io, 1, "fuzz"});
        break;
      case 2:
        client.handle_tls_ready(now);
        break;
      case 3:
        (void)client.subscribe(now, as_text(piece));
        break;
      case 4:
        if (const auto id = client.request(now, "a", piece, std::chrono::seconds{5}); id.ok())
          open.insert(*id);
        break;
      case 5:
        now.instant += std::chrono::milliseconds{length * 1000};
        client.handle_timeout(now);
        break;
      case 6:
        (void)client.publish(now, "p", piece);
        break;
      default:
        client.handle_bytes(now, piece);
        break;
    }
    if ((op & 7) >= 3) at += length;
    while (auto action = client.poll_action()) {
      if (std::holds_alternative<NatsClient::Dial>(*action) && client.connected()) std::abort();
    }
    while (auto event = client.poll_event()) {
      if (const auto* answer = std::get_if<NatsClient::Answer>(&*event)) {
        if (open.erase(answer->request) == 0) std::abort();
      }
    }
    if (client.take_transmit().size() > 1u << 20) std::abort();
  }
  client.close();
  while (auto event = client.poll_event()) {
    if (const auto* answer = std::get_if<NatsClient::Answer>(&*event)) open.erase(answer->request);
  }
  if (!open.empty()) std::abort();
  return 0;
}
