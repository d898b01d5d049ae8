#include "core/wire/protobuf.hpp"

#include <utility>

#include "core/base/text.hpp"

namespace myst::core {
namespace {

constexpr std::uint64_t kMaxFieldNumber = (1u << 29) - 1;
constexpr int kMaxGroupDepth = 64;  // nothing here uses groups; a bound for what a peer may nest

enum : std::uint8_t { kStartGroup = 3, kEndGroup = 4 };

Error malformed(const char* what) { return {Errc::Malformed, 0, what}; }

Result<std::uint64_t> varint_inside(ByteSpan& bytes) {
  auto value = read_varint(bytes);
  if (!value && value.error().code == Errc::Unavailable) return malformed("protobuf: cut varint");
  return value;
}

Result<std::uint64_t> read_fixed(ByteSpan& bytes, std::size_t size) {
  if (bytes.size() < size) return malformed("protobuf: cut fixed field");
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value |= std::uint64_t{bytes[i]} << (8 * i);
  bytes = bytes.subspan(size);
  return value;
}

struct Tag {
  std::uint32_t number;
  std::uint8_t type;
};

Result<Tag> read_tag(ByteSpan& bytes) {
  MYST_TRY_ASSIGN(const std::uint64_t raw, varint_inside(bytes));
  const std::uint64_t number = raw >> 3;
  if (number == 0 || number > kMaxFieldNumber) return malformed("protobuf: field number");
  return Tag{static_cast<std::uint32_t>(number), static_cast<std::uint8_t>(raw & 7)};
}

Result<ProtoField> read_value(ByteSpan& bytes, Tag tag) {
  ProtoField field;
  field.number = tag.number;
  switch (tag.type) {
    case 0: {
      MYST_TRY_ASSIGN(field.value, varint_inside(bytes));
      field.type = WireType::Varint;
      return field;
    }
    case 1: {
      MYST_TRY_ASSIGN(field.value, read_fixed(bytes, 8));
      field.type = WireType::Fixed64;
      return field;
    }
    case 2: {
      MYST_TRY_ASSIGN(const std::uint64_t size, varint_inside(bytes));
      if (size > bytes.size()) return malformed("protobuf: length beyond the end");
      field.type = WireType::Bytes;
      field.bytes = bytes.first(static_cast<std::size_t>(size));
      bytes = bytes.subspan(static_cast<std::size_t>(size));
      return field;
    }
    case 5: {
      MYST_TRY_ASSIGN(field.value, read_fixed(bytes, 4));
      field.type = WireType::Fixed32;
      return field;
    }
    default:
      return malformed("protobuf: wire type");
  }
}

Status skip_group(ByteSpan& bytes, std::uint32_t number) {
  std::uint32_t open[kMaxGroupDepth];
  int depth = 0;
  open[depth++] = number;
  while (depth > 0) {
    MYST_TRY_ASSIGN(const Tag tag, read_tag(bytes));
    if (tag.type == kStartGroup) {
      if (depth == kMaxGroupDepth) return malformed("protobuf: groups too deep");
      open[depth++] = tag.number;
    } else if (tag.type == kEndGroup) {
      if (open[--depth] != tag.number) return malformed("protobuf: end of another group");
    } else {
      MYST_TRY(read_value(bytes, tag));
    }
  }
  return {};
}

}  // namespace

Result<std::uint64_t> read_varint(ByteSpan& bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 10; ++i) {
    if (i == bytes.size()) return Error{Errc::Unavailable, 0, "varint not complete"};
    const std::uint8_t byte = bytes[i];
    if (i == 9 && byte > 1) return malformed("varint above 64 bits");
    value |= std::uint64_t{byte & 0x7fu} << (7 * i);
    if ((byte & 0x80u) == 0) {
      bytes = bytes.subspan(i + 1);
      return value;
    }
  }
  return malformed("varint too long");
}

void append_varint(Bytes& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<std::uint8_t>(value));
}

Result<std::optional<ProtoField>> ProtoReader::next() {
  while (!rest_.empty()) {
    MYST_TRY_ASSIGN(const Tag tag, read_tag(rest_));
    if (tag.type == kStartGroup) {
      MYST_TRY(skip_group(rest_, tag.number));
      continue;
    }
    MYST_TRY_ASSIGN(const ProtoField field, read_value(rest_, tag));
    return std::optional<ProtoField>(field);
  }
  return std::optional<ProtoField>();
}

Status read_text(const ProtoField& field, std::string& out) {
  const std::string_view text = as_text(field.bytes);
  if (!is_utf8(text)) return malformed("protobuf: text is not UTF-8");
  out.assign(text);
  return {};
}

ProtoWriter& ProtoWriter::integer(std::uint32_t number, std::uint64_t value) {
  if (value == 0) return *this;
  append_varint(out_, std::uint64_t{number} << 3);
  append_varint(out_, value);
  return *this;
}

ProtoWriter& ProtoWriter::bytes(std::uint32_t number, ByteSpan value) {
  return value.empty() ? *this : message(number, value);
}

ProtoWriter& ProtoWriter::packed(std::uint32_t number, Span<const std::int32_t> values) {
  Bytes run;
  for (const std::int32_t value : values) {
    append_varint(run, static_cast<std::uint64_t>(std::int64_t{value}));
  }
  return bytes(number, run);
}

ProtoWriter& ProtoWriter::message(std::uint32_t number, ByteSpan encoded) {
  append_varint(out_, (std::uint64_t{number} << 3) | 2);
  append_varint(out_, encoded.size());
  out_.insert(out_.end(), encoded.begin(), encoded.end());
  return *this;
}

}  // namespace myst::core
