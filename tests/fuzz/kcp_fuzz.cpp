// The KCP machine under any packets, writes, reads and clocks: bounded memory, packets in bounds.
#include <array>

#include "core/p2p/kcp.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace myst;
using namespace myst::core;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input(data, size);
  Kcp kcp(input.byte() % 2 == 0 ? Kcp::Config::reference() : Kcp::Config::prompt());
  std::uint32_t now = input.u32();
  std::array<std::uint8_t, 1500> out;
  while (!input.empty()) {
    const std::uint8_t op = input.byte();
    switch (op % 8) {
      case 0:
        (void)kcp.input(now, input.piece(), true);
        break;
      case 1:
        (void)kcp.input(now, input.piece(), false);
        break;
      case 2:
        (void)kcp.write(input.piece());
        break;
      case 3:
        (void)kcp.write_message(input.piece());
        break;
      case 4:
        fuzz::require(kcp.flush(now) <= 100);
        break;
      case 5:
        now += op >> 3;
        break;
      case 6:
        now += input.u32();
        break;
      case 7:
        while (kcp.read()) {
        }
        break;
    }
    if (kcp.flush_due(now)) (void)kcp.flush(now);
    while (const std::size_t written = kcp.poll_packet(out)) {
      fuzz::require(written >= Kcp::kHeader && written <= 1252);
    }
    (void)kcp.next_flush_in(now);
    const Kcp::State s = kcp.state();
    fuzz::require(s.rcv_queue <= 32 && s.rcv_buf <= 32 && s.snd_buf <= 32);
    fuzz::require(s.snd_nxt - s.snd_una <= 32 && s.rto >= 100 && s.rto <= 60000);
  }
  return 0;
}
