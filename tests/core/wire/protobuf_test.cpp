#include "core/wire/protobuf.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "core/wire/crc32.hpp"

namespace myst::core {
namespace {

Result<std::size_t> count_fields(const char* hex) {
  const Bytes bytes = *from_hex(hex);
  ProtoReader reader(bytes);
  for (std::size_t count = 0;; ++count) {
    MYST_TRY_ASSIGN(const auto field, reader.next());
    if (!field) return count;
  }
}

TEST(Protobuf, SkipsGroupsWithTheirContent) {
  EXPECT_EQ(*count_fields("0b0801120161"
                          "0c"
                          "1005"),
            1u);
  EXPECT_EQ(*count_fields("0b13140c"), 0u);
}

TEST(Protobuf, RefusesBrokenGroups) {
  for (const char* hex : {"0b", "0c", "0b14", "0b130c14", "0b0a05610c"}) {
    EXPECT_FALSE(count_fields(hex).ok()) << hex;
  }
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "0b";
  for (int i = 0; i < 100; ++i) deep += "0c";
  EXPECT_FALSE(count_fields(deep.c_str()).ok());
}

TEST(Protobuf, RefusesReservedWireTypesAndNumbers) {
  for (const char* hex : {"0e00", "0f00", "0001",
                          "8080808010"
                          "00",
                          "08", "0d000000",
                          "09"
                          "00000000000000"}) {
    EXPECT_FALSE(count_fields(hex).ok()) << hex;
  }
  EXPECT_EQ(*count_fields("f8ffffff0f"
                          "01"),
            1u);  // the largest number
}

TEST(Protobuf, VarintsOf64BitsAndNoMore) {
  Bytes largest = *from_hex("ffffffffffffffffff01");
  ByteSpan view = largest;
  EXPECT_EQ(*read_varint(view), ~std::uint64_t{0});
  EXPECT_TRUE(view.empty());
  Bytes above = *from_hex("ffffffffffffffffff02");
  view = above;
  EXPECT_EQ(read_varint(view).error().code, Errc::Malformed);
  Bytes cut = *from_hex("ffff");
  view = cut;
  EXPECT_EQ(read_varint(view).error().code, Errc::Unavailable);
  EXPECT_EQ(view.size(), 2u);
}

TEST(Protobuf, WritesWhatItReads) {
  const Bytes out = ProtoWriter()
                        .integer(1, std::uint64_t{300})
                        .integer(2, std::int32_t{-1})
                        .text(3, "")
                        .text(4, "a")
                        .message(5, {})
                        .take();
  EXPECT_EQ(to_hex(out),
            "08ac02"
            "10ffffffffffffffffff01"
            "220161"
            "2a00");
}

TEST(Crc32, CheckValueAndUnalignedTails) {
  EXPECT_EQ(crc32(as_bytes("123456789")), 0xcbf43926u);
  EXPECT_EQ(crc32({}), 0u);
  EXPECT_EQ(crc32(as_bytes("a")), 0xe8b7be43u);
}

}  // namespace
}  // namespace myst::core
