// The server's reading of a connection: first byte of the input is how it is cut into reads.
#include <algorithm>
#include <cstdlib>

#include "platform/http/parser.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using myst::ByteSpan;
  if (size == 0) return 0;
  const std::size_t piece = data[0] == 0 ? size : data[0];
  ByteSpan rest(data + 1, size - 1);
  myst::platform::HttpRequestParser parser({2048, 4096});
  while (!rest.empty()) {
    ByteSpan part = rest.first(std::min(piece, rest.size()));
    rest = rest.subspan(part.size());
    while (!part.empty()) {
      const auto used = parser.feed(part);
      if (!used.ok()) {
        if (used.error().detail < 400 || used.error().detail > 505) std::abort();
        return 0;
      }
      (void)parser.take_expectation();
      if (*used == 0 && !parser.complete()) std::abort();  // the server would spin
      part = part.subspan(*used);
      if (!parser.complete()) continue;
      const auto request = parser.take();
      if (request.path.empty() || request.method.empty()) std::abort();
      if (request.body.size() > 4096) std::abort();
      // What follows an offer to switch protocols is not read again by the server either.
      if (!parser.keep_alive()) return 0;
    }
  }
  return 0;
}
