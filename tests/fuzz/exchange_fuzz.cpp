// The dialog: its messages as parsers, and both machines under any order of events. Messages under
// a right signature come from keys the fuzzer is given, so that it gets past the first check.
#include <deque>

#include "core/dialog/consumer_dial.hpp"
#include "core/dialog/exchange.hpp"
#include "core/dialog/provider_listener.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace myst;
using namespace myst::core;
using namespace myst::core::dialog;

namespace {

struct Seen {
  std::deque<SocketId> sockets;
  std::uint32_t request = 0;
  Bytes payload;  // of the last request or publish
  std::size_t ends = 0;
};

template <typename Machine>
void drain(Machine& machine, Seen& seen) {
  while (auto action = machine.poll_action()) {
    if (const auto* open = std::get_if<OpenUdp>(&*action)) seen.sockets.push_back(open->socket);
    if (const auto* request = std::get_if<BrokerRequest>(&*action)) {
      seen.request = request->request;
      seen.payload = request->payload;
    }
    if (const auto* publish = std::get_if<BrokerPublish>(&*action)) seen.payload = publish->payload;
    if (std::holds_alternative<ChannelOpened>(*action) ||
        std::holds_alternative<DialogFailed>(*action)) {
      ++seen.ends;
    }
  }
}

// The fuzzer's bytes as an exchange message of `signer`: a config for the peer whose key the last
// message showed.
Bytes forge(fuzz::FuzzInput& input, const Signer& signer, const x25519::KeyPair& keys,
            const Bytes& last, fuzz::FuzzRng& rng) {
  const ByteSpan piece = input.piece();
  const auto received = open_message(last);
  if (!received.ok() || input.byte() % 4 == 0) return to_bytes(piece);
  pb::P2PConnectConfig config;
  config.public_ip = input.byte() % 4 == 0 ? "203.0.113.9" : "198.51.100.7";
  config.compatibility = input.byte() % 4;
  const std::size_t ports = input.byte() % 2 == 0 ? 2 : 20;
  for (std::size_t i = 0; i < ports; ++i) config.ports.push_back(1000 + input.byte());
  auto sealed = seal_config(keys.secret, received->key, rng, config);
  if (!sealed.ok()) return to_bytes(piece);
  if (!piece.empty() && input.byte() % 4 == 0) (*sealed)[piece.size() % sealed->size()] ^= piece[0];
  const auto message = make_message(signer, keys.public_key, *sealed);
  return message.ok() ? *message : Bytes();
}

Endpoint somebody(std::uint8_t op) {
  return {IpAddress::v4(198, 51, 100, op % 8), static_cast<std::uint16_t>(1 + op)};
}

void run_consumer(fuzz::FuzzInput& input, const Signer& us, const Signer& peer) {
  fuzz::FuzzRng rng;
  const auto keys = x25519::make_pair(rng);
  ConsumerDial::Config config;
  config.provider = peer.address();
  config.service_type = "wireguard";
  Instant now{};
  ConsumerDial dial(config, us, rng, now);
  Seen seen;
  for (int steps = 0; !input.empty() && steps < 300; ++steps) {
    drain(dial, seen);
    const std::uint8_t op = input.byte();
    const SocketId socket = seen.sockets.empty() ? op : seen.sockets[op % seen.sockets.size()];
    switch (op % 9) {
      case 0:
        dial.handle_network_facts(now,
                                  NetworkFacts{IpAddress::v4(203, 0, 113, 9), {somebody(1)}, {}});
        break;
      case 1:
        dial.handle_broker_connected(now, {});
        break;
      case 2:
        dial.handle_broker_reply(now, seen.request, forge(input, peer, keys, seen.payload, rng));
        break;
      case 3:
        dial.handle_broker_message(now, 1, input.piece());
        break;
      case 4:
        dial.handle_host_route(now, {});
        break;
      case 5:
        while (!seen.sockets.empty()) {
          dial.handle_udp_opened(now, seen.sockets.front(), op);
          seen.sockets.pop_front();
          drain(dial, seen);
          if (input.byte() % 8 == 0) break;
        }
        break;
      case 6:
        dial.handle_datagram(now, 1 + op % 20, somebody(op),
                             as_bytes(op % 2 == 0 ? "OK" : "continuously pinging to "));
        break;
      case 7:
        dial.handle_datagram(now, socket, somebody(op), input.piece());
        break;
      case 8:
        if (const auto next = dial.next_timeout()) now = std::max(now, *next);
        now += std::chrono::milliseconds{input.byte()};
        dial.handle_timeout(now);
        break;
    }
  }
  dial.cancel(now);
  drain(dial, seen);
  fuzz::require(seen.ends == 1 && dial.done() && !dial.next_timeout());
}

void run_provider(fuzz::FuzzInput& input, const Signer& us, const Signer& peer) {
  fuzz::FuzzRng rng;
  const auto keys = x25519::make_pair(rng);
  ProviderListener::Config config;
  config.service_type = "wireguard";
  Instant now{};
  ProviderListener listener(config, us, rng);
  listener.start(now);
  Seen seen;
  for (int steps = 0; !input.empty() && steps < 300; ++steps) {
    drain(listener, seen);
    const std::uint8_t op = input.byte();
    switch (op % 9) {
      case 0: {
        std::vector<Endpoint> checkers;
        if (op >= 128) checkers.push_back(somebody(1));
        listener.handle_network_facts(now,
                                      NetworkFacts{IpAddress::v4(203, 0, 113, 9), {}, checkers});
        break;
      }
      case 1: {
        const auto message = make_message(peer, keys.public_key, {});
        listener.handle_broker_message(now, 1, "reply", *message);
        break;
      }
      case 2:
        listener.handle_broker_message(now, 2, "reply",
                                       forge(input, peer, keys, seen.payload, rng));
        break;
      case 3:
        listener.handle_broker_message(now, 1 + op % 2, "reply", input.piece());
        break;
      case 4:
        listener.handle_ports_mapped(now, 1 + op % 4, op >= 128 ? Status() : Status(Error{}));
        break;
      case 5:
        while (!seen.sockets.empty()) {
          listener.handle_udp_opened(now, seen.sockets.front(), op);
          seen.sockets.pop_front();
          drain(listener, seen);
          if (input.byte() % 8 == 0) break;
        }
        break;
      case 6:
        listener.handle_datagram(now, 1 + op % 24, somebody(op),
                                 as_bytes(op % 2 == 0 ? "OK" : "OK_ACK"));
        break;
      case 7:
        listener.handle_datagram(now, 1 + op % 24, somebody(op), input.piece());
        break;
      case 8:
        if (const auto next = listener.next_timeout()) now = std::max(now, *next);
        now += std::chrono::milliseconds{input.byte()};
        listener.handle_timeout(now);
        break;
    }
    fuzz::require(listener.exchanges() <= ProviderListener::kMaxExchanges);
  }
  listener.stop(now);
  drain(listener, seen);
  fuzz::require(listener.exchanges() == 0 && !listener.next_timeout());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::FuzzRng key_rng;
  static const LocalSigner provider = LocalSigner::make(key_rng);
  static const LocalSigner consumer = LocalSigner::make(key_rng);
  (void)open_message({data, size});
  (void)open_config(Secret<32>(ByteArray<32>{1}), x25519::PublicKey{9}, {data, size});
  fuzz::FuzzInput input(data, size);
  if (input.byte() % 2 == 0) {
    run_consumer(input, consumer, provider);
  } else {
    run_provider(input, provider, consumer);
  }
  return 0;
}
