#include "core/broker/nats_client.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "core/identity/signed_subject.hpp"
#include "tests/support/support.hpp"

namespace myst::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kInfo[] = "INFO {\"headers\":true,\"max_payload\":1000}\r\n";

class NatsClientTest : public testing::Test {
 protected:
  NatsClientTest() {
    config_.servers = {*BrokerAddress::parse("one"), *BrokerAddress::parse("two")};
  }

  void make() { client_.emplace(config_, rng_, now_); }
  void pass(Duration time) {
    now_.instant += time;
    now_.wall += std::chrono::duration_cast<milliseconds>(time);
  }
  template <typename T>
  std::optional<T> action() {
    auto next = client_->poll_action();
    if (!next || !std::holds_alternative<T>(*next)) return std::nullopt;
    return std::get<T>(*next);
  }
  template <typename T>
  std::optional<T> event() {
    auto next = client_->poll_event();
    if (!next || !std::holds_alternative<T>(*next)) return std::nullopt;
    return std::move(std::get<T>(*next));
  }
  std::string sent() {
    const Bytes out = client_->take_transmit();
    return std::string(as_text(out));
  }
  void receive(std::string_view text) { client_->handle_bytes(now_, as_bytes(text)); }
  void go_online() {
    if (!action<NatsClient::Dial>()) FAIL() << "no dial";
    client_->handle_connected(now_);
    receive(kInfo);
    EXPECT_NE(sent().find("CONNECT {"), std::string::npos);
    receive("PONG\r\n");
    EXPECT_TRUE(event<NatsClient::Connected>());
  }

  test::SeededRng rng_{1};
  Now now_{Instant{} + seconds{1000}, WallTime{} + seconds{1700000000}};
  NatsClient::Config config_;
  std::optional<NatsClient> client_;
};

TEST_F(NatsClientTest, DialsAtOnceAndSendsWhatWaited) {
  make();
  const auto sid = client_->subscribe(now_, "a.b");
  ASSERT_TRUE(sid.ok());
  ASSERT_TRUE(client_->publish(now_, "c", as_bytes("hi")).ok());
  ASSERT_TRUE(action<NatsClient::Dial>());
  client_->handle_connected(now_);
  EXPECT_EQ(sent(), "");
  receive(kInfo);
  EXPECT_NE(sent().find("\"headers\":true,\"no_responders\":true}\r\nPING\r\n"), std::string::npos);
  EXPECT_FALSE(client_->connected());
  receive("PONG\r\n");
  EXPECT_EQ(sent(), "SUB a.b 1\r\nPUB c 2\r\nhi\r\n");
  EXPECT_TRUE(client_->idle());
  receive("MSG rewritten.subject 1 r 3\r\nabc\r\nMSG x 77 0\r\n\r\n");
  ASSERT_TRUE(event<NatsClient::Connected>());
  const auto message = event<NatsClient::Message>();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->sid, *sid);
  EXPECT_EQ(message->reply, "r");
  EXPECT_EQ(as_text(message->payload), "abc");
  EXPECT_FALSE(client_->poll_event());
}

TEST_F(NatsClientTest, TriesEveryServerThenWaitsLongerEachRound) {
  make();
  Duration longest{0}, before{0};
  std::set<std::string> tried;
  for (int round = 0; round < 8; ++round) {
    for (int server = 0; server < 2; ++server) {
      const auto dial = action<NatsClient::Dial>();
      ASSERT_TRUE(dial) << round << " " << server;
      tried.insert(dial->server.host);
      client_->handle_closed(now_, Error{Errc::Io, 111, "refused"});
      const auto lost = event<NatsClient::Disconnected>();
      ASSERT_TRUE(lost);
      EXPECT_FALSE(lost->was_connected);
    }
    EXPECT_FALSE(client_->poll_action());
    const Duration wait = *client_->next_timeout() - now_.instant;
    if (round == 0) {
      EXPECT_GE(wait, seconds{1});
      EXPECT_LT(wait, milliseconds{1100});
    } else if (round < 4) {
      EXPECT_GT(wait, before);
    }
    before = wait;
    longest = std::max(longest, wait);
    client_->handle_timeout(now_);
    EXPECT_FALSE(client_->poll_action());
    pass(wait);
    client_->handle_timeout(now_);
  }
  EXPECT_EQ(tried.size(), 2u);
  EXPECT_LE(longest, milliseconds{16500});
}

TEST_F(NatsClientTest, SignsSubscriptionsAnewAfterReconnect) {
  make();
  const auto signer = std::make_shared<LocalSigner>(LocalSigner::make(rng_));
  const std::string topic = signer->address().to_string() + ".wireguard.p2p-config-exchange";
  ASSERT_TRUE(client_->subscribe(now_, topic, signer).ok());
  go_online();
  const std::string first = sent();
  EXPECT_EQ(first, "SUB " + signed_subject(*signer, 1700000000, topic) + " 1\r\n");
  pass(seconds{3600});
  client_->handle_closed(now_, Error{Errc::Io, 104, "reset"});
  const auto lost = event<NatsClient::Disconnected>();
  ASSERT_TRUE(lost);
  EXPECT_TRUE(lost->was_connected);
  ASSERT_TRUE(client_->publish(now_, "a.b.p2p-channel-handlers-ready", {}, signer).ok());
  pass(seconds{7});
  go_online();  // dialled at once, without waiting
  EXPECT_EQ(sent(), "SUB " + signed_subject(*signer, 1700003607, topic) + " 1\r\nPUB " +
                        signed_subject(*signer, 1700003607, "a.b.p2p-channel-handlers-ready") +
                        " 0\r\n\r\n");
}

TEST_F(NatsClientTest, ServerThatThrowsUsOutIsNotHammered) {
  config_.servers.resize(1);
  make();
  go_online();
  client_->handle_closed(now_, Error{Errc::Io, 104, "reset"});
  EXPECT_FALSE(client_->poll_action());
  EXPECT_GE(*client_->next_timeout(), now_.instant + seconds{1});
}

TEST_F(NatsClientTest, RequestIsAnsweredOnceOrTimesOut) {
  make();
  go_online();
  const auto request = client_->request(now_, "p.s.exchange", as_bytes("q"), seconds{20});
  ASSERT_TRUE(request.ok());
  const std::string lines = sent();
  ASSERT_EQ(lines.substr(0, 11), "SUB _INBOX.");
  const std::size_t at = lines.find("PUB p.s.exchange ") + 17;
  const std::string inbox = lines.substr(at, lines.find(' ', at) - at);
  EXPECT_EQ(inbox.size(), 7u + 22 + 1 + 8);
  receive("MSG " + inbox + " 1 2\r\nOK\r\nMSG " + inbox + " 1 2\r\nOK\r\n");
  auto answer = event<NatsClient::Answer>();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->request, *request);
  EXPECT_EQ(as_text(*answer->result), "OK");
  EXPECT_FALSE(client_->poll_event());

  const auto lonely = client_->request(now_, "nobody", {}, seconds{20});
  const std::string pub = sent();
  EXPECT_EQ(pub.find("SUB"), std::string::npos);
  const std::string inbox2 = pub.substr(11, 38);
  receive("HMSG " + inbox2 + " 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
  answer = event<NatsClient::Answer>();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->request, *lonely);
  EXPECT_EQ(answer->result.error().code, Errc::Unavailable);

  const auto late = client_->request(now_, "slow", {}, seconds{5});
  EXPECT_EQ(*client_->next_timeout(), now_.instant + seconds{5});
  pass(seconds{5});
  client_->handle_timeout(now_);
  answer = event<NatsClient::Answer>();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->request, *late);
  EXPECT_EQ(answer->result.error().code, Errc::Timeout);
}

TEST_F(NatsClientTest, UnansweredPingsEndTheConnection) {
  make();
  go_online();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(*client_->next_timeout(), now_.instant + seconds{10});
    pass(seconds{10});
    client_->handle_timeout(now_);
    EXPECT_EQ(sent(), "PING\r\n");
  }
  receive("PONG\r\n");
  for (int i = 0; i < 2; ++i) {
    pass(seconds{10});
    client_->handle_timeout(now_);
  }
  EXPECT_EQ(sent(), "PING\r\nPING\r\n");
  pass(seconds{10});
  client_->handle_timeout(now_);
  EXPECT_TRUE(action<NatsClient::Hangup>());
  EXPECT_TRUE(action<NatsClient::Dial>());
}

TEST_F(NatsClientTest, AnswersPings) {
  make();
  go_online();
  receive("PING\r\n");
  EXPECT_EQ(sent(), "PONG\r\n");
}

TEST_F(NatsClientTest, WaitingPublishesAreBounded) {
  config_.max_waiting_bytes = 4096;
  make();
  const Bytes payload(800, 'x');
  int accepted = 0;
  while (client_->publish(now_, "a", payload).ok() && accepted < 100) ++accepted;
  EXPECT_EQ(accepted, 4);
  EXPECT_EQ(client_->publish(now_, "a", payload).error().code, Errc::Full);
  go_online();
  (void)sent();
  EXPECT_TRUE(client_->publish(now_, "a", payload).ok());
  EXPECT_EQ(client_->publish(now_, "a", Bytes(1001, 'x')).error().code, Errc::Rejected);
  EXPECT_EQ(client_->publish(now_, "a b", {}).error().code, Errc::Malformed);
}

TEST_F(NatsClientTest, TlsIsUsedWhenTheServerWantsIt) {
  make();
  const auto dial = action<NatsClient::Dial>();
  client_->handle_connected(now_);
  receive("INFO {\"tls_required\":true}\r\n");
  const auto tls = action<NatsClient::StartTls>();
  ASSERT_TRUE(tls);
  EXPECT_EQ(tls->host, dial->server.host);
  EXPECT_EQ(sent(), "");
  client_->handle_tls_ready(now_);
  EXPECT_NE(sent().find("\"tls_required\":true"), std::string::npos);
}

TEST_F(NatsClientTest, ServerWithoutTlsIsRefusedWhenTlsWasAskedFor) {
  config_.servers = {*BrokerAddress::parse("tls://one")};
  make();
  (void)client_->poll_action();
  client_->handle_connected(now_);
  receive(kInfo);
  EXPECT_TRUE(action<NatsClient::Hangup>());
  const auto lost = event<NatsClient::Disconnected>();
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->why.code, Errc::Rejected);
}

TEST_F(NatsClientTest, SilentOrTalkativeServersAreGivenUp) {
  make();
  (void)client_->poll_action();
  client_->handle_connected(now_);
  pass(seconds{10});
  client_->handle_timeout(now_);
  EXPECT_TRUE(action<NatsClient::Hangup>());
  ASSERT_TRUE(action<NatsClient::Dial>());
  client_->handle_connected(now_);
  receive("SSH-2.0-OpenSSH_9\r\n");
  EXPECT_TRUE(action<NatsClient::Hangup>());
  EXPECT_FALSE(client_->poll_action());
}

TEST_F(NatsClientTest, OverlongMessagesAreSkippedNotFatal) {
  config_.max_message_bytes = 10;
  make();
  ASSERT_TRUE(client_->subscribe(now_, "a").ok());
  go_online();
  receive("MSG a 1 11\r\n01234567890\r\nMSG a 1 2\r\nok\r\n");
  const auto message = event<NatsClient::Message>();
  ASSERT_TRUE(message);
  EXPECT_EQ(as_text(message->payload), "ok");
  EXPECT_EQ(client_->skipped_messages(), 1u);
}

TEST_F(NatsClientTest, CloseAnswersRequestsAndStaysClosed) {
  make();
  go_online();
  ASSERT_TRUE(client_->request(now_, "x", {}, seconds{9}).ok());
  client_->close();
  const auto answer = event<NatsClient::Answer>();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->result.error().code, Errc::Cancelled);
  EXPECT_TRUE(action<NatsClient::Hangup>());
  EXPECT_NE(sent().find("PUB x "), std::string::npos);
  client_->handle_closed(now_, Error{});
  EXPECT_FALSE(client_->poll_action());
  EXPECT_FALSE(client_->next_timeout());
  EXPECT_FALSE(client_->publish(now_, "a", {}).ok());
}

}  // namespace
}  // namespace myst::core
