// Both framings: the stream in pieces of one size, the frames written and read again.
#include "core/p2p/framing.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace myst;
using namespace myst::core;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input(data, size);
  const std::uint8_t mode = input.byte();
  const bool text = (mode & 1u) != 0;
  const std::size_t step = 1 + (mode >> 1);
  FrameReader reader(text);
  ByteSpan rest = input.all();
  while (!rest.empty()) {
    const std::size_t take = std::min(step, rest.size());
    if (!reader.feed(rest.first(take)).ok()) break;
    rest = rest.subspan(take);
    for (;;) {
      auto frame = reader.next();
      if (!frame.ok()) return 0;
      if (!*frame) break;
      const auto encoded = text ? encode_text_frame(**frame) : encode_frame(**frame);
      if (!encoded.ok()) continue;  // longer than we would write
      FrameReader again(text);
      fuzz::require(again.feed(*encoded).ok());
      const auto copy = again.next();
      fuzz::require(copy.ok() && copy->has_value() && (*copy)->id == (*frame)->id);
      if (!text) fuzz::require((*copy)->data == (*frame)->data && (*copy)->msg == (*frame)->msg);
    }
  }
  return 0;
}
