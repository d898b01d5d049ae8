// A whole node, provider and consumer, fed with whatever an executor, a broker and peers could say.
#include <cstring>
#include <vector>

#include "core/node/node.hpp"

namespace {

using namespace myst;
using namespace myst::core;

class CountingRng final : public Rng {
 public:
  void fill(MutableByteSpan out) override {
    for (auto& byte : out) byte = static_cast<std::uint8_t>(++state_ * 167 >> 3);
  }

 private:
  std::uint32_t state_ = 1;
};

struct Input {
  const std::uint8_t* data;
  std::size_t size;
  std::uint8_t byte() {
    if (size == 0) return 0;
    --size;
    return *data++;
  }
  Bytes bytes() {
    const std::size_t count = std::min<std::size_t>(byte(), size);
    Bytes out(data, data + count);
    data += count;
    size -= count;
    return out;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input in{data, size};
  CountingRng rng;
  Now now{Instant{} + std::chrono::hours{1}, WallTime{} + std::chrono::hours{24 * 20000}};
  node::Config config;
  config.broker_addresses = {"nats://127.0.0.1:4222"};
  config.auto_reconnect = config.keep_connected_on_fail = (in.byte() & 1) != 0;
  config.kill_switch = true;
  Node machine(config, rng, now);
  static const auto signer = [] {
    CountingRng key;
    return std::make_shared<LocalSigner>(LocalSigner::make(key));
  }();
  machine.handle_unlocked(now, signer);
  std::vector<node::ActionId> open;
  std::vector<node::SocketId> sockets;
  std::vector<std::uint32_t> tags;
  std::vector<node::TunnelId> tunnels;
  const auto drain = [&] {
    while (auto action = machine.poll_action()) {
      std::visit(
          [&](auto& a) {
            using A = std::decay_t<decltype(a)>;
            if constexpr (std::is_same_v<A, node::UdpOpen>) sockets.push_back(a.socket);
            if constexpr (std::is_same_v<A, node::BrokerSubscribe>) tags.push_back(a.tag);
            if constexpr (std::is_same_v<A, node::ServiceTunnelOpen> ||
                          std::is_same_v<A, node::ConsumerTunnelOpen>) {
              tunnels.push_back(a.tunnel);
            }
          },
          *action);
      // The id is the first member of every action that has one.
      std::visit(
          [&](auto& a) {
            using A = std::decay_t<decltype(a)>;
            if constexpr (!std::is_same_v<A, node::UdpSend> && !std::is_same_v<A, node::UdpClose> &&
                          !std::is_same_v<A, node::UdpTellRefused> &&
                          !std::is_same_v<A, node::BrokerPublish> &&
                          !std::is_same_v<A, node::BrokerClose> &&
                          !std::is_same_v<A, node::BrokerSubscribe> &&
                          !std::is_same_v<A, node::BrokerUnsubscribe> &&
                          !std::is_same_v<A, node::UnmapPorts> &&
                          !std::is_same_v<A, node::ReleaseAddress> &&
                          !std::is_same_v<A, node::BypassBackends> &&
                          !std::is_same_v<A, node::KillSwitchOff> &&
                          !std::is_same_v<A, node::ReadTunnel> &&
                          !std::is_same_v<A, node::StoreSession> &&
                          !std::is_same_v<A, node::StoreConnectivity>) {
              open.push_back(a.id);
            }
          },
          *action);
    }
    while (machine.poll_event()) {
    }
    (void)machine.next_timeout();
  };
  const auto pick = [&](const auto& list) {
    return list.empty() ? 0u : static_cast<std::uint32_t>(list[in.byte() % list.size()]);
  };
  for (int steps = 0; in.size > 0 && steps < 400; ++steps) {
    switch (in.byte() % 14) {
      case 0: {
        const char* types[] = {"wireguard", "noop", "monitoring", "other"};
        (void)machine.start_service(now, {signer->address(), types[in.byte() % 4], {}});
        break;
      }
      case 1: {
        node::ConnectOptions options;
        options.consumer = signer->address();
        options.slot = in.byte() % 3;
        (void)machine.connect(now, options);
        break;
      }
      case 2:
        (void)machine.disconnect(now, in.byte() % 4 - 1);
        break;
      case 3:
        if (const auto services = machine.services(); !services.empty()) {
          (void)machine.stop_service(now, services[in.byte() % services.size()].id);
        }
        break;
      case 4:
      case 5: {
        if (open.empty()) break;
        const std::size_t at = in.byte() % open.size();
        const node::ActionId id = open[at];
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
        Result<node::Outcome> result = node::Outcome(node::Done{});
        switch (in.byte() % 8) {
          case 0:
            result = Error{Errc::Unavailable, 0, "fuzz"};
            break;
          case 1:
            result = node::Outcome(node::Port{static_cast<std::uint16_t>(in.byte() * 257)});
            break;
          case 2:
            result = node::Outcome(in.bytes());
            break;
          case 3: {
            node::NetworkFacts facts;
            facts.public_ip = IpAddress::v4(203, 0, 113, in.byte());
            result = node::Outcome(facts);
            break;
          }
          case 4:
            result = node::Outcome(ProposalLocation{});
            break;
          case 5: {
            PricedProposal offer;
            offer.proposal.provider_id = signer->address().to_string();
            offer.proposal.service_type = in.byte() % 2 == 0 ? "wireguard" : "noop";
            ProposalContact contact;
            contact.type = std::string(kNatsContact);
            contact.broker_addresses = {"nats://a:1"};
            offer.proposal.contacts.push_back(std::move(contact));
            result = node::Outcome(node::ProposalList{offer});
            break;
          }
          case 6:
            result = node::Outcome(Wei{in.byte()});
            break;
          default:
            break;
        }
        machine.handle_action_done(now, id, std::move(result));
        break;
      }
      case 6:
        machine.handle_datagram(now, pick(sockets), Endpoint{IpAddress::v4(203, 0, 113, 1), 1000},
                                in.bytes());
        break;
      case 7:
        machine.handle_broker_connected(now);
        break;
      case 8:
        machine.handle_broker_lost(now);
        break;
      case 9:
        machine.handle_broker_message(now, 0, pick(tags), "_INBOX.1", in.bytes());
        break;
      case 10:
        machine.handle_tunnel_up(now, pick(tunnels));
        break;
      case 11:
        machine.handle_tunnel_lost(now, pick(tunnels), Error{Errc::Io, 0, "fuzz"});
        break;
      case 12:
        machine.handle_tunnel_counters(now, pick(tunnels), {in.byte(), in.byte()});
        break;
      case 13:
        now.instant += std::chrono::milliseconds{1 << in.byte() % 18};
        machine.handle_timeout(now);
        break;
    }
    drain();
  }
  machine.shutdown(now);
  drain();
  return 0;
}
