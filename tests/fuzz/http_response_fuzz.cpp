// The client's reading of an answer: first byte of the input is how it is cut into reads, its
// lowest bit whether the question was HEAD.
#include <algorithm>
#include <cstdlib>

#include "platform/http/parser.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using myst::ByteSpan;
  if (size == 0) return 0;
  const std::size_t piece = data[0] < 2 ? size : data[0];
  ByteSpan rest(data + 1, size - 1);
  myst::platform::HttpResponseParser parser({2048, 4096}, (data[0] & 1) != 0);
  while (!rest.empty() && !parser.complete()) {
    const ByteSpan part = rest.first(std::min(piece, rest.size()));
    rest = rest.subspan(part.size());
    const auto used = parser.feed(part);
    if (!used.ok()) return 0;
    if (*used != part.size() && !parser.complete()) std::abort();
  }
  if (!parser.finish().ok()) return 0;
  const auto response = parser.take();
  if (response.status < 200 || response.body.size() > 4096) std::abort();
  return 0;
}
