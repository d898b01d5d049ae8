#include "core/dns/message.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"

namespace myst::core::dns {
namespace {

// "Example.com A?" with EDNS; RFC 1035 by hand.
const char* kQuery =
    "1234"
    "0100"
    "0001"
    "0000"
    "0000"
    "0001"
    "074578616d706c6503636f6d00"
    "0001"
    "0001"
    "00"
    "0029"
    "04d0"
    "00000000"
    "0000";
// Its answer: a CNAME to a.example.com and that name's address, names compressed.
const char* kAnswer =
    "1234"
    "8180"
    "0001"
    "0002"
    "0000"
    "0000"
    "076578616d706c6503636f6d00"
    "0001"
    "0001"
    "c00c"
    "0005"
    "0001"
    "0000003c"
    "0004"
    "0161c00c"
    "c029"
    "0001"
    "0001"
    "00000e10"
    "0004"
    "5db8d822";

TEST(DnsMessage, ReadsAQuery) {
  const Bytes query = *from_hex(kQuery);
  const auto header = parse_header(query);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->id, 0x1234);
  EXPECT_FALSE(header->response);
  const auto question = parse_question(query);
  ASSERT_TRUE(question.ok());
  EXPECT_EQ(question->name, "example.com");
  EXPECT_EQ(question->type, 1);
}

TEST(DnsMessage, FollowsCompressedNames) {
  const auto records = parse_addresses(*from_hex(kAnswer));
  ASSERT_TRUE(records.ok());
  ASSERT_EQ(records->size(), 1u);
  EXPECT_EQ((*records)[0].name, "a.example.com");
  EXPECT_EQ((*records)[0].address.to_string(), "93.184.216.34");
  EXPECT_EQ((*records)[0].ttl_seconds, 3600u);
}

TEST(DnsMessage, ACutAnswerIsMalformed) {
  const Bytes answer = *from_hex(kAnswer);
  for (std::size_t size = 0; size < answer.size(); ++size) {
    EXPECT_FALSE(parse_addresses(ByteSpan(answer).first(size)).ok()) << size;
  }
}

TEST(DnsMessage, PointersMustGoBack) {
  // The question's name points to itself.
  const Bytes loop = *from_hex(
      "123401000001000000000000"
      "c00c"
      "00010001");
  EXPECT_FALSE(parse_question(loop).ok());
  const Bytes forward = *from_hex(
      "123401000001000000000000"
      "c010"
      "00010001"
      "00");
  EXPECT_FALSE(parse_question(forward).ok());
}

TEST(DnsMessage, AQuestionHasNothingToPointTo) {
  // "x" and then whatever the flags happen to be: another name in the answer than in the query.
  const Bytes query = *from_hex(
      "002181010001020000000000"
      "0178c001"
      "ffffffff");
  EXPECT_FALSE(parse_question(query).ok());
}

TEST(DnsMessage, ErrorAnswerKeepsIdAndQuestion) {
  const auto answer = make_error_answer(*from_hex(kQuery), Rcode::ServerFailure);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(to_hex(*answer),
            "1234"
            "8182"
            "0001"
            "0000"
            "0000"
            "0000"
            "074578616d706c6503636f6d00"
            "0001"
            "0001");
  EXPECT_FALSE(make_error_answer(*from_hex("1234"), Rcode::ServerFailure).ok());
}

}  // namespace
}  // namespace myst::core::dns
