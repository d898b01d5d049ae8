#include "core/dns/forwarder.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "tests/support/support.hpp"

namespace myst::core::dns {
namespace {

constexpr Instant kStart{};
const Endpoint kFirst{IpAddress::v4(192, 0, 2, 1), 53}, kSecond{IpAddress::v4(192, 0, 2, 2), 53};
const Forwarder::Client kClient{{IpAddress::v4(10, 182, 3, 2), 40000}, 0};

Bytes query(std::uint16_t id, char letter = 'x') {
  Bytes out = *from_hex("00000100000100000000000001780378797a0000010001");
  set_id(out, id);
  out[13] = static_cast<std::uint8_t>(letter);
  return out;
}
// What the resolver makes of a query: the same with an address.
Bytes answer_to(ByteSpan sent, std::uint8_t flags_low = 0x80, bool truncated = false) {
  Bytes out = to_bytes(sent);
  out[2] = static_cast<std::uint8_t>(0x81 | (truncated ? 2 : 0));
  out[3] = flags_low;
  out[7] = 1;
  const Bytes record = *from_hex("c00c000100010000003c00045db8d822");
  out.insert(out.end(), record.begin(), record.end());
  return out;
}

class DnsForwarder : public ::testing::Test {
 protected:
  Forwarder make(Policy policy = {}) {
    Forwarder::Config config;
    config.upstreams = {kFirst, kSecond};
    config.policy = std::move(policy);
    return Forwarder(config, rng_);
  }
  template <typename T>
  T take(Forwarder& forwarder) {
    auto action = forwarder.poll_action();
    EXPECT_TRUE(action && std::holds_alternative<T>(*action));
    return action && std::holds_alternative<T>(*action) ? std::get<T>(*action) : T{};
  }
  test::SeededRng rng_{1};
};

TEST_F(DnsForwarder, AnswersUnderTheClientsId) {
  auto forwarder = make();
  ASSERT_TRUE(forwarder.handle_query(kStart, kClient, query(7)).ok());
  const auto sent = take<Forwarder::SendQuery>(forwarder);
  EXPECT_EQ(sent.upstream, kFirst);
  EXPECT_NE(parse_header(sent.message)->id, 7);
  ASSERT_TRUE(forwarder.handle_answer(kStart, kFirst, answer_to(sent.message)).ok());
  const auto answer = take<Forwarder::SendAnswer>(forwarder);
  EXPECT_EQ(parse_header(answer.message)->id, 7);
  EXPECT_EQ(answer.client.endpoint, kClient.endpoint);
  EXPECT_EQ(forwarder.in_flight(), 0u);
  EXPECT_FALSE(forwarder.next_timeout());
}

TEST_F(DnsForwarder, AStrangersAnswerIsDropped) {
  auto forwarder = make();
  (void)forwarder.handle_query(kStart, kClient, query(7));
  const auto sent = take<Forwarder::SendQuery>(forwarder);
  EXPECT_FALSE(forwarder.handle_answer(kStart, kSecond, answer_to(sent.message)).ok());
  Bytes other_id = sent.message;
  other_id[0] ^= 1;
  EXPECT_FALSE(forwarder.handle_answer(kStart, kFirst, answer_to(other_id)).ok());
  Bytes other_name = sent.message;
  other_name[13] = 'y';
  EXPECT_FALSE(forwarder.handle_answer(kStart, kFirst, answer_to(other_name)).ok());
  EXPECT_FALSE(forwarder.handle_answer(kStart, kFirst, sent.message).ok());
  EXPECT_EQ(forwarder.in_flight(), 1u);
}

TEST_F(DnsForwarder, SilentThenFailingResolversMakeServerFailure) {
  auto forwarder = make();
  (void)forwarder.handle_query(kStart, kClient, query(7));
  (void)take<Forwarder::SendQuery>(forwarder);
  const auto due = forwarder.next_timeout();
  ASSERT_TRUE(due);
  forwarder.handle_timeout(*due - std::chrono::milliseconds{1});
  EXPECT_FALSE(forwarder.poll_action());
  forwarder.handle_timeout(*due);
  const auto again = take<Forwarder::SendQuery>(forwarder);
  EXPECT_EQ(again.upstream, kSecond);
  (void)forwarder.handle_answer(*due, kSecond, answer_to(again.message, 0x82));
  const auto answer = take<Forwarder::SendAnswer>(forwarder);
  EXPECT_EQ(parse_header(answer.message)->rcode, Rcode::ServerFailure);
}

TEST_F(DnsForwarder, WithoutResolversItSaysSoAtOnce) {
  Forwarder forwarder({}, rng_);
  (void)forwarder.handle_query(kStart, kClient, query(7));
  EXPECT_EQ(parse_header(take<Forwarder::SendAnswer>(forwarder).message)->rcode,
            Rcode::ServerFailure);
}

TEST_F(DnsForwarder, ARepeatedQueryIsForwardedOnce) {
  auto forwarder = make();
  (void)forwarder.handle_query(kStart, kClient, query(7));
  (void)forwarder.handle_query(kStart, kClient, query(7));
  EXPECT_TRUE(forwarder.poll_action());
  EXPECT_FALSE(forwarder.poll_action());
}

TEST_F(DnsForwarder, ATcpClientGetsTheWholeAnswer) {
  auto forwarder = make();
  Forwarder::Client client = kClient;
  client.connection = 5;
  (void)forwarder.handle_query(kStart, client, query(7));
  const auto sent = take<Forwarder::SendQuery>(forwarder);
  (void)forwarder.handle_answer(kStart, kFirst, answer_to(sent.message, 0x80, true));
  const auto tcp = take<Forwarder::SendQueryTcp>(forwarder);
  EXPECT_EQ(tcp.upstream, kFirst);
  (void)forwarder.handle_answer(kStart, kFirst, answer_to(tcp.message));
  EXPECT_EQ(take<Forwarder::SendAnswer>(forwarder).client.connection, 5u);
}

TEST_F(DnsForwarder, ABrokenConnectionAsksTheNextResolver) {
  auto forwarder = make();
  (void)forwarder.handle_query(kStart, kClient, query(7));
  const auto sent = take<Forwarder::SendQuery>(forwarder);
  forwarder.handle_failure(kStart, sent.ticket);
  EXPECT_EQ(take<Forwarder::SendQuery>(forwarder).upstream, kSecond);
}

TEST_F(DnsForwarder, PolicyOpensBeforeItAnswers) {
  auto forwarder = make({{"xyz"}, {}});
  (void)forwarder.handle_query(kStart, kClient, query(7));
  auto sent = take<Forwarder::SendQuery>(forwarder);
  (void)forwarder.handle_answer(kStart, kFirst, answer_to(sent.message));
  auto open = take<Forwarder::OpenDestinations>(forwarder);
  ASSERT_EQ(open.addresses.size(), 1u);
  EXPECT_EQ(open.addresses[0].address.to_string(), "93.184.216.34");
  EXPECT_FALSE(forwarder.poll_action());
  forwarder.handle_opened(open.ticket, true);
  EXPECT_EQ(parse_header(take<Forwarder::SendAnswer>(forwarder).message)->rcode, Rcode::NoError);

  (void)forwarder.handle_query(kStart, kClient, query(8));
  sent = take<Forwarder::SendQuery>(forwarder);
  (void)forwarder.handle_answer(kStart, kFirst, answer_to(sent.message));
  open = take<Forwarder::OpenDestinations>(forwarder);
  forwarder.handle_opened(open.ticket, false);
  EXPECT_EQ(parse_header(take<Forwarder::SendAnswer>(forwarder).message)->rcode, Rcode::NoSuchName);
}

TEST_F(DnsForwarder, ANameThePolicyForbidsIsAnsweredAndNotOpened) {
  auto forwarder = make({{"example.org"}, {}});
  (void)forwarder.handle_query(kStart, kClient, query(7));
  const auto sent = take<Forwarder::SendQuery>(forwarder);
  (void)forwarder.handle_answer(kStart, kFirst, answer_to(sent.message));
  (void)take<Forwarder::SendAnswer>(forwarder);
}

TEST_F(DnsForwarder, FullMeansDropped) {
  auto forwarder = make();
  for (std::size_t i = 0; i < Forwarder::kMaxInFlightOfClient; ++i) {
    EXPECT_TRUE(forwarder.handle_query(kStart, kClient, query(static_cast<std::uint16_t>(i))).ok());
  }
  EXPECT_EQ(forwarder.handle_query(kStart, kClient, query(999)).error().code, Errc::Full);
  for (std::uint8_t host = 3; forwarder.in_flight() < Forwarder::kMaxInFlight; ++host) {
    Forwarder::Client client{{IpAddress::v4(10, 182, 4, host), 1}, 0};
    for (std::uint16_t i = 0; i < 64; ++i) (void)forwarder.handle_query(kStart, client, query(i));
  }
  Forwarder::Client late{{IpAddress::v4(10, 182, 5, 2), 1}, 0};
  EXPECT_EQ(forwarder.handle_query(kStart, late, query(1)).error().code, Errc::Full);
  forwarder.handle_timeout(kStart + std::chrono::seconds{3});
  forwarder.handle_timeout(kStart + std::chrono::seconds{6});
  EXPECT_EQ(forwarder.in_flight(), 0u);
}

}  // namespace
}  // namespace myst::core::dns
