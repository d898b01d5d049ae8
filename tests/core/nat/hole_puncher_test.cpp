#include "core/nat/hole_puncher.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "core/base/text.hpp"
#include "tests/support/vectors.hpp"
#include "tests/support/virtual_net.hpp"

namespace myst::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::NatKind;
using test::VirtualNet;
using Role = HolePuncher::Role;

constexpr Instant kStart{};
const IpAddress kConsumerIp = IpAddress::v4(198, 51, 100, 20);
const IpAddress kProviderIp = IpAddress::v4(203, 0, 113, 10);

HolePuncher::Config config(Role role, std::size_t count = 4) {
  HolePuncher::Config c;
  c.role = role;
  c.peer = role == Role::Consumer ? kProviderIp : kConsumerIp;
  for (std::size_t i = 0; i < count; ++i) {
    c.remote_ports.push_back(
        static_cast<std::uint16_t>((role == Role::Consumer ? 20000 : 31000) + i));
  }
  return c;
}

std::vector<std::pair<std::size_t, std::string>> sent_by(HolePuncher& p) {
  std::vector<std::pair<std::size_t, std::string>> out;
  while (const auto t = p.poll_transmit())
    out.emplace_back(t->index, std::string(as_text(t->payload())));
  return out;
}

TEST(HolePuncher, PingsOfTheVectorsWithTheirTtl) {
  const auto file = test::vectors("p2p.json");
  const json::Value pinger = file.root()["pinger"];
  HolePuncher consumer(config(Role::Consumer), kStart);
  EXPECT_TRUE(sent_by(consumer).empty());  // the first ping goes out after one interval
  EXPECT_EQ(consumer.next_timeout(), kStart + milliseconds{5});
  consumer.handle_timeout(kStart + milliseconds{5});
  const auto first = consumer.poll_transmit();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(to_hex(first->payload()), pinger["ping_from_consumer"]["payload"].string_or(""));
  EXPECT_EQ(first->to.to_string(), pinger["ping_from_consumer"]["to"].string_or(""));
  EXPECT_EQ(first->ttl, 128);
  for (const auto& [key, initial] :
       {std::pair<const char*, std::uint8_t>{"initial_1_ports_20", 1}, {"initial_2_ports_20", 2}}) {
    std::size_t i = 0;
    for (const auto ttl : pinger["provider_ttl_by_port_index"][key]) {
      EXPECT_EQ(HolePuncher::provider_ttl(initial, i++, 20), *ttl.value.i64()) << key << i;
    }
    EXPECT_EQ(i, 20u);
  }
}

TEST(HolePuncher, PingsOfTheRecordedRunHaveTheirTtl) {
  const auto file = test::vectors("p2p_channel.json");
  for (const auto item : file.root()["run"]["hole_punching"]["ping_counts"]) {
    EXPECT_EQ(
        HolePuncher::provider_ttl(1, static_cast<std::size_t>(*item.value["index"].i64()), 20),
        *item.value["ttl"].i64());
  }
}

TEST(HolePuncher, ConsumerFollowsTheReferenceProvidersSteps) {
  HolePuncher consumer(config(Role::Consumer), kStart);
  const Endpoint from2{kProviderIp, 20002};
  consumer.handle_datagram(kStart, 2, from2,
                           as_bytes("continuously pinging to 198.51.100.20:31002"));
  EXPECT_EQ(sent_by(consumer), (std::vector<std::pair<std::size_t, std::string>>{{2, "OK"}}));
  // Further pings change nothing; the provider's OK makes it usable and is answered at once.
  consumer.handle_datagram(kStart, 2, from2,
                           as_bytes("continuously pinging to 198.51.100.20:31002"));
  EXPECT_TRUE(sent_by(consumer).empty());
  consumer.handle_datagram(kStart, 2, from2, as_bytes("OK"));
  EXPECT_EQ(sent_by(consumer), (std::vector<std::pair<std::size_t, std::string>>{{2, "OK_ACK"}}));
  EXPECT_FALSE(consumer.pair().has_value());
  // An OK straight to a pinging socket answers our ping.
  consumer.handle_datagram(kStart, 0, {kProviderIp, 23456}, as_bytes("OK"));
  ASSERT_TRUE(consumer.pair().has_value());
  EXPECT_EQ(consumer.pair()->channel.index, 0u);  // sorted by index, not by arrival
  EXPECT_EQ(consumer.pair()->channel.peer.port, 23456);
  EXPECT_EQ(consumer.pair()->service.index, 2u);
  EXPECT_EQ(sent_by(consumer), (std::vector<std::pair<std::size_t, std::string>>{{0, "OK_ACK"}}));
}

TEST(HolePuncher, ConsumerRepeatsOkAckThreeTimesAndThenIsSilent) {
  HolePuncher consumer(config(Role::Consumer), kStart);
  consumer.handle_datagram(kStart, 0, {kProviderIp, 20000}, as_bytes("OK"));
  consumer.handle_datagram(kStart, 1, {kProviderIp, 20001}, as_bytes("OK"));
  EXPECT_EQ(sent_by(consumer).size(), 2u);
  std::size_t acks = 0;
  Instant last = kStart;
  while (const auto next = consumer.next_timeout()) {
    last = *next;
    consumer.handle_timeout(last);
    for (const auto& [index, text] : sent_by(consumer)) {
      EXPECT_EQ(text, "OK_ACK");
      ++acks;
    }
  }
  EXPECT_EQ(acks, 6u);
  EXPECT_EQ(last, kStart + milliseconds{300});
}

TEST(HolePuncher, ProviderRepeatsOkUntilOkAck) {
  HolePuncher provider(config(Role::Provider), kStart);
  const Endpoint from{kConsumerIp, 31001};
  provider.handle_datagram(kStart, 1, from, as_bytes("continuously pinging to x"));
  EXPECT_EQ(sent_by(provider).size(), 1u);
  provider.handle_datagram(kStart, 1, from, as_bytes("OK"));  // not what it waits for
  provider.handle_timeout(kStart + milliseconds{100});
  std::size_t oks = 0;
  for (const auto& [index, text] : sent_by(provider)) oks += text == "OK" ? 1 : 0;
  EXPECT_EQ(oks, 1u);
  provider.handle_datagram(kStart, 1, {kConsumerIp, 9}, as_bytes("OK_ACK"));  // another source
  provider.handle_datagram(kStart, 1, from, as_bytes("OK_ACK"));
  provider.handle_datagram(kStart, 1, from, as_bytes("OK_ACK"));
  EXPECT_FALSE(provider.pair().has_value());
  provider.handle_datagram(kStart, 3, {kConsumerIp, 5}, as_bytes("OK"));
  provider.handle_datagram(kStart, 3, {kConsumerIp, 5}, as_bytes("OK_ACK"));
  ASSERT_TRUE(provider.pair().has_value());
  EXPECT_EQ(provider.pair()->channel.index, 1u);
  EXPECT_EQ(provider.pair()->service.index, 3u);
  sent_by(provider);
  EXPECT_FALSE(provider.next_timeout().has_value());
}

TEST(HolePuncher, NoiseIsIgnoredWhilePinging) {
  HolePuncher consumer(config(Role::Consumer), kStart);
  for (const char* text : {"", "ok", "OK_ACK", "OK ", "continuously pinging", "\x01\x01"}) {
    consumer.handle_datagram(kStart, 0, {kProviderIp, 1}, as_bytes(text));
    EXPECT_EQ(consumer.heard(), 0u) << text;
  }
  consumer.handle_datagram(kStart, 99, {kProviderIp, 1}, as_bytes("OK"));
  EXPECT_EQ(consumer.heard(), 0u);
}

TEST(HolePuncher, OneOkOfAStrangerIsNotEnoughForTheConsumer) {
  HolePuncher consumer(config(Role::Consumer), kStart);
  const Endpoint stranger = *Endpoint::parse("192.0.2.66:1");
  consumer.handle_datagram(kStart, 0, stranger, as_bytes("OK"));
  consumer.handle_datagram(kStart, 1, stranger, as_bytes("OK"));
  EXPECT_FALSE(consumer.pair().has_value());
  // The provider may really answer from another address: then a second OK follows.
  consumer.handle_datagram(kStart, 0, stranger, as_bytes("OK"));
  consumer.handle_datagram(kStart, 1, {kProviderIp, 20001}, as_bytes("OK"));
  ASSERT_TRUE(consumer.pair().has_value());
  EXPECT_EQ(consumer.pair()->service.peer.ip, kProviderIp);
}

TEST(HolePuncher, AStrangerWhoSpeaksFirstGivesWayToThePeer) {
  HolePuncher provider(config(Role::Provider), kStart);
  provider.handle_datagram(kStart, 0, *Endpoint::parse("192.0.2.66:1"), as_bytes("OK"));
  provider.handle_datagram(kStart, 0, {kConsumerIp, 31000}, as_bytes("continuously pinging to "));
  provider.handle_datagram(kStart, 0, {kConsumerIp, 31000}, as_bytes("OK_ACK"));
  provider.handle_datagram(kStart, 1, {kConsumerIp, 31001}, as_bytes("OK"));
  provider.handle_datagram(kStart, 1, {kConsumerIp, 31001}, as_bytes("OK_ACK"));
  ASSERT_TRUE(provider.pair().has_value());
  EXPECT_EQ(provider.pair()->channel.peer.ip, kConsumerIp);
}

TEST(HolePuncher, GivesUpAfterTenSecondsAndThinsOutBefore) {
  HolePuncher provider(config(Role::Provider), kStart);
  std::size_t pings = 0;
  Instant now = kStart;
  while (const auto next = provider.next_timeout()) {
    ASSERT_GT(*next, now);
    now = *next;
    provider.handle_timeout(now);
    pings += sent_by(provider).size();
  }
  EXPECT_TRUE(provider.failed());
  EXPECT_EQ(now, kStart + seconds{10});
  EXPECT_GT(pings, 4u * 500);
  EXPECT_LT(pings, 4u * 600);
  HolePuncher one(config(Role::Consumer, 1), kStart);
  EXPECT_TRUE(one.failed());
}

// Both machines over the virtual internet. Published ports are what STUN would say: the mapped ones
// for a NAT with one mapping a socket, the local ones for a symmetric NAT.
struct Outcome {
  bool agreed = false;
  Duration time{};
};

Outcome punch(std::uint64_t seed, const VirtualNet::Path& path, NatKind consumer_nat,
              NatKind provider_nat, std::size_t count = 20) {
  VirtualNet net(seed, path);
  struct Side {
    std::size_t host = 0;
    std::vector<std::uint16_t> local;
    std::vector<std::uint16_t> published;
    std::unique_ptr<HolePuncher> puncher;
  };
  Side consumer, provider;
  consumer.host = net.add_host(kConsumerIp, consumer_nat);
  provider.host = net.add_host(kProviderIp, provider_nat);
  // A STUN server that tells each socket its mapped port.
  const std::size_t stun = net.add_host(IpAddress::v4(192, 0, 2, 1), NatKind::None);
  const auto prepare = [&](Side& side, NatKind nat, std::uint16_t base) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto port = static_cast<std::uint16_t>(base + i);
      side.local.push_back(port);
      side.published.push_back(port);
      net.bind(stun, 3478, [&side, i, nat](Instant, const Endpoint& from, ByteSpan) {
        if (nat != NatKind::Symmetric) side.published[i] = from.port;
      });
      // Lossless enough: repeated until it arrives.
      for (int n = 0; n < 40; ++n) {
        net.send(kStart, side.host, port, {IpAddress::v4(192, 0, 2, 1), 3478}, 0, as_bytes("?"));
      }
      net.deliver(kStart + seconds{5});
    }
  };
  prepare(consumer, consumer_nat, 31000);
  prepare(provider, provider_nat, 20000);
  Instant now = kStart + seconds{10};
  const Instant begin = now;
  HolePuncher::Config c = config(Role::Consumer);
  c.remote_ports = provider.published;
  HolePuncher::Config p = config(Role::Provider);
  p.remote_ports = consumer.published;
  provider.puncher = std::make_unique<HolePuncher>(p, now);
  const Instant consumer_start = now + milliseconds{60};
  for (Side* side : {&consumer, &provider}) {
    for (std::size_t i = 0; i < count; ++i) {
      net.bind(side->host, side->local[i],
               [side, i](Instant t, const Endpoint& from, ByteSpan bytes) {
                 if (side->puncher) side->puncher->handle_datagram(t, i, from, bytes);
               });
    }
  }
  Outcome outcome;
  for (int step = 0; step < 400000; ++step) {
    if (!consumer.puncher && now >= consumer_start) {
      consumer.puncher = std::make_unique<HolePuncher>(c, now);
    }
    for (Side* side : {&consumer, &provider}) {
      if (!side->puncher) continue;
      while (const auto t = side->puncher->poll_transmit()) {
        net.send(now, side->host, side->local[t->index], t->to, t->ttl, t->payload());
      }
    }
    const bool both = consumer.puncher && consumer.puncher->pair() && provider.puncher->pair();
    if (both) {
      outcome.time = now - begin;
      const auto& a = *consumer.puncher->pair();
      const auto& b = *provider.puncher->pair();
      outcome.agreed = a.channel.index == b.channel.index && a.service.index == b.service.index;
      return outcome;
    }
    std::optional<Instant> next = net.next_event();
    if (!consumer.puncher) next = earliest(next, consumer_start);
    for (Side* side : {&consumer, &provider}) {
      if (side->puncher) next = earliest(next, side->puncher->next_timeout());
    }
    if (!next) break;
    now = std::max(now, *next);
    net.deliver(now);
    for (Side* side : {&consumer, &provider}) {
      if (side->puncher) side->puncher->handle_timeout(now);
    }
  }
  return outcome;
}

TEST(HolePuncher, PairsThroughEveryKindOfNatThatCanBePassed) {
  const VirtualNet::Path path{0, 0, milliseconds{20}, milliseconds{5}, 8};
  const NatKind passable[][2] = {
      {NatKind::None, NatKind::None},
      {NatKind::FullCone, NatKind::FullCone},
      {NatKind::PortRestricted, NatKind::None},
      {NatKind::None, NatKind::PortRestricted},
      {NatKind::PortRestricted, NatKind::FullCone},
      {NatKind::PortRestricted, NatKind::PortRestricted},
      {NatKind::Symmetric, NatKind::None},
      {NatKind::Symmetric, NatKind::FullCone},
  };
  for (const auto& [consumer, provider] : passable) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const Outcome outcome = punch(seed, path, consumer, provider);
      EXPECT_TRUE(outcome.agreed) << int(consumer) << ' ' << int(provider) << " seed " << seed;
      // 60 ms until the consumer starts, and three one-way trips.
      EXPECT_LT(outcome.time, milliseconds{250});
    }
  }
}

TEST(HolePuncher, PairsOverALossyPath) {
  int agreed = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Outcome outcome = punch(seed, {30, 10, milliseconds{20}, milliseconds{40}, 8},
                                  NatKind::PortRestricted, NatKind::PortRestricted);
    agreed += outcome.agreed ? 1 : 0;
  }
  EXPECT_EQ(agreed, 20);
}

TEST(HolePuncher, TwoSymmetricNatsCannotBePassed) {
  EXPECT_FALSE(punch(1, {}, NatKind::Symmetric, NatKind::Symmetric, 4).agreed);
}

}  // namespace
}  // namespace myst::core
