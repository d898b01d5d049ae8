#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/base/text.hpp"
#include "core/dialog/exchange.hpp"
#include "tests/core/dialog/dial_world.hpp"

namespace myst::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace dialog;
using test::DialWorld;
using test::NatKind;

const IpAddress kConsumerIp = IpAddress::v4(198, 51, 100, 20);
const IpAddress kProviderIp = IpAddress::v4(203, 0, 113, 10);

class Dial : public testing::Test {
 protected:
  void make(std::uint64_t seed, NatKind consumer_nat, NatKind provider_nat,
            const DialWorld::Path& path = {}) {
    world_ = std::make_unique<DialWorld>(seed, path);
    ProviderListener::Config config;
    config.service_type = "wireguard";
    provider_ = &world_->add_provider(kProviderIp, provider_nat, provider_key_, config);
    consumer_ =
        &world_->add_consumer(kConsumerIp, consumer_nat, consumer_key_, provider_key_.address());
  }
  bool opened_both() const { return !consumer_->ends.empty() && !provider_->ends.empty(); }
  bool over() const { return consumer_->dial->done(); }

  // A request each way over the channel, and a datagram over the service sockets.
  void expect_works() {
    ASSERT_TRUE(opened_both());
    auto& c = *consumer_->ends.back();
    auto& p = *provider_->ends.back();
    EXPECT_EQ(c.opened.peer, provider_key_.address().to_string());
    EXPECT_EQ(p.opened.peer, consumer_key_.address().to_string());
    (void)c.opened.channel->request(world_->now, "p2p-session-create", as_bytes("hi"), seconds{20});
    ASSERT_TRUE(world_->run(seconds{20}, [&] { return !c.answers.empty(); }));
    (void)p.opened.channel->request(world_->now, "p2p-payment-invoice", as_bytes("pay"),
                                    seconds{20});
    ASSERT_TRUE(world_->run(seconds{20}, [&] { return !p.answers.empty(); }));
    EXPECT_EQ(c.answers[0], "hi");
    EXPECT_EQ(p.answers[0], "pay");
    for (int i = 0; i < 10; ++i) {
      world_->net.send(world_->now, c.host, c.opened.service_path.local_port,
                       c.opened.service_path.peer, 0, as_bytes("tunnel"));
    }
    // Late OK and OK_ACK copies may have come before.
    ASSERT_TRUE(world_->run(seconds{1}, [&] {
      return !p.service_heard.empty() && p.service_heard.back() == "tunnel";
    }));
    EXPECT_EQ(world_->open_sockets(*consumer_), 2u);
    EXPECT_EQ(world_->open_sockets(*provider_), 2u);
    EXPECT_EQ(provider_->listener->exchanges(), 0u);
  }

  test::SeededRng keys_{77};
  LocalSigner provider_key_ = LocalSigner::make(keys_);
  LocalSigner consumer_key_ = LocalSigner::make(keys_);
  std::unique_ptr<DialWorld> world_;
  DialWorld::Node* provider_ = nullptr;
  DialWorld::Node* consumer_ = nullptr;
};

TEST_F(Dial, ToAPublicProviderIsDirectAndQuick) {
  make(1, NatKind::PortRestricted, NatKind::None);
  const Instant begin = world_->now;
  ASSERT_TRUE(world_->run(seconds{20}, [&] { return opened_both(); }));
  // Broker hops of 5 ms, paths of 10 ms: connect, exchange, port check, ack, ready.
  EXPECT_LT(world_->now - begin, milliseconds{100});
  EXPECT_TRUE(consumer_->ends[0]->opened.direct);
  EXPECT_TRUE(provider_->ends[0]->opened.direct);
  expect_works();
  // Before "ready" the provider's handlers stand.
  EXPECT_EQ(provider_->log.back(), "opened");
  // The provider followed the consumer's port, which its NAT has changed.
  EXPECT_GE(provider_->ends[0]->opened.channel_path.peer.port, 40000);
}

TEST_F(Dial, ThroughNatsIsPunchedAndQuick) {
  for (const auto& [consumer_nat, provider_nat] :
       {std::pair{NatKind::PortRestricted, NatKind::PortRestricted},
        {NatKind::Symmetric, NatKind::FullCone}}) {
    make(2, consumer_nat, provider_nat);
    provider_->facts.port_check_servers.clear();  // no two seconds lost on a check
    const Instant begin = world_->now;
    ASSERT_TRUE(world_->run(seconds{20}, [&] { return opened_both(); }));
    EXPECT_LT(world_->now - begin, milliseconds{400});
    EXPECT_FALSE(consumer_->ends[0]->opened.direct);
    expect_works();
  }
}

TEST_F(Dial, AFailedPortCheckIsRememberedForTheNextDial) {
  make(3, NatKind::None, NatKind::PortRestricted);
  const Instant begin = world_->now;
  ASSERT_TRUE(world_->run(seconds{20}, [&] { return opened_both(); }));
  EXPECT_GT(world_->now - begin, seconds{2});
  const Instant again = world_->now;
  auto& second = world_->add_consumer(IpAddress::v4(198, 51, 100, 21), NatKind::None, consumer_key_,
                                      provider_key_.address());
  ASSERT_TRUE(world_->run(seconds{20}, [&] { return !second.ends.empty(); }));
  EXPECT_LT(world_->now - again, milliseconds{400});
}

TEST_F(Dial, RouteComesBeforeAnyDatagramToTheProvider) {
  make(4, NatKind::None, NatKind::PortRestricted);
  ASSERT_TRUE(world_->run(seconds{20}, [&] { return opened_both(); }));
  const auto& log = consumer_->log;
  const auto route = std::find(log.begin(), log.end(), "route");
  const auto send = std::find(log.begin(), log.end(), "send");
  ASSERT_NE(route, log.end());
  ASSERT_NE(send, log.end());
  EXPECT_LT(route - log.begin(), send - log.begin());
  EXPECT_EQ(consumer_->routes.count(kProviderIp.to_string()), 1u);
}

TEST_F(Dial, SurvivesALossyPath) {
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    make(seed, NatKind::PortRestricted, seed % 3 == 0 ? NatKind::None : NatKind::FullCone,
         {25, 10, milliseconds{20}, milliseconds{30}, 8});
    ASSERT_TRUE(world_->run(seconds{20}, [&] { return opened_both(); }));
    expect_works();
  }
}

TEST_F(Dial, PortsThatStayBlockedAreTriedAgainWithOthers) {
  make(6, NatKind::PortRestricted, NatKind::PortRestricted);
  provider_->facts.port_check_servers.clear();
  const Instant begin = world_->now;
  std::set<Endpoint> blocked;  // the consumer's first ports, for ever
  world_->net.lost = [&](Instant now, const Endpoint& from, const Endpoint& to) {
    if (from.ip != kConsumerIp) return false;
    if (to.ip == kProviderIp && now - begin < seconds{2}) blocked.insert(from);
    return blocked.count(from) > 0;
  };
  ASSERT_TRUE(world_->run(seconds{20}, [&] { return opened_both(); }));
  EXPECT_EQ(blocked.size(), 20u);
  EXPECT_LT(world_->now - begin, seconds{5});
  world_->run(seconds{10}, [&] { return provider_->listener->exchanges() == 0; });
  expect_works();
}

TEST_F(Dial, NobodyListening) {
  make(5, NatKind::None, NatKind::None);
  provider_->listener->stop(world_->now);
  const Instant begin = world_->now;
  EXPECT_TRUE(world_->run(seconds{30}, [&] { return over(); }));
  EXPECT_EQ(world_->now - begin, seconds{20});
  ASSERT_EQ(consumer_->failures.size(), 1u);
  EXPECT_EQ(consumer_->failures[0].error.code, Errc::Timeout);
  EXPECT_EQ(consumer_->failures[0].reason, "the provider does not answer");
  EXPECT_EQ(world_->open_sockets(*consumer_), 0u);
}

TEST_F(Dial, EveryFailureLeavesNothingBehindAndHasAReason) {
  const std::pair<const char*, std::function<void()>> troubles[] = {
      {"own public address could not be found", [&] { consumer_->facts_fail = true; }},
      {"the provider's broker could not be reached", [&] { consumer_->broker_ok = false; }},
      {"no path through the NATs between both nodes",
       [&] { make(6, NatKind::Symmetric, NatKind::Symmetric); }},
      {"the provider did not accept the connection",
       [&] {
         world_->broker_filter = [](const std::string& subject, const Bytes&) {
           return subject.find("exchange-ack") == std::string::npos;
         };
       }},
      {"the provider did not get ready",
       [&] {
         world_->broker_filter = [](const std::string& subject, const Bytes&) {
           return subject.find("handlers-ready") == std::string::npos;
         };
       }},
  };
  for (const auto& [reason, make_trouble] : troubles) {
    SCOPED_TRACE(reason);
    make(6, NatKind::None, NatKind::None);
    make_trouble();
    EXPECT_TRUE(world_->run(seconds{21}, [&] { return over(); }));
    world_->run_actions();
    ASSERT_EQ(consumer_->failures.size(), 1u);
    EXPECT_EQ(consumer_->failures[0].reason, reason);
    EXPECT_EQ(world_->open_sockets(*consumer_), 0u);
    EXPECT_TRUE(consumer_->routes.empty());
    EXPECT_TRUE(consumer_->subscriptions.empty());
    EXPECT_FALSE(consumer_->dial->next_timeout().has_value());
    // And the provider forgets what did not come to an end.
    (void)world_->run(seconds{61}, [&] { return provider_->listener->exchanges() == 0; });
    EXPECT_EQ(provider_->listener->exchanges(), 0u);
    EXPECT_EQ(world_->open_sockets(*provider_), 2 * provider_->ends.size());
  }
}

TEST_F(Dial, ALostReadyOrAckIsTriedAgainWithFreshKeys) {
  for (const char* lost : {"handlers-ready", "exchange-ack", "config-exchange"}) {
    SCOPED_TRACE(lost);
    make(7, NatKind::PortRestricted, NatKind::None);
    int seen = 0;
    world_->broker_filter = [&](const std::string& subject, const Bytes&) {
      return subject.find(lost) == std::string::npos || ++seen > 1;
    };
    ASSERT_TRUE(world_->run(seconds{20}, [&] { return !consumer_->ends.empty(); }));
    auto& end = *consumer_->ends[0];
    (void)end.opened.channel->request(world_->now, "t", as_bytes("hi"), seconds{10});
    ASSERT_TRUE(world_->run(seconds{10}, [&] { return !end.answers.empty(); }));
    EXPECT_EQ(end.answers[0], "hi");
    EXPECT_EQ(world_->open_sockets(*consumer_), 2u);
    EXPECT_EQ(consumer_->routes.size(), 1u);
  }
}

TEST_F(Dial, AReadyForAnotherConsumerDoesNotStopTheHandshake) {
  // Somebody else's "ready" every 5 ms, and a path that loses the OK_ACKs often.
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    make(seed, NatKind::PortRestricted, NatKind::FullCone,
         {40, 0, milliseconds{20}, milliseconds{0}, 8});
    provider_->facts.port_check_servers.clear();
    bool punching = false;
    for (int i = 0; i < 1500 && !punching; ++i) {
      world_->publish(ready_subject(provider_key_.address(), "wireguard"), "", {});
      (void)world_->run(milliseconds{5}, [] { return false; });
      punching = std::count(consumer_->log.begin(), consumer_->log.end(), "send") > 0;
    }
    ASSERT_TRUE(punching);
    ASSERT_TRUE(world_->run(seconds{20}, [&] { return opened_both(); }));
  }
}

TEST_F(Dial, AnIpv6PublicAddressFailsWithAReason) {
  make(8, NatKind::None, NatKind::None);
  consumer_->facts.public_ip = *IpAddress::parse("2001:db8::1");
  EXPECT_TRUE(world_->run(seconds{1}, [&] { return over(); }));
  ASSERT_EQ(consumer_->failures.size(), 1u);
  EXPECT_EQ(consumer_->failures[0].reason, "own public address is not an IPv4 address");
}

TEST_F(Dial, CancelGivesEverythingBack) {
  for (const milliseconds when :
       {milliseconds{0}, milliseconds{7}, milliseconds{40}, milliseconds{70}}) {
    make(8, NatKind::None, NatKind::PortRestricted);
    provider_->facts.port_check_servers.clear();
    (void)world_->run(when, [] { return false; });
    consumer_->dial->cancel(world_->now);
    world_->run_actions();
    EXPECT_TRUE(over());
    EXPECT_EQ(consumer_->failures.size(), 1u);
    EXPECT_EQ(world_->open_sockets(*consumer_), 0u);
    EXPECT_TRUE(consumer_->routes.empty());
  }
}

TEST_F(Dial, ManyConsumersAtOnce) {
  make(9, NatKind::None, NatKind::FullCone, {5, 0, milliseconds{15}, milliseconds{10}, 8});
  provider_->facts.port_check_servers.clear();
  std::vector<LocalSigner> signers;
  for (int i = 0; i < 15; ++i) signers.push_back(LocalSigner::make(keys_));
  std::vector<DialWorld::Node*> consumers = {consumer_};
  for (std::size_t i = 0; i < signers.size(); ++i) {
    const auto nat = i % 2 == 0 ? NatKind::PortRestricted : NatKind::Symmetric;
    consumers.push_back(
        &world_->add_consumer(IpAddress::v4(198, 51, 101, static_cast<std::uint8_t>(i + 1)), nat,
                              signers[i], provider_key_.address()));
  }
  ASSERT_TRUE(world_->run(seconds{20}, [&] {
    for (const auto* node : consumers) {
      if (node->ends.empty()) return false;
    }
    return provider_->ends.size() == consumers.size();
  }));
  for (auto* node : consumers) {
    auto& end = *node->ends[0];
    (void)end.opened.channel->request(world_->now, "t", as_bytes(node->name), seconds{20});
  }
  ASSERT_TRUE(world_->run(seconds{20}, [&] {
    for (const auto* node : consumers) {
      if (node->ends[0]->answers.empty()) return false;
    }
    return true;
  }));
  for (const auto* node : consumers) EXPECT_EQ(node->ends[0]->answers[0], node->name);
}

TEST_F(Dial, BehindTheSamePublicAddressTheyMeetOnLoopback) {
  world_ = std::make_unique<DialWorld>(10, DialWorld::Path{});
  ProviderListener::Config config;
  config.service_type = "wireguard";
  provider_ = &world_->add_provider(kProviderIp, NatKind::None, provider_key_, config);
  consumer_ =
      &world_->add_consumer(kConsumerIp, NatKind::None, consumer_key_, provider_key_.address());
  consumer_->host = provider_->host;  // one machine
  consumer_->facts = provider_->facts;
  ASSERT_TRUE(world_->run(seconds{20}, [&] { return opened_both(); }));
  EXPECT_TRUE(consumer_->ends[0]->opened.channel_path.peer.ip.is_loopback());
  EXPECT_TRUE(consumer_->routes.empty());
}

TEST_F(Dial, UpnpPortsAreDirectAndBelongToTheOwner) {
  // The router's mapping makes the ports reachable: a full cone whose outside is the inside.
  make(11, NatKind::None, NatKind::None);
  world_->nodes.clear();
  ProviderListener::Config config;
  config.service_type = "wireguard";
  config.traversal = {Traversal::Upnp, Traversal::HolePunching};
  provider_ =
      &world_->add_provider(IpAddress::v4(203, 0, 113, 77), NatKind::None, provider_key_, config);
  provider_->map_ports = {};
  consumer_ = &world_->add_consumer(IpAddress::v4(198, 51, 100, 77), NatKind::None, consumer_key_,
                                    provider_key_.address());
  ASSERT_TRUE(world_->run(seconds{20}, [&] { return opened_both(); }));
  EXPECT_TRUE(provider_->ends[0]->opened.direct);
  EXPECT_TRUE(provider_->ends[0]->opened.ports_mapped);
  EXPECT_EQ(provider_->mapped, 1u);
}

TEST_F(Dial, WithoutARouterToAskItPunches) {
  make(12, NatKind::None, NatKind::None);
  world_->nodes.clear();
  ProviderListener::Config config;
  config.service_type = "wireguard";
  config.traversal = {Traversal::Upnp, Traversal::HolePunching};
  provider_ = &world_->add_provider(IpAddress::v4(203, 0, 113, 78), NatKind::FullCone,
                                    provider_key_, config);
  consumer_ = &world_->add_consumer(IpAddress::v4(198, 51, 100, 78), NatKind::None, consumer_key_,
                                    provider_key_.address());
  ASSERT_TRUE(world_->run(seconds{20}, [&] { return opened_both(); }));
  EXPECT_FALSE(provider_->ends[0]->opened.direct);
  EXPECT_EQ(provider_->mapped, 0u);
}

// ------------------------------------------------------------------------------ hostile parties

TEST_F(Dial, AnswerSignedByAnotherIdentityIsRefused) {
  make(13, NatKind::None, NatKind::None);
  // Somebody else answers on the provider's subject.
  world_->nodes.front()->listener = std::make_unique<ProviderListener>(
      ProviderListener::Config{"wireguard", {Traversal::HolePunching}, 1, seconds{60}},
      consumer_key_, world_->rng);
  provider_->listener->start(world_->now);
  world_->run_actions();
  provider_->subscriptions[1] = exchange_subject(provider_key_.address(), "wireguard");
  EXPECT_TRUE(world_->run(seconds{20}, [&] { return over(); }));
  ASSERT_EQ(consumer_->failures.size(), 1u);
  EXPECT_EQ(consumer_->failures[0].error.code, Errc::Unauthorized);
}

TEST_F(Dial, ReplaysAndForeignAcksDoNotEndADial) {
  make(14, NatKind::None, NatKind::FullCone);
  provider_->facts.port_check_servers.clear();
  const LocalSigner stranger = LocalSigner::make(keys_);
  bool inside = false;
  world_->broker_filter = [&](const std::string& subject, const Bytes& payload) {
    if (inside || subject.find("p2p-config-exchange") == std::string::npos) return true;
    inside = true;
    // The same message again, the same key under another name, and an ack of a stranger first.
    const auto received = open_message(payload);
    world_->publish(subject, "_INBOX.stranger1", payload);
    world_->publish(subject, "_INBOX.stranger2", *make_message(stranger, received->key, {}));
    world_->publish(ack_subject(provider_key_.address(), "wireguard"), "_INBOX.stranger3",
                    *make_message(stranger, received->key, Bytes(80)));
    inside = false;
    return true;
  };
  ASSERT_TRUE(world_->run(seconds{20}, [&] { return opened_both(); }));
  EXPECT_LT(world_->now - DialWorld::kStart, seconds{1});
}

TEST_F(Dial, FloodsOfExchangesAreBoundedAndLeaveRoomForOthers) {
  make(15, NatKind::None, NatKind::FullCone);
  provider_->facts.port_check_servers.clear();
  for (int i = 0; i < 200; ++i) {
    const LocalSigner stranger = LocalSigner::make(keys_);
    const auto keys = x25519::make_pair(keys_);
    world_->publish(exchange_subject(provider_key_.address(), "wireguard"), "_INBOX.flood",
                    *make_message(stranger, keys.public_key, {}));
    // One who never comes back with an ack, again and again.
    const auto more = x25519::make_pair(keys_);
    world_->publish(exchange_subject(provider_key_.address(), "wireguard"), "_INBOX.flood",
                    *make_message(consumer_key_, more.public_key, {}));
  }
  std::size_t most_sockets = 0;
  ASSERT_TRUE(world_->run(seconds{20}, [&] {
    most_sockets = std::max(most_sockets, world_->open_sockets(*provider_));
    return opened_both();
  }));
  EXPECT_LE(provider_->listener->exchanges(), ProviderListener::kMaxExchanges);
  EXPECT_LE(most_sockets, ProviderListener::kMaxExchanges * 21);
}

TEST_F(Dial, GarbageOnEverySubjectIsIgnored) {
  make(16, NatKind::None, NatKind::None);
  for (int i = 0; i < 200; ++i) {
    Bytes noise(world_->rng.below(300));
    world_->rng.fill(noise);
    provider_->listener->handle_broker_message(world_->now, static_cast<std::uint32_t>(1 + i % 3),
                                               "_INBOX.x", noise);
  }
  EXPECT_EQ(provider_->listener->exchanges(), 0u);
  ASSERT_TRUE(world_->run(seconds{20}, [&] { return opened_both(); }));
}

}  // namespace
}  // namespace myst::core
