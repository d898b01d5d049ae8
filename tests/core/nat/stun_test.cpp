#include "core/nat/stun.hpp"

#include <gtest/gtest.h>

#include "core/base/endian.hpp"
#include "core/base/text.hpp"
#include "core/nat/port_check.hpp"
#include "tests/support/support.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::array_of;
using test::bytes_of;

constexpr Instant kStart{};

TEST(Stun, RequestAndAnswerOfTheVectors) {
  const auto file = test::vectors("p2p.json");
  const json::Value stun = file.root()["stun"];
  const Bytes request = bytes_of(stun["request"]);
  StunTransaction id;
  std::copy(request.begin() + 8, request.end(), id.begin());
  EXPECT_EQ(to_hex(stun_request(id)), to_hex(request));
  const auto answer = parse_stun_answer(bytes_of(stun["response_example"]));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->id, id);
  EXPECT_EQ(answer->mapped.port, *stun["mapped_port"].i64());
  EXPECT_EQ(answer->mapped.ip.to_string(), stun["mapped_ip"].string_or(""));
}

TEST(Stun, AnswersWithOtherAttributesInFrontOrNoneOrCut) {
  const std::string id = "a0a1a2a3a4a5a6a7a8a9aaab";
  const std::string mapped = "002000080001f523ea12d548";
  const auto parse = [](const std::string& hex) { return parse_stun_answer(*from_hex(hex)); };
  EXPECT_TRUE(parse("010100142112a442" + id + "8022000161000000" + mapped).ok());
  EXPECT_FALSE(parse("010100002112a442" + id).ok());
  EXPECT_FALSE(parse("0111000c2112a442" + id + mapped).ok());  // an error answer
  EXPECT_FALSE(parse("0101000c2112a443" + id + mapped).ok());  // another cookie
  EXPECT_FALSE(parse("0101000d2112a442" + id + mapped).ok());  // longer than it is
  EXPECT_FALSE(parse("0101000c2112a442" + id + "0020ffff0001f523ea12d548").ok());
  EXPECT_FALSE(parse("0101000c2112a442" + id + "002000080002f523ea12d548").ok());  // IPv6 family
  EXPECT_FALSE(parse("").ok());
}

class StunProbeTest : public testing::Test {
 protected:
  StunProbe make(std::size_t servers) {
    std::vector<Endpoint> list;
    for (std::size_t i = 0; i < servers; ++i) {
      list.push_back({IpAddress::v4(192, 0, 2, static_cast<std::uint8_t>(i + 1)), 3478});
    }
    return StunProbe({}, 5000, list, rng_, kStart);
  }
  std::vector<Bytes> requests(StunProbe& probe) {
    std::vector<Bytes> out;
    while (const auto r = probe.poll_transmit()) out.push_back(to_bytes(r->bytes));
    return out;
  }
  Bytes answer(const Bytes& request, std::uint16_t port) {
    Bytes out = *from_hex("0101000c2112a442" + to_hex(ByteSpan(request).subspan(8)) +
                          "002000080001f523ea12d548");
    put_u16be(out.data() + 26, static_cast<std::uint16_t>(port ^ 0x2112));
    return out;
  }
  test::SeededRng rng_{1};
};

TEST_F(StunProbeTest, TwoEqualAnswersDecideAtOnce) {
  StunProbe probe = make(3);
  const auto sent = requests(probe);
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_TRUE(probe.handle_datagram(kStart, answer(sent[0], 7000)));
  EXPECT_FALSE(probe.done());
  EXPECT_TRUE(probe.handle_datagram(kStart, answer(sent[0], 7000)));  // a duplicate is no second
  EXPECT_FALSE(probe.done());
  EXPECT_TRUE(probe.handle_datagram(kStart, answer(sent[2], 7000)));
  EXPECT_TRUE(probe.done());
  EXPECT_EQ(probe.port(), 7000);
  EXPECT_FALSE(probe.next_timeout().has_value());
}

TEST_F(StunProbeTest, DifferentAnswersMeanTheLocalPort) {
  StunProbe probe = make(3);
  const auto sent = requests(probe);
  probe.handle_datagram(kStart, answer(sent[0], 7000));
  probe.handle_datagram(kStart, answer(sent[1], 7001));
  EXPECT_TRUE(probe.done());
  EXPECT_EQ(probe.port(), 5000);
}

TEST_F(StunProbeTest, OneServerIsEnoughWhenThereIsOnlyOne) {
  StunProbe probe = make(1);
  probe.handle_datagram(kStart, answer(requests(probe)[0], 7000));
  EXPECT_TRUE(probe.done());
  EXPECT_EQ(probe.port(), 7000);
}

TEST_F(StunProbeTest, AfterOneAnswerTheSecondIsNotAwaitedForLong) {
  StunProbe probe = make(3);
  probe.handle_datagram(kStart + milliseconds{20}, answer(requests(probe)[0], 7000));
  ASSERT_EQ(probe.next_timeout(), kStart + milliseconds{270});
  probe.handle_timeout(kStart + milliseconds{270});
  EXPECT_TRUE(probe.done());
  EXPECT_EQ(probe.port(), 7000);
}

TEST_F(StunProbeTest, SilenceMeansTheLocalPortAfterOneRepeat) {
  StunProbe probe = make(2);
  EXPECT_EQ(requests(probe).size(), 2u);
  Instant now = kStart;
  std::size_t repeats = 0;
  while (!probe.done()) {
    now = *probe.next_timeout();
    probe.handle_timeout(now);
    repeats += requests(probe).size();
  }
  EXPECT_EQ(now, kStart + seconds{2});
  EXPECT_EQ(repeats, 2u);
  EXPECT_EQ(probe.port(), 5000);
}

TEST_F(StunProbeTest, WithoutServersTheLocalPortIsTheAnswer) {
  StunProbe probe = make(0);
  EXPECT_TRUE(probe.done());
  EXPECT_EQ(probe.port(), 5000);
}

TEST_F(StunProbeTest, StrangersAnswersAreNotTaken) {
  StunProbe probe = make(2);
  auto sent = requests(probe);
  sent[0][10] ^= 1;
  EXPECT_FALSE(probe.handle_datagram(kStart, answer(sent[0], 7000)));
  sent[1].back() = 200;
  EXPECT_FALSE(probe.handle_datagram(kStart, answer(sent[1], 7000)));
  EXPECT_FALSE(probe.handle_datagram(kStart, as_bytes("OK")));
}

TEST(PortCheck, ProbeOfTheVector) {
  const auto file = test::vectors("p2p.json");
  const json::Value check = file.root()["port_check"];
  EXPECT_EQ(to_hex(port_probe(static_cast<std::uint16_t>(*check["port"].i64()),
                              array_of<16>(check["uuid"]))),
            check["probe"].string_or(""));
}

TEST(PortCheck, ReachableWhenTheUuidComesBack) {
  test::SeededRng rng(1);
  const std::vector<Endpoint> servers = {*Endpoint::parse("192.0.2.1:4589"),
                                         *Endpoint::parse("192.0.2.2:4589")};
  PortCheck check(51820, servers, rng, kStart);
  std::vector<PortCheck::Probe> probes;
  while (const auto probe = check.poll_transmit()) probes.push_back(*probe);
  ASSERT_EQ(probes.size(), 6u);
  EXPECT_EQ(probes[0].to, servers[0]);
  EXPECT_EQ(probes[1].to, servers[1]);
  EXPECT_FALSE(check.handle_datagram(as_bytes("OK")));
  Bytes reply(probes[0].bytes.begin() + 2, probes[0].bytes.end());
  reply.push_back(0);
  EXPECT_TRUE(check.handle_datagram(reply));
  EXPECT_TRUE(check.done() && check.reachable());
}

TEST(PortCheck, UnreachableAfterTwoSecondsOrWithoutServers) {
  test::SeededRng rng(1);
  PortCheck check(51820, {*Endpoint::parse("192.0.2.1:4589")}, rng, kStart);
  EXPECT_EQ(check.next_timeout(), kStart + seconds{2});
  check.handle_timeout(kStart + seconds{2});
  EXPECT_TRUE(check.done() && !check.reachable());
  PortCheck none(51820, {}, rng, kStart);
  EXPECT_TRUE(none.done() && !none.reachable());
}

}  // namespace
}  // namespace myst::core
