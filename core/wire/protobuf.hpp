// Reading and writing the protocol buffers wire format (proto3), as far as our few flat messages
// need it. A reader of our own because its edges are fixed by what a Go peer accepts: a known field
// with another wire type is an unknown field, text must be UTF-8, lengths are bounded only by the
// frame around the message (generated C readers refuse the first and want sizes or callbacks for
// the last).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/span.hpp"

namespace myst::core {

enum class WireType : std::uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

struct ProtoField {
  std::uint32_t number = 0;
  WireType type = WireType::Varint;
  std::uint64_t value = 0;  // Varint, Fixed64, Fixed32
  ByteSpan bytes;           // Bytes: a view into the message
  bool is(std::uint32_t wanted, WireType as) const { return number == wanted && type == as; }
};

class ProtoReader {
 public:
  explicit ProtoReader(ByteSpan message) : rest_(message) {}
  // The next field; nullopt at the end. Groups are checked and skipped. Malformed is final.
  Result<std::optional<ProtoField>> next();

 private:
  ByteSpan rest_;
};

// An unsigned LEB128 varint of at most ten bytes from the front of `bytes`, which is advanced.
// Malformed: longer, or above 2^64 - 1. Unavailable: `bytes` ends first (nothing advanced).
Result<std::uint64_t> read_varint(ByteSpan& bytes);
void append_varint(Bytes& out, std::uint64_t value);

// Malformed when not UTF-8.
Status read_text(const ProtoField& field, std::string& out);

// Fields in the order of the calls; zero and empty values are left out, except message().
class ProtoWriter {
 public:
  ProtoWriter& integer(std::uint32_t number, std::uint64_t value);
  ProtoWriter& integer(std::uint32_t number, std::int64_t value) {
    return integer(number, static_cast<std::uint64_t>(value));
  }
  ProtoWriter& integer(std::uint32_t number, std::int32_t value) {
    return integer(number, static_cast<std::int64_t>(value));  // negative ones take ten bytes
  }
  ProtoWriter& integer(std::uint32_t number, std::uint32_t value) {
    return integer(number, static_cast<std::uint64_t>(value));
  }
  ProtoWriter& bytes(std::uint32_t number, ByteSpan value);
  ProtoWriter& text(std::uint32_t number, std::string_view value) {
    return bytes(number, as_bytes(value));
  }
  ProtoWriter& packed(std::uint32_t number, Span<const std::int32_t> values);
  ProtoWriter& message(std::uint32_t number, ByteSpan encoded);  // present even when empty
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

}  // namespace myst::core
