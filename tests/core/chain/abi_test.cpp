#include "core/chain/abi.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"

namespace myst::chain {
namespace {

Bytes of_hex(std::string_view hex) { return *from_hex(hex); }

std::string word_hex(std::string_view low) {
  return std::string(64 - low.size(), '0') + std::string(low);
}

TEST(Abi, TailsStandAfterTheHead) {
  const std::uint8_t tail[] = {1, 2, 3};
  const Bytes call = CallWriter(0x01020304, 2).number(5).bytes(tail).finish();
  EXPECT_EQ(to_hex(call), "01020304" + word_hex("5") + word_hex("40") + word_hex("3") + "010203" +
                              std::string(58, '0'));
}

TEST(Abi, EmptyBytesTakeOneWord) {
  const Bytes call = CallWriter(1, 1).bytes({}).finish();
  EXPECT_EQ(call.size(), 4u + 32 + 32);
}

TEST(Abi, ValuesOutsideTheirTypeAreMalformed) {
  EXPECT_FALSE(WordReader(of_hex(word_hex("2"))).boolean(0).ok());
  EXPECT_TRUE(*WordReader(of_hex(word_hex("1"))).boolean(0));
  EXPECT_FALSE(WordReader(of_hex("01" + std::string(62, '0'))).address(0).ok());
  EXPECT_FALSE(WordReader(of_hex(std::string(64, 'f'))).u64(0).ok());
  EXPECT_FALSE(WordReader(of_hex(word_hex("1"))).number(1).ok());
  EXPECT_FALSE(WordReader(Bytes(31)).number(0).ok());
}

TEST(Abi, OffsetsAndLengthsOutsideTheDataAreMalformed) {
  const auto read = [](const std::string& hex) {
    return WordReader(of_hex(hex)).bytes(0, 100).ok();
  };
  EXPECT_TRUE(read(word_hex("20") + word_hex("0")));
  EXPECT_FALSE(read(word_hex("20")));                                  // no length
  EXPECT_FALSE(read(word_hex("20") + word_hex("1")));                  // no content
  EXPECT_FALSE(read(word_hex("21") + word_hex("0") + word_hex("0")));  // crooked
  EXPECT_FALSE(read(word_hex("60") + word_hex("0")));                  // beyond
  EXPECT_FALSE(read(std::string(64, 'f') + word_hex("0")));            // far beyond
  EXPECT_FALSE(read(word_hex("20") + std::string(64, 'f') + word_hex("0")));
  EXPECT_FALSE(read(word_hex("20") + word_hex("65") + std::string(256, '0')));  // 101 > 100
}

TEST(Abi, RevertReasons) {
  const std::string text =
      "08c379a0" + word_hex("20") + word_hex("5") + "68656c6c6f" + std::string(54, '0');
  EXPECT_EQ(revert_reason(of_hex(text)), "hello");
  EXPECT_EQ(revert_reason(of_hex("4e487b71" + word_hex("11"))), "arithmetic overflow or underflow");
  EXPECT_EQ(revert_reason(of_hex("4e487b71" + word_hex("99"))), "panic 0x99");
  EXPECT_EQ(revert_reason({}), "reverted without a reason");
  EXPECT_EQ(revert_reason(of_hex("deadbeef")), "reverted with 0xdeadbeef");
  // A length that lies falls back to the bytes.
  EXPECT_EQ(revert_reason(of_hex("08c379a0" + word_hex("20") + std::string(64, 'f'))),
            "reverted with 0x08c379a0" + word_hex("20"));
}

TEST(Abi, TextFromOutsideIsCleanedForLogs) {
  EXPECT_EQ(printable("a\nb\x1b[0m\xff"), "a?b?[0m?");
  EXPECT_EQ(printable(std::string(500, 'x')).size(), 200u);
}

TEST(Abi, Quantities) {
  EXPECT_EQ(to_quantity(0), "0x0");
  EXPECT_EQ(to_quantity(137), "0x89");
  EXPECT_EQ(to_quantity(U256::max()), "0x" + std::string(64, 'f'));
  EXPECT_EQ(parse_quantity("0x0")->to_string(), "0");
  EXPECT_EQ(parse_quantity("0x089")->to_string(), "137");
  EXPECT_EQ(*parse_quantity("0x" + std::string(70, '0') + "1"), U256(1));
  EXPECT_EQ(*parse_quantity("0x" + std::string(64, 'f')), U256::max());
  for (const char* bad : {"", "0", "0x", "89", "0x8g", "0x-1", "1x0"}) {
    EXPECT_FALSE(parse_quantity(bad).ok()) << bad;
  }
  EXPECT_FALSE(parse_quantity("0x1" + std::string(64, '0')).ok());
}

TEST(Abi, Data) {
  EXPECT_EQ(to_data({}), "0x");
  EXPECT_EQ(*parse_data("0x0aFF"), (Bytes{0x0a, 0xff}));
  EXPECT_TRUE(parse_data("0x")->empty());
  for (const char* bad : {"", "0", "0x1", "0xzz", "aa"}) EXPECT_FALSE(parse_data(bad).ok()) << bad;
  ByteArray<2> two{};
  EXPECT_FALSE(parse_data("0x0a", two).ok());
}

}  // namespace
}  // namespace myst::chain
