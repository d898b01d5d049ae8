// The hole puncher under any datagrams from anywhere, in both roles.
#include "core/nat/hole_puncher.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace myst;
using namespace myst::core;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input(data, size);
  HolePuncher::Config config;
  config.role = input.byte() % 2 == 0 ? HolePuncher::Role::Consumer : HolePuncher::Role::Provider;
  config.peer = IpAddress::v4(203, 0, 113, 1);
  const std::size_t count = input.byte() % 24;
  for (std::size_t i = 0; i < count; ++i) config.remote_ports.push_back(input.byte());
  Instant now{};
  HolePuncher puncher(config, now);
  while (!input.empty()) {
    const std::uint8_t op = input.byte();
    const std::size_t index = input.byte() % 32;
    const Endpoint from{IpAddress::v4(203, 0, 113, op & 3), static_cast<std::uint16_t>(op >> 4)};
    switch (op % 5) {
      case 0:
        puncher.handle_datagram(now, index, from, as_bytes("OK"));
        break;
      case 1:
        puncher.handle_datagram(now, index, from, as_bytes("OK_ACK"));
        break;
      case 2:
        puncher.handle_datagram(now, index, from, as_bytes("continuously pinging to "));
        break;
      case 3:
        puncher.handle_datagram(now, index, from, input.piece());
        break;
      case 4:
        now += std::chrono::milliseconds{input.byte()};
        puncher.handle_timeout(now);
        break;
    }
    std::size_t sent = 0;
    while (const auto out = puncher.poll_transmit()) {
      fuzz::require(out->index < count && ++sent <= 3 * count);
      if (puncher.pair()) {
        fuzz::require(out->index == puncher.pair()->channel.index ||
                      out->index == puncher.pair()->service.index);
      }
    }
    if (puncher.pair()) {
      fuzz::require(puncher.pair()->channel.index < puncher.pair()->service.index);
    }
  }
  return 0;
}
