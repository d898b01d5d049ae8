// STUN answers as a parser and as input of a probe; port check replies.
#include "core/nat/port_check.hpp"
#include "core/nat/stun.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace myst;
using namespace myst::core;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto answer = parse_stun_answer({data, size});
  if (answer.ok()) fuzz::require(answer->mapped.port != 0);
  fuzz::FuzzInput input(data, size);
  fuzz::FuzzRng rng;
  std::vector<Endpoint> servers(input.byte() % 12, Endpoint{IpAddress::v4(192, 0, 2, 1), 3478});
  Instant now{};
  StunProbe probe({}, 5000, servers, rng, now);
  PortCheck check(5000, servers, rng, now);
  Bytes last;
  while (!input.empty()) {
    while (const auto request = probe.poll_transmit()) last = to_bytes(request->bytes);
    while (check.poll_transmit()) {
    }
    const ByteSpan piece = input.piece();
    Bytes datagram = to_bytes(piece);
    // Sometimes with the right transaction, else nothing would ever match.
    if (datagram.size() >= 20 && last.size() == 20 && datagram[0] % 2 == 1) {
      std::copy(last.begin() + 4, last.end(), datagram.begin() + 4);
    }
    (void)probe.handle_datagram(now, datagram);
    (void)check.handle_datagram(datagram);
    now += std::chrono::milliseconds{input.byte()};
    probe.handle_timeout(now);
    check.handle_timeout(now);
    if (const auto next = probe.next_timeout()) fuzz::require(*next > now);
    fuzz::require(probe.port() != 0);
  }
  return 0;
}
