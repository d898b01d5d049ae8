// The state machine of one device against a peer that may be anybody: the input is a list of steps.
// Some steps carry bytes from the network as they are, some mend them so that they pass mac1, some
// play a genuine peer; time moves in between.
#include <cstddef>
#include <cstdint>

#include "core/crypto/blake2s.hpp"
#include "core/wireguard/cookie.hpp"
#include "tests/support/wireguard_node.hpp"

using myst::Bytes;
using myst::ByteSpan;
using myst::test::ip_packet;
using myst::test::WireguardNode;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace wg = myst::core::wireguard;
  WireguardNode a(1, "192.0.2.1:1"), b(2, "192.0.2.2:2");
  auto& peer_b = a.add_peer(b, "10.0.0.2/32", true);
  b.add_peer(a, "10.0.0.1/32", true);
  myst::Now now{myst::Instant{std::chrono::seconds{1000}},
                myst::WallTime{std::chrono::milliseconds{1700000000000}}};
  const myst::Digest32 mac1 = wg::mac1_key(a.key());
  const auto carry = [&](WireguardNode& from, WireguardNode& to) {
    for (auto& datagram : std::exchange(from.outbox, {})) {
      to.receive(now, datagram.from, datagram.bytes);
    }
  };
  while (size >= 2) {
    const std::uint8_t step = data[0], value = data[1];
    data += 2;
    size -= 2;
    const std::size_t take = size < value ? size : value;
    switch (step % 10) {
      case 0: {
        Bytes bytes(data, data + take);
        a.receive(now, b.endpoint, std::move(bytes), (step & 0x80) != 0);
        data += take;
        size -= take;
        break;
      }
      case 1: {  // a handshake message whose mac1 is right
        Bytes bytes(step & 0x40 ? wg::kResponseSize : wg::kInitiationSize);
        std::copy(data, data + (take < bytes.size() ? take : bytes.size()), bytes.begin());
        wg::store_le32(bytes.data(), step & 0x40 ? 2 : 1);
        const auto mac = myst::blake2s_mac(mac1, ByteSpan(bytes).first(bytes.size() - 32));
        std::copy(mac.begin(), mac.end(), bytes.end() - 32);
        a.receive(now, b.endpoint, std::move(bytes), (step & 0x80) != 0);
        data += take;
        size -= take;
        break;
      }
      case 2:
        now.instant += std::chrono::milliseconds{value * 50};
        break;
      case 3:
        now.instant += std::chrono::seconds{value};
        break;
      case 4:
        now.wall += std::chrono::seconds{(value - 128) * 60};
        break;
      case 5:
        a.send(now, ip_packet("10.0.0.1", "10.0.0.2", "a"));
        break;
      case 6:
        b.send(now, ip_packet("10.0.0.2", "10.0.0.1", "b"));
        break;
      case 7:
        carry(a, b);
        break;
      case 8: {  // a genuine datagram of b, with one byte changed
        auto datagrams = std::exchange(b.outbox, {});
        for (auto& datagram : datagrams) {
          if ((step & 0x80) != 0) datagram.bytes[value % datagram.bytes.size()] ^= 1;
          a.receive(now, datagram.from, datagram.bytes, (step & 0x40) != 0);
        }
        break;
      }
      default:
        a.engine().set_keepalive(now.instant, peer_b, value);
        a.settle(now);
        break;
    }
    a.run_timers(now);
    b.run_timers(now);
    const auto next = a.engine().next_timeout();
    if (next && *next <= now.instant) __builtin_trap();  // it would spin
    if (peer_b.staged.size() > WireguardNode::Engine::kMaxStaged) __builtin_trap();
  }
  return 0;
}
