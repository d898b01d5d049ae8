#include "core/base/text.hpp"

#include <gtest/gtest.h>

namespace myst {
namespace {

TEST(Text, Base64HasOneTextPerByteString) {
  const struct {
    const char* plain;
    const char* text;
  } rows[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& row : rows) {
    EXPECT_EQ(to_base64(as_bytes(row.plain)), row.text);
    EXPECT_EQ(as_text(*from_base64(row.text)), row.plain);
  }
  for (const char* bad : {"Z", "Zg=", "Zg", "Zh==", "Zg=g", "Z===", "Zm9v=", "Zm 9"}) {
    EXPECT_FALSE(from_base64(bad).ok()) << bad;
  }
  EXPECT_EQ(to_base64url(ByteArray<3>{0xff, 0xfe, 0xfd}), "__79");
  EXPECT_FALSE(from_base64url("Zg==").ok());
}

TEST(Text, HexIsStrict) {
  EXPECT_EQ(to_hex(ByteArray<2>{0x0a, 0xff}), "0aff");
  EXPECT_EQ(*from_hex("0AfF"), (Bytes{0x0a, 0xff}));
  for (const char* bad : {"0", "0x", "zz", "0a f"}) EXPECT_FALSE(from_hex(bad).ok()) << bad;
}

TEST(Text, DecimalStopsAtSixtyFourBits) {
  EXPECT_EQ(parse_decimal("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", "18446744073709551616", "-1", "+1", " 1", "1e3"}) {
    EXPECT_FALSE(parse_decimal(bad).has_value()) << bad;
  }
}

TEST(Text, Utf8RefusesSurrogatesAndOverlongForms) {
  EXPECT_TRUE(is_utf8("pl\xc3\xa1in \xe2\x82\xac \xf0\x9f\x98\x80"));
  for (const char* bad : {"\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\x80"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

TEST(Text, SplitKeepsEmptyPieces) {
  EXPECT_TRUE(split("", ',').empty());
  EXPECT_EQ(split("a,,b,", ','), (std::vector<std::string_view>{"a", "", "b", ""}));
  EXPECT_EQ(trim(" \ta b\r\n"), "a b");
}

TEST(Text, QuotesWhatWouldEndOrHideAString) {
  EXPECT_EQ(quoted("plain \xc3\xa9"), "\"plain \xc3\xa9\"");
  EXPECT_EQ(quoted(std::string_view("a\"b\\c\n\0\x7f", 8)), R"("a\"b\\c\u000a\u0000\u007f")");
}

}  // namespace
}  // namespace myst
