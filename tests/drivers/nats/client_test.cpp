#include "drivers/nats/client.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "core/identity/signed_subject.hpp"
#include "platform/net/tcp_stream.hpp"
#include "platform/system/random.hpp"
#include "tests/support/nats_server.hpp"
#include "tests/support/support.hpp"
#include "tests/support/tls_certificates.hpp"

namespace myst::nats {
namespace {

constexpr Duration kLimit = std::chrono::seconds{20};

class NatsDriverTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::NatsServer::installed()) GTEST_SKIP() << "nats-server is not installed";
  }
  Client::Options options(const std::vector<std::string>& servers) {
    Client::Options out;
    for (const std::string& server : servers) {
      out.machine.servers.push_back(*core::BrokerAddress::parse(server));
    }
    out.machine.first_wait = std::chrono::milliseconds{20};
    return out;
  }
  std::unique_ptr<Client> make(const std::vector<std::string>& servers,
                               Client::Handlers handlers = {}) {
    return std::make_unique<Client>(loop_, rng_, options(servers), std::move(handlers));
  }
  bool until(const std::function<bool()>& done) { return loop_.run_until(done, kLimit); }

  platform::Loop loop_;
  platform::SystemRng rng_;
};

TEST_F(NatsDriverTest, PublishesSubscribesAndRequests) {
  const auto server = test::NatsServer::start();
  ASSERT_NE(server, nullptr);
  const auto provider = make({server->address()});
  const auto consumer = make({server->address()});
  std::vector<std::string> got;
  ASSERT_TRUE(provider
                  ->subscribe("*.proposal-ping.v3",
                              [&](const Message& message) {
                                got.push_back(message.subject + " " +
                                              std::string(as_text(message.payload)));
                              })
                  .ok());
  ASSERT_TRUE(
      provider
          ->subscribe("p.s.exchange",
                      [&](const Message& message) {
                        EXPECT_TRUE(
                            provider
                                ->publish(message.reply,
                                          as_bytes("re:" + std::string(as_text(message.payload))))
                                .ok());
                      })
          .ok());
  ASSERT_TRUE(until([&] { return provider->connected() && consumer->connected(); }));
  std::optional<Result<Bytes>> answer;
  while (!answer || !answer->ok()) {  // until the server has taken the subscriptions
    answer.reset();
    ASSERT_TRUE(consumer
                    ->request("p.s.exchange", as_bytes("x"), kLimit,
                              [&](Result<Bytes> r) { answer = std::move(r); })
                    .ok());
    ASSERT_TRUE(until([&] { return answer.has_value(); }));
  }
  // The "*" is a literal character when it is published.
  ASSERT_TRUE(consumer->publish("*.proposal-ping.v3", as_bytes("{}")).ok());
  ASSERT_TRUE(until([&] { return !got.empty(); }));
  EXPECT_EQ(got[0], "*.proposal-ping.v3 {}");
  answer.reset();
  ASSERT_TRUE(consumer
                  ->request("p.s.exchange", as_bytes("key"), kLimit,
                            [&](Result<Bytes> r) { answer = std::move(r); })
                  .ok());
  ASSERT_TRUE(until([&] { return answer.has_value(); }));
  EXPECT_EQ(as_text(**answer), "re:key");
  // Nobody there: said at once, not after the timeout.
  answer.reset();
  ASSERT_TRUE(consumer
                  ->request("nobody.at.home", {}, std::chrono::hours{1},
                            [&](Result<Bytes> r) { answer = std::move(r); })
                  .ok());
  ASSERT_TRUE(until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->error().code, Errc::Unavailable);
}

TEST_F(NatsDriverTest, ComesBackWhenTheServerDoesAndSignsAnew) {
  auto server = test::NatsServer::start();
  ASSERT_NE(server, nullptr);
  const std::uint16_t port = server->port();
  int connects = 0, losses = 0;
  const auto client =
      make({server->address()},
           {[&](const Connected&) { ++connects; }, [&](const Disconnected&) { ++losses; }, {}});
  test::SeededRng seeded(1);
  const auto signer = std::make_shared<LocalSigner>(LocalSigner::make(seeded));
  ASSERT_TRUE(until([&] { return connects == 1; }));
  server.reset();
  ASSERT_TRUE(until([&] { return losses > 1; }));
  ASSERT_TRUE(client->publish("x.proposal", as_bytes("while away"), signer).ok());
  server = test::NatsServer::start(port);
  ASSERT_NE(server, nullptr);
  const auto watcher = make({server->address()});
  std::string subject, body;
  ASSERT_TRUE(watcher
                  ->subscribe("signed.>",
                              [&](const Message& m) {
                                subject = m.subject;
                                body = std::string(as_text(m.payload));
                              })
                  .ok());
  ASSERT_TRUE(until([&] { return connects == 2 && watcher->connected(); }));
  // What waited may have been sent before the watcher was there.
  (void)client->publish("x.proposal", as_bytes("while away"), signer);
  ASSERT_TRUE(until([&] { return !subject.empty(); }));
  EXPECT_EQ(body, "while away");
  const auto parsed = parse_signed_subject(subject);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*recover_signer(*parsed), signer->address());
}

TEST_F(NatsDriverTest, DeadServersInTheListDoNotMatter) {
  const auto server = test::NatsServer::start();
  ASSERT_NE(server, nullptr);
  const std::string dead = "127.0.0.1:" + std::to_string(test::free_tcp_port());
  const auto client = make({dead, "nats://no-such-host.invalid", dead, server->address()});
  EXPECT_TRUE(until([&] { return client->connected(); }));
}

TEST_F(NatsDriverTest, ShutdownSendsWhatWaits) {
  const auto server = test::NatsServer::start();
  ASSERT_NE(server, nullptr);
  const auto watcher = make({server->address()});
  int got = 0;
  bool ready = false;
  ASSERT_TRUE(watcher->subscribe("last.words", [&](const Message&) { ++got; }).ok());
  ASSERT_TRUE(until([&] { return watcher->connected(); }));
  (void)watcher->request("last.words", {}, kLimit, [&](const Result<Bytes>&) {});
  ASSERT_TRUE(until([&] { return got == 1; }));
  const auto client = make({server->address()}, {[&](const Connected&) { ready = true; }, {}, {}});
  ASSERT_TRUE(until([&] { return ready; }));
  bool done = false, cancelled = false;
  (void)client->request("last.words", {}, kLimit,
                        [&](const Result<Bytes>& r) { cancelled = !r.ok(); });
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(client->publish("last.words", Bytes(1000, 'x')).ok());
  client->shutdown([&] { done = true; });
  ASSERT_TRUE(until([&] { return done && got == 52 && cancelled; }));
  EXPECT_FALSE(client->connected());
}

TEST_F(NatsDriverTest, MayBeDestroyedInItsCallback) {
  const auto server = test::NatsServer::start();
  ASSERT_NE(server, nullptr);
  std::unique_ptr<Client> client;
  bool gone = false;
  client = make({server->address()}, {[&](const Connected&) {
                                        client.reset();
                                        gone = true;
                                      },
                                      {},
                                      {}});
  EXPECT_TRUE(until([&] { return gone; }));
}

TEST_F(NatsDriverTest, SpeaksTlsWhenTheServerAsksForIt) {
  const IpAddress loopback = IpAddress::v4(127, 0, 0, 1);
  const auto made = test::make_tls_certificates("node.test", loopback);
  const std::string base = testing::TempDir() + "nats_tls_" + std::to_string(::getpid());
  std::ofstream(base + ".crt") << made.certificate;
  std::ofstream(base + ".key") << made.key;
  const auto server =
      test::NatsServer::start(0, {"--tls", "--tlscert", base + ".crt", "--tlskey", base + ".key"});
  ASSERT_NE(server, nullptr);
  Client::Options good = options({server->address()});
  good.trust = *platform::TlsTrust::from_pem(made.authority);
  Client client(loop_, rng_, good, {});
  EXPECT_TRUE(until([&] { return client.connected(); }));
  // A certificate of somebody else's authority is no way in.
  Client::Options bad = options({server->address()});
  bad.trust = *platform::TlsTrust::from_pem(test::make_tls_certificates("x", loopback).authority);
  std::optional<Error> why;
  Client stranger(loop_, rng_, bad, {{}, [&](const Disconnected& lost) { why = lost.why; }, {}});
  ASSERT_TRUE(until([&] { return why.has_value(); }));
  EXPECT_EQ(why->code, Errc::Unauthorized);
  (void)std::remove((base + ".crt").c_str());
  (void)std::remove((base + ".key").c_str());
}

TEST_F(NatsDriverTest, LoginOfTheAddressIsUsed) {
  const auto server = test::NatsServer::start(0, {"--user", "me", "--pass", "secret"});
  ASSERT_NE(server, nullptr);
  const std::string port = std::to_string(server->port());
  std::string error;
  const auto wrong = make({"nats://me:wrong@127.0.0.1:" + port},
                          {{}, {}, [&](const ServerError& e) { error = e.text; }});
  ASSERT_TRUE(until([&] { return !error.empty(); }));
  EXPECT_EQ(error, "Authorization Violation");
  const auto right = make({"nats://me:secret@127.0.0.1:" + port});
  EXPECT_TRUE(until([&] { return right->connected(); }));
}

}  // namespace
}  // namespace myst::nats
