// The vector files as JSON, and their hex texts as bytes.
#pragma once

#include <string>
#include <string_view>

#include "core/base/span.hpp"
#include "platform/json/json.hpp"

namespace myst::test {

json::Document vectors(const std::string& name);  // aborts the test program when unreadable

// Hex with or without 0x; aborts on anything else.
Bytes bytes_of(std::string_view hex);
inline Bytes bytes_of(json::Value hex) { return bytes_of(hex.string_or("not a string")); }
template <std::size_t N>
ByteArray<N> array_of(json::Value hex);

void vector_error(std::string_view what);  // prints and aborts

template <std::size_t N>
ByteArray<N> array_of(json::Value hex) {
  const Bytes bytes = bytes_of(hex);
  if (bytes.size() != N) vector_error("size of a byte string");
  ByteArray<N> out;
  for (std::size_t i = 0; i < N; ++i) out[i] = bytes[i];
  return out;
}

}  // namespace myst::test
