// Members of the network's money messages, as its Go programs write and read them: names in any
// case, byte strings of a known size as base64 or hex, zero left out or null. Errors are those of
// json::Value, and Malformed for a byte string of another size.
#pragma once

#include <algorithm>

#include "core/base/text.hpp"
#include "core/identity/address.hpp"
#include "platform/json/json.hpp"

namespace myst::json {

// A body of at most `max_bytes`, eight levels deep, that is an object.
inline Result<Document> parse_object(std::string_view body, std::size_t max_bytes) {
  Limits limits;
  limits.max_bytes = max_bytes;
  limits.max_depth = 8;
  MYST_TRY_ASSIGN(auto document, Document::parse(body, limits));
  if (!document.root().is_object()) return Error{Errc::Malformed, 0, "not an object"};
  return document;
}

inline Value member(Value object, std::string_view name) { return object.get(name, Case::Ignore); }

inline Result<U256> amount_or_zero(Value object, std::string_view name) {
  const Value value = member(object, name);
  if (value.is_nothing()) return U256();
  return value.u256();
}

inline Result<Address> address(Value object, std::string_view name) {
  MYST_TRY_ASSIGN(const std::string_view text, member(object, name).string());
  return Address::parse(text);
}

inline std::string_view without_0x(std::string_view hex) {
  const bool prefixed = hex.substr(0, 2) == "0x" || hex.substr(0, 2) == "0X";
  return prefixed ? hex.substr(2) : hex;
}

template <std::size_t N>
Result<ByteArray<N>> hex(Value object, std::string_view name) {
  MYST_TRY_ASSIGN(const std::string_view text, member(object, name).string());
  ByteArray<N> out;
  MYST_TRY(from_hex(without_0x(text), out));
  return out;
}

template <std::size_t N>
Result<ByteArray<N>> exactly(const Bytes& bytes) {
  if (bytes.size() != N) return Error{Errc::Malformed, 0, "size of a byte string"};
  ByteArray<N> out;
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

template <std::size_t N>
Result<ByteArray<N>> base64(Value object, std::string_view name) {
  MYST_TRY_ASSIGN(const std::string_view text, member(object, name).string());
  MYST_TRY_ASSIGN(const Bytes bytes, from_base64(text));
  return exactly<N>(bytes);
}

}  // namespace myst::json
