// Location table, STUN, port check, and who may announce whom.
#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "core/hub/location_table.hpp"
#include "core/hub/proposal_intake.hpp"
#include "core/hub/udp_services.hpp"
#include "core/identity/signed_subject.hpp"
#include "tests/support/support.hpp"

namespace myst::core {
namespace {

using std::chrono::seconds;

TEST(LocationTable, FindsTheMostSpecificKnowledge) {
  LocationTable table({"LT", "residential"});
  for (const char* line : {"start,end,country", "", "# comment", "8.8.8.0,8.8.8.255,US",
                           "\"95.85.0.0\",\"95.85.63.255\",\"NL\",extra", "203.0.113.0/25,DE",
                           "2001:db8::,2001:db8::ffff,PL", "240.0.0.0,255.255.255.255,-"}) {
    EXPECT_TRUE(table.add_line(line).ok()) << line;
  }
  table.add_network(*IpPrefix::parse("8.8.8.0/28"), {"CA", "hosting"});
  table.add_network(*IpPrefix::parse("8.8.8.8"), {"MX", "cellular"});
  table.finish();
  EXPECT_EQ(table.ranges(), 4u);
  const auto country = [&](const char* ip) { return table.find(*IpAddress::parse(ip)).country; };
  EXPECT_EQ(country("8.8.8.255"), "US");
  EXPECT_EQ(country("8.8.9.0"), "LT");
  EXPECT_EQ(country("8.8.7.255"), "LT");
  EXPECT_EQ(country("8.8.8.1"), "CA");
  EXPECT_EQ(country("8.8.8.8"), "MX");
  EXPECT_EQ(country("95.85.39.36"), "NL");
  EXPECT_EQ(country("203.0.113.127"), "DE");
  EXPECT_EQ(country("203.0.113.128"), "LT");
  EXPECT_EQ(country("250.1.1.1"), "LT");
  EXPECT_EQ(country("2001:db8::1"), "PL");
  EXPECT_EQ(country("2001:db9::1"), "LT");
  EXPECT_EQ(table.find(*IpAddress::parse("8.8.8.1")).ip_type, "hosting");
  EXPECT_EQ(table.find(*IpAddress::parse("8.8.8.200")).ip_type, "residential");
}

TEST(LocationTable, RefusesBrokenLines) {
  LocationTable table({"LT", ""});
  ASSERT_TRUE(table.add_line("8.8.8.0,8.8.8.255,US").ok());
  for (const char* line :
       {"8.8.8.0,8.8.8.255", "8.8.8.9,8.8.8.1,US", "8.8.8.0,::1,US", "8.8.8.0/33,US", "8.8.8.0/24",
        "1.2.3,1.2.4,US", "8.8.8.0,8.8.8.255,USA", "network,country"}) {
    EXPECT_FALSE(table.add_line(line).ok()) << line;
  }
}

// Vector stun of p2p.json.
TEST(Stun, AnswersTheVectorsRequest) {
  const auto request = from_hex("000100002112a442a0a1a2a3a4a5a6a7a8a9aaab");
  const auto answer = answer_stun(*request, *Endpoint::parse("203.0.113.10:54321"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(to_hex(*answer), "0101000c2112a442a0a1a2a3a4a5a6a7a8a9aaab002000080001f523ea12d548");
  const auto six = answer_stun(*request, *Endpoint::parse("[2001:db8::1]:54321"));
  ASSERT_TRUE(six);
  EXPECT_EQ(six->size(), 44u);
  EXPECT_EQ(to_hex(ByteSpan(*six).subspan(20)), "002000140002f5230113a9faa0a1a2a3a4a5a6a7a8a9aaaa");
}

TEST(Stun, StaysSilentForAnythingElse) {
  const Endpoint from = *Endpoint::parse("203.0.113.10:54321");
  for (const char* hex :
       {"", "000100002112a442a0a1a2a3a4a5a6a7a8a9aa", "000101002112a442a0a1a2a3a4a5a6a7a8a9aaab",
        "010100002112a442a0a1a2a3a4a5a6a7a8a9aaab", "000100002112a443a0a1a2a3a4a5a6a7a8a9aaab",
        "000100022112a442a0a1a2a3a4a5a6a7a8a9aaab0000"}) {
    EXPECT_FALSE(answer_stun(*from_hex(hex), from)) << hex;
  }
}

// Vector port_check of p2p.json.
TEST(PortProbe, GoesBackToTheSendersAddressAtThatPort) {
  const auto probe = parse_port_probe(*from_hex("ca6c0f1e2d3c4b5a49788796a5b4c3d2e1f0"),
                                      *Endpoint::parse("192.0.2.7:999"));
  ASSERT_TRUE(probe);
  EXPECT_EQ(probe->to.to_string(), "192.0.2.7:51820");
  EXPECT_EQ(to_hex(probe->token), "0f1e2d3c4b5a49788796a5b4c3d2e1f0");
  EXPECT_FALSE(parse_port_probe(*from_hex("ca6c0f1e2d3c4b5a49788796a5b4c3d2e1"), Endpoint{}));
  EXPECT_FALSE(parse_port_probe(*from_hex("00000f1e2d3c4b5a49788796a5b4c3d2e1f0"), Endpoint{}));
}

TEST(ProbeLimiter, RationsEachAddress) {
  ProbeLimiter limiter(3);
  const auto a = *IpAddress::parse("192.0.2.1"), b = *IpAddress::parse("192.0.2.2");
  Instant now{};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.allow(now, a));
  EXPECT_FALSE(limiter.allow(now, a));
  EXPECT_TRUE(limiter.allow(now, b));
  EXPECT_TRUE(limiter.allow(now + seconds{1}, a));
  for (std::uint32_t i = 0; i < 3 * ProbeLimiter::kMaxAddresses; ++i)
    (void)limiter.allow(now, IpAddress::v4(i));
}

class IntakeTest : public testing::Test {
 protected:
  bool accepts(const std::string& subject) { return intake_.judge(now_, subject).ok(); }
  test::SeededRng rng_{9};
  Now now_{Instant{}, WallTime{} + seconds{1700000000}};
  LocalSigner signer_ = LocalSigner::make(rng_);
  std::string id_ = signer_.address().to_string();
  ProposalIntake intake_{{}};
};

TEST_F(IntakeTest, TheGatesWordOrASignatureNamesTheProvider) {
  auto order = intake_.judge(now_, id_ + ".proposal-ping.v3");
  ASSERT_TRUE(order.ok());
  EXPECT_EQ(order->provider_id, id_);
  EXPECT_EQ(order->kind, ProposalIntake::Kind::Announce);
  for (const char* topic : {"*.proposal-unregister.v3", "proposal-unregister.v3"}) {
    order = intake_.judge(now_, signed_subject(signer_, 1700000000, topic));
    ASSERT_TRUE(order.ok());
    EXPECT_EQ(order->provider_id, id_);
    EXPECT_EQ(order->kind, ProposalIntake::Kind::Withdraw);
  }
}

TEST_F(IntakeTest, NobodyIsBelievedWithoutProof) {
  EXPECT_FALSE(accepts("*.proposal-ping.v3"));
  EXPECT_FALSE(accepts("someone.proposal-ping.v3"));
  EXPECT_FALSE(accepts("0xABCDEF0000000000000000000000000000000000.proposal-ping.v3"));
  EXPECT_FALSE(accepts(id_ + ".proposal-ping.v2"));
  EXPECT_FALSE(accepts("proposal-ping"));
  EXPECT_FALSE(accepts(""));
  EXPECT_FALSE(accepts(signed_subject(signer_, 1700000301, "*.proposal-ping.v3")));
  EXPECT_FALSE(accepts(signed_subject(signer_, 1699999699, "*.proposal-ping.v3")));
  EXPECT_FALSE(accepts("signed.x.1.*.proposal-ping.v3"));
  ProposalIntake trusting({seconds{300}, true});
  const auto order = trusting.judge(now_, "*.proposal-ping.v3");
  ASSERT_TRUE(order.ok());
  EXPECT_EQ(order->provider_id, "");
}

}  // namespace
}  // namespace myst::core
