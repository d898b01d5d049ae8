#include "platform/json/json.hpp"

#include <gtest/gtest.h>

#include "platform/json/writer.hpp"
#include "tests/support/support.hpp"

namespace myst::json {
namespace {

TEST(Json, IntegersOfAnyLengthKeepTheirDigits) {
  const std::string agreement =
      "115792089237316195423570985008687907853269984665640564039457584007913129639935";
  const std::string text =
      R"({"a":7,"Amount":123456789012345678901234567890,"list":[1,9007199254740993,)" + agreement +
      R"(],"id":-9223372036854775808,"last":5})";
  const auto document = Document::parse(text);
  ASSERT_TRUE(document.ok());
  const Value root = document->root();
  EXPECT_EQ(*root["a"].u64(), 7u);
  EXPECT_EQ(root["Amount"].u256()->to_string(), "123456789012345678901234567890");
  EXPECT_FALSE(root["Amount"].u64().ok());
  EXPECT_EQ(*root["id"].i64(), INT64_MIN);
  EXPECT_EQ(*root["last"].i64(), 5);
  std::string seen;
  for (const auto& [name, value] : root["list"]) seen += value.u256()->to_string() + ";";
  EXPECT_EQ(seen, "1;9007199254740993;" + agreement + ";");
  EXPECT_EQ(root.to_text(), text);
}

TEST(Json, OnlyPlainIntegersAreIntegers) {
  const auto document = Document::parse(R"({"a":1.0,"b":1e3,"c":"5","d":null,"e":-1,"f":1.5})");
  ASSERT_TRUE(document.ok());
  for (const char* name : {"a", "b", "c", "d"}) {
    EXPECT_FALSE(document->root()[name].i64().ok()) << name;
    EXPECT_FALSE(document->root()[name].u256().ok()) << name;
  }
  EXPECT_FALSE(document->root()["e"].u256().ok());
  EXPECT_FALSE(document->root()["e"].u64().ok());
  EXPECT_EQ(*document->root()["e"].i64(), -1);
  EXPECT_EQ(*document->root()["b"].number(), 1000);
  EXPECT_EQ(*document->root()["f"].number(), 1.5);
  EXPECT_EQ(document->root()["missing"].i64().error().code, Errc::NotFound);
  EXPECT_FALSE(document->root()["missing"]["deeper"].exists());
}

TEST(Json, NamesMayIgnoreCaseAndTheLastOneCounts) {
  const auto document = Document::parse(R"({"Amount":1,"amount":2,"AMOUNT":3,"Amount":4})");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(*document->root()["amount"].u64(), 2u);
  EXPECT_EQ(*document->root()["Amount"].u64(), 4u);
  EXPECT_EQ(*document->root().get("aMOUNT", Case::Ignore).u64(), 4u);
}

TEST(Json, RefusesWhatTheGrammarRefuses) {
  for (const char* bad : {"",
                          " ",
                          "{",
                          "}",
                          "[1,]",
                          "{\"a\":1,}",
                          "{a:1}",
                          "{'a':1}",
                          "[1 2]",
                          "01",
                          "-",
                          "+1",
                          ".5",
                          "1.",
                          "1e",
                          "1e+",
                          "nul",
                          "tru",
                          "True",
                          "[1]x",
                          "\"a",
                          "\"\\x\"",
                          "\"\\u12\"",
                          "\"\n\"",
                          "\"\\ud800\"",
                          "\"\\udc00\"",
                          "\"\\ud800\\u0041\"",
                          "\"\\u0000\"",
                          "\xef\xbb\xbf{}",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{,}",
                          "[,]",
                          "{\"a\":1 \"b\":2}",
                          "{\"a\":1]",
                          "[1}",
                          "//x\n1",
                          "NaN",
                          "1 1",
                          "\"\xff\"",
                          "{\"a\":{}",
                          "0x10",
                          "--1"}) {
    EXPECT_FALSE(Document::parse(bad).ok()) << bad;
  }
  EXPECT_FALSE(Document::parse(std::string_view("1\0", 2)).ok());
  for (const char* good : {"0", "-0", "1.5e-3", " [ ] ", "{ }", "\"\\ud83d\\ude00\"", "null",
                           "[[],{},[{}]]", "\t\r\n1 "}) {
    EXPECT_TRUE(Document::parse(good).ok()) << good;
  }
}

TEST(Json, DepthAndSizeHaveBounds) {
  EXPECT_TRUE(Document::parse(std::string(32, '[') + std::string(32, ']')).ok());
  EXPECT_FALSE(Document::parse(std::string(33, '[') + std::string(33, ']')).ok());
  EXPECT_FALSE(Document::parse(std::string(1000000, '[')).ok());
  EXPECT_EQ(Document::parse("[1,2]", {4, 32}).error().code, Errc::Full);
  EXPECT_FALSE(Document::parse(std::string(2000, '1')).ok());
  std::string many = "[0";
  while (many.size() < 500000) many += ",0";
  EXPECT_EQ(Document::parse(many + "]").error().code, Errc::Full);
  EXPECT_TRUE(Document::parse(many + "]", {1 << 22, 32}).ok());
}

TEST(Json, StringsComeOutAsUtf8) {
  const auto document = Document::parse(R"(["\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t"])");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ((*document->root().begin()).value.string_or(""),
            "\xc3\xa9\xf0\x9f\x98\x80\"\\/\b\f\n\r\t");
}

TEST(JsonWriter, WritesInOrderAndEscapes) {
  std::string text;
  Writer writer(text);
  writer.begin_object()
      .member("b", true)
      .member("amount", *U256::parse("123456789012345678901234567890"))
      .member("text", "q\"\\\n\x01\xff\xc3\xa9")
      .key("list")
      .begin_array()
      .value(1)
      .value(-2)
      .value(UINT64_MAX)
      .null()
      .end_array()
      .key("empty")
      .begin_object()
      .end_object()
      .member("half", 0.5)
      .member("third", 1.0 / 3)
      .end_object();
  EXPECT_EQ(text,
            "{\"b\":true,\"amount\":123456789012345678901234567890,\"text\":\"q\\\"\\\\\\n\\u0001"
            "\xef\xbf\xbd\xc3\xa9\",\"list\":[1,-2,18446744073709551615,null],\"empty\":{},"
            "\"half\":0.5,\"third\":0.3333333333333333}");
  const auto back = Document::parse(text);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->root().to_text(), text);
}

TEST(Json, EveryVectorFileReadsAndComesBack) {
  for (const char* name : {"identity.json", "payments.json", "promises.json", "p2p.json",
                           "discovery.json", "tequilapi_golden.json"}) {
    const auto document = Document::parse(test::read_vector(name), {1 << 26, 64});
    ASSERT_TRUE(document.ok()) << name << ": " << document.error().what;
    const std::string text = document->root().to_text();
    const auto again = Document::parse(text, {1 << 26, 64});
    ASSERT_TRUE(again.ok()) << name;
    EXPECT_EQ(again->root().to_text(), text) << name;
  }
}

}  // namespace
}  // namespace myst::json
