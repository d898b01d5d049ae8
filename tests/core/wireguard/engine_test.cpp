#include "core/wireguard/engine.hpp"

#include <gtest/gtest.h>

#include "tests/support/wireguard_node.hpp"

namespace myst::core::wireguard {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::ip_packet;
using test::WireguardNode;

// Two devices and a network that loses only what a test takes out of it.
class Pair : public testing::Test {
 protected:
  Pair() {
    peer_b = &a.add_peer(b, "10.0.0.2/32", true);
    peer_a = &b.add_peer(a, "10.0.0.1/32", false);
  }
  // Carries datagrams until both are silent.
  void carry() {
    for (bool moved = true; moved;) {
      moved = false;
      for (auto [from, to] : {std::pair(&a, &b), std::pair(&b, &a)}) {
        auto out = std::exchange(from->outbox, {});
        for (auto& datagram : out) {
          moved = true;
          to->receive(now, datagram.from, std::move(datagram.bytes));
        }
      }
    }
  }
  // Time goes on; timers run when they are due, datagrams are carried when `connected`.
  void pass(Duration time, bool connected = true) {
    const Instant end = now.instant + time;
    for (int steps = 0; steps < 10000; ++steps) {
      const auto next = earliest(a.engine().next_timeout(), b.engine().next_timeout());
      if (!next || *next > end) break;
      if (*next > now.instant) set_time(*next);
      a.run_timers(now);
      b.run_timers(now);
      if (connected) carry();
    }
    set_time(end);
  }
  void set_time(Instant at) {
    now.wall += std::chrono::duration_cast<milliseconds>(at - now.instant);
    now.instant = at;
  }
  void send_a(std::string_view text) { a.send(now, ip_packet("10.0.0.1", "10.0.0.2", text)); }
  void send_b(std::string_view text) { b.send(now, ip_packet("10.0.0.2", "10.0.0.1", text)); }
  static std::size_t count_type(const WireguardNode& node, std::uint8_t type) {
    std::size_t n = 0;
    for (const auto& datagram : node.outbox) n += datagram.bytes[0] == type ? 1 : 0;
    return n;
  }

  Now now{Instant{seconds{1000}}, WallTime{milliseconds{1700000000000}}};
  WireguardNode a{1, "192.0.2.1:1001"}, b{2, "192.0.2.2:1002"};
  Engine::Peer *peer_b = nullptr, *peer_a = nullptr;
};

TEST_F(Pair, TheFirstPacketBeginsTheHandshakeAndArrives) {
  send_a("hello");
  ASSERT_EQ(a.outbox.size(), 1u);
  EXPECT_EQ(a.outbox[0].bytes.size(), kInitiationSize);
  carry();
  ASSERT_EQ(b.inbox.size(), 1u);
  EXPECT_EQ(b.inbox[0], ip_packet("10.0.0.1", "10.0.0.2", "hello"));
  ASSERT_EQ(a.events.size(), 1u);
  ASSERT_EQ(b.events.size(), 1u);
  EXPECT_FALSE(a.events[0].had_session);
  EXPECT_EQ(b.events[0].peer, a.key());
  send_b("world");
  carry();
  ASSERT_EQ(a.inbox.size(), 1u);
}

TEST_F(Pair, CountersCountWholeMessagesOnBothSides) {
  send_a("hello");
  carry();
  send_b("world");
  carry();
  // Initiation, and the staged packet of 25 bytes padded to 32 with 32 around it.
  EXPECT_EQ(peer_b->path->tx_bytes.load(), kInitiationSize + 64);
  EXPECT_EQ(peer_a->path->rx_bytes.load(), kInitiationSize + 64);
  EXPECT_EQ(peer_a->path->tx_bytes.load(), kResponseSize + 64);
  EXPECT_EQ(peer_b->path->rx_bytes.load(), kResponseSize + 64);
}

TEST_F(Pair, AResponderWaitsForTheFirstPacketBeforeItSends) {
  send_a("x");
  auto initiation = std::exchange(a.outbox, {});
  b.receive(now, a.endpoint, initiation[0].bytes);
  send_b("too early");
  EXPECT_EQ(count_type(b, 4), 0u);
  carry();
  // The initiator's first data confirms; the packet that waited follows.
  ASSERT_EQ(a.inbox.size(), 1u);
}

TEST_F(Pair, InitiationsAreRepeatedUntilTheAttemptTimeIsOver) {
  send_a("anybody?");
  pass(seconds{80}, false);
  const std::size_t at_80 = count_type(a, 1);
  EXPECT_GE(at_80, 15u);
  EXPECT_LE(at_80, 17u);
  pass(seconds{120}, false);
  const std::size_t given_up = count_type(a, 1);
  EXPECT_GE(given_up, 18u);
  EXPECT_LE(given_up, 21u);
  EXPECT_TRUE(peer_b->staged.empty());
  pass(seconds{600}, false);
  EXPECT_EQ(count_type(a, 1), given_up);
  EXPECT_FALSE(a.engine().next_timeout());
  send_a("again");
  EXPECT_EQ(count_type(a, 1), given_up + 1);
}

TEST_F(Pair, AfterALinkWasDownTheFirstPacketBeginsAtOnce) {
  send_a("hello");
  carry();
  ASSERT_EQ(b.inbox.size(), 1u);
  set_time(now.instant + seconds{1});
  a.engine().reset_sessions();
  EXPECT_FALSE(a.engine().next_timeout());
  set_time(now.instant + seconds{1});
  send_a("again");
  EXPECT_EQ(count_type(a, 1), 1u);
  carry();
  EXPECT_EQ(b.inbox.size(), 2u);
}

TEST_F(Pair, TheAnswerToTheConfirmingPacketUsesTheNewKey) {
  send_a("hello");
  carry();
  a.engine().reset_sessions();  // a has no older session the answer could come in
  set_time(now.instant + seconds{1});
  send_a("again");
  for (WireguardNode* to : {&b, &a}) {
    auto& from = to == &a ? b : a;
    auto out = std::exchange(from.outbox, {});
    ASSERT_EQ(out.size(), 1u);
    to->receive(now, from.endpoint, out[0].bytes);
  }
  b.loop_is_late = true;
  for (auto& datagram : std::exchange(a.outbox, {})) b.receive(now, a.endpoint, datagram.bytes);
  EXPECT_EQ(b.inbox.size(), 2u);
  send_b("answer");
  for (auto& datagram : std::exchange(b.outbox, {})) a.receive(now, b.endpoint, datagram.bytes);
  EXPECT_EQ(a.inbox.size(), 1u);
  b.loop_is_late = false;
  b.settle(now);
  EXPECT_EQ(b.events.size(), 2u);
}

TEST_F(Pair, EveryInitiationIsNew) {
  send_a("x");
  pass(seconds{20}, false);
  ASSERT_GE(a.outbox.size(), 2u);
  EXPECT_EQ(a.outbox[1].bytes, a.outbox[0].bytes);  // the first one's twin
  a.outbox.erase(a.outbox.begin());
  for (std::size_t i = 1; i < a.outbox.size(); ++i) {
    EXPECT_NE(a.outbox[i].bytes, a.outbox[i - 1].bytes);
  }
  // All of them are acceptable in order, none twice.
  auto sent = std::exchange(a.outbox, {});
  ASSERT_GE(sent.size(), 3u);
  for (auto& datagram : sent) {
    b.receive(now, datagram.from, datagram.bytes);
    EXPECT_TRUE(b.last_status.ok());
    set_time(now.instant + milliseconds{30});
    b.receive(now, datagram.from, datagram.bytes);
    EXPECT_EQ(b.last_status.error().code, Errc::Rejected);
  }
}

TEST_F(Pair, OurOwnClockSetBackDoesNotLookLikeAReplay) {
  send_a("x");
  carry();
  now.wall -= std::chrono::hours{5};
  pass(seconds{130});
  send_a("y");
  carry();
  EXPECT_EQ(a.events.size(), 2u);
  EXPECT_EQ(b.inbox.size(), 2u);
}

TEST_F(Pair, TheInitiatorRenewsAKeyThatIsTwoMinutesOld) {
  send_a("1");
  carry();
  pass(seconds{119});
  send_a("2");
  carry();
  EXPECT_EQ(a.events.size(), 1u);
  pass(seconds{2});
  send_a("3");
  carry();
  ASSERT_EQ(a.events.size(), 2u);
  EXPECT_TRUE(a.events[1].had_session);
  EXPECT_EQ(b.inbox.size(), 3u);
}

TEST_F(Pair, TheResponderDoesNotRenewByAge) {
  send_a("1");
  carry();
  set_time(now.instant + seconds{150});
  send_b("down");
  EXPECT_EQ(count_type(b, 4), 1u);
  EXPECT_EQ(count_type(b, 1), 0u);
}

TEST_F(Pair, AnInitiatorThatOnlyReceivesRenewsBeforeTheEnd) {
  send_a("1");
  carry();
  set_time(now.instant + seconds{164});
  send_b("down");
  carry();
  EXPECT_EQ(a.events.size(), 1u);
  set_time(now.instant + seconds{2});
  send_b("down");
  carry();
  EXPECT_EQ(a.events.size(), 2u);
}

TEST_F(Pair, ADeadKeySendsNothing) {
  send_a("1");
  carry();
  a.outbox.clear();
  pass(seconds{181}, false);
  a.outbox.clear();
  send_a("2");
  EXPECT_EQ(count_type(a, 4), 0u);
  EXPECT_EQ(count_type(a, 1), 1u);
}

TEST_F(Pair, AKeepaliveAnswersDataThatHasNoAnswer) {
  send_a("question");
  carry();
  b.outbox.clear();
  pass(milliseconds{9900}, false);
  EXPECT_EQ(count_type(b, 4), 0u);
  pass(milliseconds{200}, false);
  ASSERT_EQ(count_type(b, 4), 1u);
  EXPECT_EQ(b.outbox.back().bytes.size(), kTransportOverhead);
  pass(seconds{60}, false);
  EXPECT_EQ(count_type(b, 4), 1u);  // a keepalive does not ask for another
}

TEST_F(Pair, DataDuringTheWaitIsAnsweredOnceMore) {
  send_a("1");
  carry();
  pass(seconds{5});
  send_a("2");
  carry();
  a.outbox.clear();
  b.outbox.clear();
  pass(seconds{6}, false);
  EXPECT_EQ(count_type(b, 4), 1u);
  pass(seconds{10}, false);
  EXPECT_EQ(count_type(b, 4), 2u);
  pass(seconds{60}, false);
  EXPECT_EQ(count_type(b, 4), 2u);
}

TEST_F(Pair, SilenceAfterDataBeginsANewHandshake) {
  send_a("1");
  carry();
  send_b("2");
  carry();
  set_time(now.instant + seconds{20});
  send_a("lost");
  a.outbox.clear();
  pass(milliseconds{14900}, false);
  EXPECT_EQ(count_type(a, 1), 0u);
  pass(milliseconds{500}, false);
  EXPECT_EQ(count_type(a, 1), 1u);
}

TEST_F(Pair, PersistentKeepaliveOpensTheSessionAndKeepsIt) {
  a.engine().set_keepalive(now.instant, *peer_b, 18);
  pass(milliseconds{1});
  EXPECT_EQ(a.events.size(), 1u);
  const auto before = peer_b->path->tx_bytes.load();
  pass(seconds{18 * 4 + 1});
  EXPECT_EQ(peer_b->path->tx_bytes.load(), before + 4 * kTransportOverhead);
  // It goes on for ever, with a new session every two minutes.
  pass(seconds{600});
  EXPECT_GE(a.events.size(), 5u);
  a.engine().set_keepalive(now.instant, *peer_b, 0);
  pass(seconds{600});
  EXPECT_FALSE(a.engine().next_timeout());
  EXPECT_FALSE(b.engine().next_timeout());
}

TEST_F(Pair, WithoutTrafficEverythingComesToRestAndKeysAreForgotten) {
  send_a("1");
  carry();
  EXPECT_TRUE(peer_b->current);
  pass(seconds{540});
  EXPECT_FALSE(peer_b->current);
  EXPECT_FALSE(peer_a->current);
  EXPECT_FALSE(a.engine().next_timeout());
  EXPECT_FALSE(b.engine().next_timeout());
}

TEST_F(Pair, OneLostDatagramOfAFirstHandshakeCostsLittle) {
  send_a("1");
  a.outbox.clear();  // lost
  pass(milliseconds{249});
  EXPECT_TRUE(b.inbox.empty());
  pass(milliseconds{1});
  EXPECT_EQ(b.inbox.size(), 1u);
  pass(seconds{1});
  EXPECT_EQ(a.events.size(), 1u);
  EXPECT_EQ(b.events.size(), 1u);
}

TEST_F(Pair, OneLostResponseOfAFirstHandshakeCostsLittle) {
  send_a("1");
  b.receive(now, a.endpoint, std::exchange(a.outbox, {})[0].bytes);
  ASSERT_EQ(count_type(b, 2), 1u);
  b.outbox.clear();  // lost
  pass(milliseconds{250});
  EXPECT_EQ(b.inbox.size(), 1u);
}

TEST_F(Pair, OnlyAFirstHandshakeHasTwins) {
  send_a("1");
  carry();
  pass(seconds{400});
  a.outbox.clear();
  send_a("2");
  EXPECT_EQ(count_type(a, 1), 1u);
  pass(seconds{4}, false);
  EXPECT_EQ(count_type(a, 1), 1u);
}

TEST_F(Pair, UnderLoadACookieIsAskedForAndGiven) {
  send_a("1");
  auto first = std::exchange(a.outbox, {});
  b.receive(now, a.endpoint, first[0].bytes, true);
  EXPECT_EQ(b.last_status.error().code, Errc::Rejected);
  ASSERT_EQ(b.outbox.size(), 1u);
  EXPECT_EQ(b.outbox[0].bytes.size(), kCookieReplySize);
  auto reply = std::exchange(b.outbox, {});
  a.receive(now, b.endpoint, reply[0].bytes);
  EXPECT_TRUE(a.last_status.ok());
  EXPECT_TRUE(a.outbox.empty());  // the cookie is for the next attempt
  pass(seconds{6}, false);
  auto second = std::exchange(a.outbox, {});
  ASSERT_EQ(second.size(), 1u);
  b.receive(now, a.endpoint, second[0].bytes, true);
  EXPECT_TRUE(b.last_status.ok());
  EXPECT_EQ(count_type(b, 2), 1u);
}

TEST_F(Pair, ThePeerIsFollowedWhereItRoams) {
  send_a("1");
  carry();
  const Endpoint elsewhere = *Endpoint::parse("203.0.113.9:777");
  a.endpoint = elsewhere;
  send_a("2");
  carry();
  send_b("3");
  ASSERT_EQ(b.outbox.size(), 1u);
  EXPECT_EQ(b.outbox[0].to, elsewhere);
}

TEST_F(Pair, BothMayBeginAtOnce) {
  b.engine().set_endpoint(*peer_a, a.endpoint);
  send_a("a1");
  send_b("b1");
  carry();
  pass(seconds{20});
  EXPECT_EQ(a.inbox.size(), 1u);
  EXPECT_EQ(b.inbox.size(), 1u);
  send_a("a2");
  send_b("b2");
  carry();
  EXPECT_EQ(a.inbox.size(), 2u);
  EXPECT_EQ(b.inbox.size(), 2u);
}

// As after a sleep of both machines: none has heard of the other's when it begins.
TEST_F(Pair, InitiationsThatCrossCostNoTime) {
  send_a("first");
  carry();
  set_time(now.instant + seconds{300});
  a.inbox.clear();
  b.inbox.clear();
  send_a("x");
  send_b("y");
  EXPECT_EQ(count_type(a, 1), 1u);
  EXPECT_EQ(count_type(b, 1), 1u);
  while (!a.outbox.empty() || !b.outbox.empty()) {
    auto from_a = std::exchange(a.outbox, {}), from_b = std::exchange(b.outbox, {});
    for (auto& datagram : from_a) b.receive(now, datagram.from, std::move(datagram.bytes));
    for (auto& datagram : from_b) a.receive(now, datagram.from, std::move(datagram.bytes));
  }
  EXPECT_EQ(a.inbox.size(), 1u);
  EXPECT_EQ(b.inbox.size(), 1u);
  // And whichever of the two sessions each uses, the other goes on hearing it.
  for (int i = 0; i < 5; ++i) {
    set_time(now.instant + seconds{1});
    send_a("more");
    send_b("more");
    carry();
  }
  EXPECT_EQ(a.inbox.size(), 6u);
  EXPECT_EQ(b.inbox.size(), 6u);
}

TEST_F(Pair, PresharedKeysMustAgree) {
  const Secret<32> key(ByteArray<32>{7});
  a.engine().set_preshared_key(*peer_b, key);
  send_a("1");
  carry();
  EXPECT_TRUE(a.events.empty());
  b.engine().set_preshared_key(*peer_a, key);
  pass(seconds{6});
  EXPECT_EQ(a.events.size(), 1u);
  EXPECT_EQ(b.inbox.size(), 1u);
}

TEST_F(Pair, APacketFromAForeignInnerAddressIsDropped) {
  send_a("1");
  carry();
  a.send(now, ip_packet("10.0.0.99", "10.0.0.2", "spoofed"));
  carry();
  EXPECT_EQ(b.inbox.size(), 1u);
}

TEST_F(Pair, ReplayedTransportMessagesAreDropped) {
  send_a("1");
  carry();
  send_a("2");
  ASSERT_EQ(a.outbox.size(), 1u);
  const Bytes message = a.outbox[0].bytes;
  carry();
  b.receive(now, a.endpoint, message);
  EXPECT_EQ(b.replays, 1u);
  EXPECT_EQ(b.inbox.size(), 2u);
}

TEST_F(Pair, OnlySixteenPacketsWaitAndTheOldestGo) {
  for (int i = 0; i < 40; ++i) send_a("packet " + std::to_string(i));
  EXPECT_EQ(peer_b->staged.size(), Engine::kMaxStaged);
  carry();
  ASSERT_EQ(b.inbox.size(), Engine::kMaxStaged);
  EXPECT_EQ(b.inbox[0], ip_packet("10.0.0.1", "10.0.0.2", "packet 24"));
}

TEST_F(Pair, ANewPrivateKeyEndsAllSessions) {
  send_a("1");
  carry();
  test::SeededRng rng(99);
  a.engine().set_private_key(x25519::make_clamped_key(rng));
  a.settle(now);
  EXPECT_FALSE(peer_b->current);
  send_a("2");
  carry();
  EXPECT_EQ(b.inbox.size(), 1u);  // b does not know this key
}

TEST_F(Pair, RemovedPeersAreForgotten) {
  send_a("1");
  carry();
  b.engine().remove_peer(a.key());
  b.settle(now);
  send_a("2");
  carry();
  EXPECT_EQ(b.inbox.size(), 1u);
  EXPECT_TRUE(b.engine().peers().empty());
  EXPECT_FALSE(b.engine().next_timeout());
}

TEST_F(Pair, AnAllowedIpBelongsToOnePeer) {
  WireguardNode c{3, "192.0.2.3:1003"};
  Engine::Peer& peer_c = a.add_peer(c, "10.0.0.2/32", true);
  EXPECT_TRUE(peer_b->allowed_ips.empty());
  EXPECT_EQ(peer_c.allowed_ips.size(), 1u);
  send_a("1");
  ASSERT_EQ(a.outbox.size(), 1u);
  EXPECT_EQ(a.outbox[0].to, c.endpoint);
}

TEST_F(Pair, OurOwnKeyIsNoPeer) {
  EXPECT_EQ(a.engine().add_peer(a.key()).error().code, Errc::Rejected);
}

TEST_F(Pair, AfterARestartOfTheResponderTrafficComesBack) {
  send_a("1");
  carry();
  b.restart();
  peer_a = &b.add_peer(a, "10.0.0.1/32", false);
  send_a("lost");
  carry();
  pass(seconds{16});
  send_a("3");
  carry();
  EXPECT_EQ(a.events.size(), 2u);
  ASSERT_FALSE(b.inbox.empty());
  EXPECT_EQ(b.inbox.back(), ip_packet("10.0.0.1", "10.0.0.2", "3"));
}

TEST_F(Pair, ALongSuspendCostsOneHandshakeNotMany) {
  send_a("1");
  carry();
  a.engine().set_keepalive(now.instant, *peer_b, 18);
  pass(seconds{60});
  a.outbox.clear();
  set_time(now.instant + std::chrono::hours{8});
  a.run_timers(now);
  EXPECT_LE(a.outbox.size(), 2u);
  EXPECT_EQ(count_type(a, 1), 1u);
  carry();
  send_a("awake");
  carry();
  EXPECT_EQ(b.inbox.back(), ip_packet("10.0.0.1", "10.0.0.2", "awake"));
}

}  // namespace
}  // namespace myst::core::wireguard
