// The receiver under any shards, and sender and receiver together under any losses.
#include "core/base/endian.hpp"
#include "core/p2p/fec.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace myst;
using namespace myst::core;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input(data, size);
  const bool honest = input.byte() % 2 == 0;
  FecReceiver receiver;
  FecSender sender;
  Instant now{};
  std::vector<Bytes> lost;
  std::size_t missing = 0;
  while (!input.empty()) {
    now += std::chrono::seconds{input.byte() % 4 == 0 ? 20 : 0};
    if (!honest) {
      const std::uint32_t seqid = input.byte() % 8 == 0 ? input.u32() : input.byte();
      const bool parity = seqid % kFecGroup >= kFecData;
      (void)receiver.input(now, seqid, input.byte() % 16 == 0 ? !parity : parity, input.piece());
    } else {
      const bool lose = input.byte() % 4 == 0 && missing < kFecParity;
      const ByteSpan segments = input.piece();
      Bytes body(kFecHeader);
      body.insert(body.end(), segments.begin(), segments.end());
      sender.seal(body);
      std::vector<Bytes> rebuilt;
      if (lose) {
        ++missing;
        lost.push_back(to_bytes(segments));
      } else {
        rebuilt = receiver.input(now, get_u32le(body), false, ByteSpan(body).subspan(6));
      }
      const bool group_ends = sender.parity_due();
      std::array<std::uint8_t, 4096> parity;
      while (sender.parity_due()) {
        const std::size_t n = sender.poll_parity(parity);
        const ByteSpan shard = ByteSpan(parity).first(n);
        auto more = receiver.input(now, get_u32le(shard), true, shard.subspan(6));
        for (Bytes& piece : more) rebuilt.push_back(std::move(piece));
      }
      if (group_ends) {
        // What was lost comes back, unless the bounds or the clock threw too much away; what they
        // threw away may come back with it.
        if (!rebuilt.empty()) {
          for (const Bytes& piece : lost) {
            fuzz::require(std::find(rebuilt.begin(), rebuilt.end(), piece) != rebuilt.end());
          }
        }
        lost.clear();
        missing = 0;
      } else {
        fuzz::require(rebuilt.empty());
      }
    }
    fuzz::require(receiver.packets() <= FecReceiver::kMaxPackets);
    fuzz::require(receiver.memory() <= FecReceiver::kMaxBytes + 8192);
  }
  return 0;
}
