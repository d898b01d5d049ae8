// A whole channel: packets as they are, and bodies under the right key, with requests, replies and
// time in between. Every request is answered once; memory stays bounded.
#include <array>
#include <cstring>

#include "core/p2p/channel.hpp"
#include "core/p2p/packet.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace myst;
using namespace myst::core;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input(data, size);
  fuzz::FuzzRng rng;
  Channel::Config config;
  config.key = Secret<32>(ByteArray<32>{1});
  config.text_framing = input.byte() % 2 == 0;
  Instant now{};
  Channel channel(config, rng, now);
  std::size_t asked = 0;
  std::size_t answered = 0;
  std::vector<std::uint64_t> open;
  while (!input.empty()) {
    const std::uint8_t op = input.byte();
    switch (op % 8) {
      case 0:
        (void)channel.handle_datagram(now, input.piece());
        break;
      case 1:
      case 2:
      case 3: {
        const ByteSpan body = input.piece();
        Bytes packet(kPacketHeader);
        packet.insert(packet.end(), body.begin(), body.end());
        seal_packet(config.key, rng, packet);
        (void)channel.handle_datagram(now, packet);
        break;
      }
      case 4:
        if (channel.request(now, "topic", input.piece(), std::chrono::seconds{5}).ok()) ++asked;
        break;
      case 5:
        if (!open.empty()) {
          (void)channel.reply(
              now, open.back(),
              {static_cast<ReplyStatus>(1 + (op >> 3) % 4), to_bytes(input.piece()), "text"});
          open.pop_back();
        }
        break;
      case 6:
        now += std::chrono::milliseconds{op >> 3};
        channel.handle_timeout(now);
        break;
      case 7:
        now += std::chrono::milliseconds{input.u32() % 100000};
        channel.handle_timeout(now);
        break;
    }
    while (auto event = channel.poll_event()) {
      if (const auto* in = std::get_if<Channel::Incoming>(&*event)) {
        open.push_back(in->id);
      } else if (std::holds_alternative<Channel::Answer>(*event)) {
        ++answered;
      }
    }
    std::array<std::uint8_t, Channel::kMaxDatagram> out;
    while (channel.poll_transmit(MutableByteSpan(out)) > 0) {
    }
    fuzz::require(answered + channel.unanswered() == asked);
    fuzz::require(channel.memory() < 2 * 1024 * 1024);
    if (const auto next = channel.next_timeout()) fuzz::require(*next >= now || asked > 0);
  }
  return 0;
}
