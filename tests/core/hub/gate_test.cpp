#include "core/hub/gate.hpp"

#include <gtest/gtest.h>

#include "core/identity/signed_subject.hpp"
#include "tests/support/support.hpp"

namespace myst::core {
namespace {

using std::chrono::seconds;

constexpr std::int64_t kTime = 1700000000;

class GateTest : public testing::Test {
 protected:
  std::string client(std::string_view text) {
    status_ = session_.handle_client(now_, as_bytes(text));
    return std::string(as_text(session_.take_to_server()));
  }
  std::string told() { return std::string(as_text(session_.take_to_client())); }
  std::string signed_by(const Signer& signer, std::string_view topic, std::int64_t time = kTime) {
    return signed_subject(signer, time, topic);
  }

  test::SeededRng rng_{7};
  Now now_{Instant{} + seconds{50}, WallTime{} + seconds{kTime}};
  LocalSigner provider_ = LocalSigner::make(rng_);
  LocalSigner stranger_ = LocalSigner::make(rng_);
  std::string id_ = provider_.address().to_string();
  std::string exchange_ = id_ + ".wireguard.p2p-config-exchange";
  std::string ready_ = id_ + ".wireguard.p2p-channel-handlers-ready";
  GateConfig config_;
  SubscriptionMemory memory_;
  GateCounters counters_;
  GateSession session_{config_, memory_, counters_, now_};
  Status status_;
};

TEST_F(GateTest, SignedSubjectsArriveInPlainForm) {
  EXPECT_EQ(client("SUB " + signed_by(provider_, exchange_) + " 4\r\n"),
            "SUB " + exchange_ + " 4\r\n");
  EXPECT_EQ(client("PUB " + signed_by(provider_, ready_) + " 2\r\nhi\r\n"),
            "PUB " + ready_ + " 2\r\nhi\r\n");
  EXPECT_EQ(client("HPUB " + signed_by(provider_, ready_) + " 2 4\r\nhhbb\r\n"),
            "HPUB " + ready_ + " 2 4\r\nhhbb\r\n");
  EXPECT_EQ(told(), "");
  EXPECT_EQ(counters_.verified, 3u);
}

TEST_F(GateTest, ProposalsCarryTheirSigner) {
  for (const char* topic : {"proposal-register.v3", "proposal-ping.v3", "proposal-unregister.v3"}) {
    EXPECT_EQ(client("PUB " + signed_by(provider_, std::string("*.") + topic) + " 2\r\n{}\r\n"),
              "PUB " + id_ + "." + topic + " 2\r\n{}\r\n");
  }
  // As nodes before 1.33.9 take themselves off.
  EXPECT_EQ(client("PUB " + signed_by(provider_, "proposal-unregister.v3") + " 0\r\n\r\n"),
            "PUB " + id_ + ".proposal-unregister.v3 0\r\n\r\n");
  // Nobody speaks for somebody else.
  EXPECT_EQ(client("PUB " + signed_by(stranger_, id_ + ".proposal-register.v3") + " 0\r\n\r\n"),
            "");
  EXPECT_EQ(client("PUB " + signed_by(stranger_, "x.proposal-register.v3") + " 0\r\n\r\n"), "");
}

// The line seen on mainnet (vector signed_subject.seen_on_mainnet of p2p.json).
TEST_F(GateTest, VerifiesALineOfTheLiveNetwork) {
  now_.wall = WallTime{} + seconds{1638177982 + 299};
  EXPECT_EQ(client("PUB signed.hDMHW7pINDMzwjbeMtERk6I2vc3m9XW_UivZX3IaztNl6i0Zx1lEmypzpuKKXi-"
                   "GM0m7L7r8HWEEIguj1FJydQE.1638177982.*.proposal-ping.v3 0\r\n\r\n"),
            "PUB 0x417be62fba1c81c57c3e17281226efc58a012a55.proposal-ping.v3 0\r\n\r\n");
}

TEST_F(GateTest, ForgedOnesGoNowhere) {
  EXPECT_EQ(client("SUB " + signed_by(stranger_, exchange_) + " 4\r\n"), "");
  EXPECT_NE(told().find("-ERR 'Permissions Violation for Subscription to \"" + exchange_),
            std::string::npos);
  EXPECT_EQ(client("PUB " + signed_by(stranger_, ready_) + " 2\r\nhi\r\n"), "");
  std::string altered = signed_by(provider_, ready_);
  altered[12] = altered[12] == 'A' ? 'B' : 'A';
  EXPECT_EQ(client("PUB " + altered + " 2\r\nhi\r\n"), "");
  EXPECT_EQ(client("PUB signed.abc.1." + ready_ + " 2\r\nhi\r\n"), "");
  EXPECT_EQ(client("PUB " + signed_by(provider_, "signed.x.y") + " 2\r\nhi\r\n"), "");
  EXPECT_TRUE(status_.ok());
  EXPECT_EQ(client("PING\r\n"), "PING\r\n");  // the connection lives on
}

TEST_F(GateTest, TheTimeMustBeNearOurs) {
  const auto try_at = [&](std::int64_t time) {
    return !client("PUB " + signed_by(provider_, ready_, time) + " 0\r\n\r\n").empty();
  };
  EXPECT_TRUE(try_at(kTime - 300));
  EXPECT_TRUE(try_at(kTime + 300));
  EXPECT_FALSE(try_at(kTime - 301));
  EXPECT_NE(told().find("too old, check the clock"), std::string::npos);
  EXPECT_FALSE(try_at(kTime + 301));
  EXPECT_NE(told().find("from the future, check the clock"), std::string::npos);
  EXPECT_FALSE(try_at(0));
  EXPECT_FALSE(try_at(INT64_MAX));
  EXPECT_EQ(counters_.refused_stale, 4u);
}

TEST_F(GateTest, SubscriptionSeenFreshMayBeRepeatedLater) {
  const std::string line = "SUB " + signed_by(provider_, exchange_) + " 4\r\n";
  const std::string never_seen = "SUB " + signed_by(provider_, exchange_ + "-ack") + " 5\r\n";
  EXPECT_NE(client(line), "");
  EXPECT_EQ(memory_.take_new().size(), 1u);
  now_.wall += std::chrono::hours{1000};
  GateSession again(config_, memory_, counters_, now_);
  ASSERT_TRUE(again.handle_client(now_, as_bytes(line + never_seen)).ok());
  EXPECT_EQ(as_text(again.take_to_server()), "SUB " + exchange_ + " 4\r\n");
}

TEST_F(GateTest, UnsignedPublishesToProtectedSubjectsAreSilentlyDropped) {
  for (const std::string& subject :
       {std::string("*.proposal-register.v3"), std::string("*.proposal-ping.v3"),
        std::string("proposal-unregister.v3"), id_ + ".proposal-ping.v3", ready_,
        id_ + ".control-plane.v1"}) {
    EXPECT_EQ(client("PUB " + subject + " 3\r\nabc\r\n"), "") << subject;
    EXPECT_EQ(client("PUB " + subject + " reply 3\r\nabc\r\n"), "") << subject;
  }
  EXPECT_EQ(told(), "");
  EXPECT_EQ(counters_.refused_unsigned, 12u);
  EXPECT_NE(client("PUB " + signed_by(provider_, id_ + ".control-plane.v1") + " 0\r\n\r\n"), "");
  EXPECT_EQ(client("PUB " + signed_by(stranger_, id_ + ".control-plane.v1") + " 0\r\n\r\n"), "");
}

TEST_F(GateTest, EverythingElsePassesUnchanged) {
  for (const std::string& text :
       {std::string("CONNECT {\"verbose\":false}\r\n"), std::string("SUB _INBOX.abc.* 1\r\n"),
        "SUB " + ready_ + " 2\r\n", "SUB " + id_ + ".control-plane.v1 3\r\n",
        std::string("SUB *.proposal-ping.v3 q 4\r\n"), std::string("UNSUB 2 1\r\n"),
        "PUB " + exchange_ + " _INBOX.abc.d 5\r\nhello\r\n",
        std::string("PUB _INBOX.abc.d 0\r\n\r\n"), std::string("PING\r\n"),
        std::string("PONG\r\n")}) {
    EXPECT_EQ(client(text), text);
  }
}

TEST_F(GateTest, PayloadsArePassedOnInPiecesAndDroppedInPieces) {
  EXPECT_EQ(client("PUB a 10\r\n012"), "PUB a 10\r\n012");
  EXPECT_EQ(client("345678"), "345678");
  EXPECT_EQ(client("9\r\nPUB " + ready_ + " 4\r\nab"), "9\r\n");
  EXPECT_EQ(client("cd\r\nPING\r\n"), "PING\r\n");
}

TEST_F(GateTest, LineEndingsCannotSmuggleACommand) {
  // A bare line feed ends a line for nats-server too.
  EXPECT_EQ(client("SUB a 1\nPUB " + ready_ + " 0\r\n\r\n"), "SUB a 1\r\n");
  EXPECT_EQ(client("SUB a\rb 1\r\n"), "");
  EXPECT_FALSE(status_.ok());
}

TEST_F(GateTest, ServerLinesPassButInfoIsRewritten) {
  const auto server = [&](std::string_view text) {
    EXPECT_TRUE(session_.handle_server(now_, as_bytes(text)).ok());
    return told();
  };
  EXPECT_EQ(
      server("INFO "
             "{\"server_id\":\"x\",\"connect_urls\":[\"10.0.0.1:4222\"],\"max_payload\":100}\r\n"),
      "INFO {\"server_id\":\"x\",\"max_payload\":100}\r\n");
  for (const char* text :
       {"MSG a 1 3\r\nabc\r\n", "MSG a 1 r 6\r\nINFO {\r\n", "HMSG a 1 2 3\r\nhhb\r\n", "PING\r\n",
        "PONG\r\n", "+OK\r\n", "-ERR 'x'\r\n"}) {
    EXPECT_EQ(server(text), text);
  }
  // The server's limit is now the client's too.
  EXPECT_EQ(client("PUB a 101\r\n"), "");
  EXPECT_FALSE(status_.ok());
  EXPECT_EQ(told(), "-ERR 'Maximum Payload Violation'\r\n");
}

TEST_F(GateTest, AClientThatOnlySendsRubbishIsCutOff) {
  const std::string bad = "PUB " + signed_by(stranger_, ready_) + " 0\r\n\r\n";
  for (std::size_t i = 0; i < config_.max_refusals; ++i) (void)client(bad);
  EXPECT_TRUE(status_.ok());
  (void)client(bad);
  EXPECT_FALSE(status_.ok());
}

TEST_F(GateTest, SignatureChecksAreRationed) {
  config_.signatures_burst = 3;
  config_.signatures_per_second = 2;
  GateSession session(config_, memory_, counters_, now_);
  const std::string line = "PUB " + signed_by(provider_, ready_) + " 0\r\n\r\n";
  const auto passed = [&](int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += line;
    EXPECT_TRUE(session.handle_client(now_, as_bytes(all)).ok());
    return session.take_to_server().size() / ("PUB " + ready_ + " 0\r\n\r\n").size();
  };
  EXPECT_EQ(passed(5), 3u);
  now_.instant += seconds{1};
  EXPECT_EQ(passed(5), 2u);
  now_.instant += seconds{100};
  EXPECT_EQ(passed(5), 3u);
}

TEST_F(GateTest, SubscriptionsOfAConnectionAreLimited) {
  config_.max_subscriptions = 2;
  EXPECT_NE(client("SUB a 1\r\nSUB b 2\r\nUNSUB 1\r\nSUB c 3\r\n"), "");
  EXPECT_TRUE(status_.ok());
  (void)client("SUB d 4\r\n");
  EXPECT_FALSE(status_.ok());
}

TEST(GateAdmission, CountsConnectionsByAddress) {
  GateAdmission::Limits limits;
  limits.total = 3;
  limits.per_address = 2;
  GateAdmission gate(limits);
  const auto a = *IpAddress::parse("192.0.2.1"), b = *IpAddress::parse("192.0.2.2");
  EXPECT_TRUE(gate.admit(a) && gate.admit(a));
  EXPECT_FALSE(gate.admit(a));
  EXPECT_TRUE(gate.admit(b));
  EXPECT_FALSE(gate.admit(b));
  gate.release(a);
  EXPECT_TRUE(gate.admit(b));
  gate.release(a);
  gate.release(b);
  gate.release(b);
  EXPECT_EQ(gate.size(), 0u);
  // One IPv6 customer has a whole /64.
  EXPECT_TRUE(gate.admit(*IpAddress::parse("2001:db8::1")) &&
              gate.admit(*IpAddress::parse("2001:db8::2")));
  EXPECT_FALSE(gate.admit(*IpAddress::parse("2001:db8::3")));
  EXPECT_TRUE(gate.admit(*IpAddress::parse("2001:db8:0:1::3")));
}

TEST(SubscriptionMemory, ForgetsTheOldest) {
  SubscriptionMemory memory;
  for (std::uint64_t i = 0; i <= SubscriptionMemory::kCapacity; ++i) memory.remember(i);
  EXPECT_FALSE(memory.knows(0));
  EXPECT_TRUE(memory.knows(1));
  EXPECT_TRUE(memory.knows(SubscriptionMemory::kCapacity));
}

}  // namespace
}  // namespace myst::core
