// Replay window, allowed IPs, cookies, rate limiter, messages.
#include <gtest/gtest.h>

#include "core/wireguard/allowed_ips.hpp"
#include "core/wireguard/cookie.hpp"
#include "core/wireguard/messages.hpp"
#include "core/wireguard/replay_window.hpp"
#include "core/wireguard/shared_state.hpp"
#include "tests/support/support.hpp"

namespace myst::core::wireguard {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The sequence of the kernel module's self-test (drivers/net/wireguard/selftest/counter.c).
TEST(ReplayWindow, AcceptsEachCounterOnceWithinTheWindow) {
  constexpr std::uint64_t kLimit = kReplayWindow - 64 + 1;
  constexpr std::uint64_t kReject = kRejectAfterMessages;
  const std::pair<std::uint64_t, bool> steps[] = {{0, true},
                                                  {1, true},
                                                  {1, false},
                                                  {9, true},
                                                  {8, true},
                                                  {7, true},
                                                  {7, false},
                                                  {kLimit, true},
                                                  {kLimit - 1, true},
                                                  {kLimit - 1, false},
                                                  {kLimit - 2, true},
                                                  {2, true},
                                                  {2, false},
                                                  {kLimit + 16, true},
                                                  {3, false},
                                                  {kLimit + 16, false},
                                                  {kLimit * 4, true},
                                                  {kLimit * 4 - (kLimit - 1), true},
                                                  {10, false},
                                                  {kLimit * 4 - kLimit, false},
                                                  {kLimit * 4 - (kLimit + 1), false},
                                                  {kLimit * 4 - (kLimit - 2), true},
                                                  {kLimit * 4 + 1 - kLimit, false},
                                                  {0, false},
                                                  {kReject, false},
                                                  {kReject - 1, true},
                                                  {kReject, false},
                                                  {kReject - 1, false},
                                                  {kReject - 2, true},
                                                  {kReject + 1, false},
                                                  {kReject + 2, false},
                                                  {kReject - 2, false},
                                                  {kReject - 3, true},
                                                  {0, false}};
  ReplayWindow window;
  int n = 0;
  for (const auto& [counter, expected] : steps) {
    EXPECT_EQ(window.accept(counter), expected) << "step " << n << " counter " << counter;
    ++n;
  }
}

TEST(ReplayWindow, WholeWindowBackwardsIsAcceptedOnce) {
  ReplayWindow window;
  constexpr std::uint64_t kTop = 100000, kReach = kReplayWindow - 64;
  for (std::uint64_t i = 0; i <= kReach; ++i) ASSERT_TRUE(window.accept(kTop - i)) << i;
  for (std::uint64_t i = 0; i <= kReach; ++i) ASSERT_FALSE(window.accept(kTop - i)) << i;
  EXPECT_FALSE(window.accept(kTop - kReach - 1));
}

std::uint32_t find(const PrefixTrie& trie, const std::string& text) {
  const IpAddress ip = *IpAddress::parse(text);
  return ip.is_v6() ? trie.find_v6(ip.bytes().data()) : trie.find_v4(ip.bytes().data());
}

TEST(PrefixTrie, TheLongestPrefixWins) {
  PrefixTrie trie;
  trie.insert(*IpPrefix::parse("192.168.4.0/24"), 0);
  trie.insert(*IpPrefix::parse("192.168.4.4/32"), 1);
  trie.insert(*IpPrefix::parse("192.168.0.0/16"), 2);
  trie.insert(*IpPrefix::parse("0.0.0.0/0"), 3);
  trie.insert(*IpPrefix::parse("64.15.112.0/20"), 4);
  trie.insert(*IpPrefix::parse("10.1.0.4/30"), 5);
  trie.insert(*IpPrefix::parse("2607:5300:6001::/48"), 6);
  trie.insert(*IpPrefix::parse("2607:5300:6001:8bbf::/64"), 7);
  EXPECT_EQ(find(trie, "192.168.4.20"), 0u);
  EXPECT_EQ(find(trie, "192.168.4.4"), 1u);
  EXPECT_EQ(find(trie, "192.168.200.182"), 2u);
  EXPECT_EQ(find(trie, "192.169.0.1"), 3u);
  EXPECT_EQ(find(trie, "64.15.116.26"), 4u);
  EXPECT_EQ(find(trie, "64.15.128.1"), 3u);
  EXPECT_EQ(find(trie, "10.1.0.7"), 5u);
  EXPECT_EQ(find(trie, "10.1.0.8"), 3u);
  EXPECT_EQ(find(trie, "2607:5300:6001::1"), 6u);
  EXPECT_EQ(find(trie, "2607:5300:6001:8bbf::1"), 7u);
  EXPECT_EQ(find(trie, "2607:5301::"), PrefixTrie::kNone);
  trie.insert(*IpPrefix::parse("192.168.4.0/24"), 9);
  EXPECT_EQ(find(trie, "192.168.4.20"), 9u);
}

TEST(PrefixTrie, AgreesWithALinearSearch) {
  test::SeededRng rng(7);
  for (int round = 0; round < 40; ++round) {
    PrefixTrie trie;
    std::vector<IpPrefix> prefixes;
    const bool v6 = round % 2 == 1;
    const auto random_ip = [&] {
      ByteArray<16> bytes{};
      // Few distinct bits, so that prefixes nest and collide.
      for (auto& byte : bytes) byte = rng.below(3) == 0 ? 0xa5 : 0;
      bytes[v6 ? 15 : 3] = static_cast<std::uint8_t>(rng.u64());
      if (v6) return IpAddress::v6(bytes);
      return IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3]);
    };
    for (std::uint32_t i = 0; i < 60; ++i) {
      const IpPrefix prefix{random_ip(), static_cast<std::uint8_t>(rng.below(v6 ? 129 : 33))};
      prefixes.push_back(prefix);
      trie.insert(prefix, i);
    }
    for (int probe = 0; probe < 200; ++probe) {
      const IpAddress ip = random_ip();
      std::uint32_t expected = PrefixTrie::kNone;
      int best = -1;
      for (std::uint32_t i = 0; i < prefixes.size(); ++i) {
        // Equal prefixes: the later one has replaced the earlier.
        if (prefixes[i].network().contains(ip) && int{prefixes[i].length} >= best) {
          best = prefixes[i].length;
          expected = i;
        }
      }
      ASSERT_EQ(find(trie, ip.to_string()), expected) << ip.to_string();
    }
  }
}

TEST(Cookie, ASenderThatShowsItsCookieIsKnownByItsAddress) {
  test::SeededRng rng(1);
  const auto device = x25519::make_pair(rng);
  const auto secret = device.secret;
  CookieChecker checker(device.public_key);
  CookieStore store(device.public_key);
  const Endpoint home = *Endpoint::parse("198.51.100.7:5000");
  const Instant start{seconds{1000}};
  Bytes message(kInitiationSize, 3);
  store_le32(message.data(), 1);
  store.add_macs(start, message);
  EXPECT_TRUE(mac1_valid(checker.mac1_key(), message));
  EXPECT_FALSE(checker.mac2_valid(start, home, message));
  const auto reply = checker.make_reply(start, home, message, rng);
  ASSERT_TRUE(store.consume_reply(start, reply).ok());
  EXPECT_FALSE(store.consume_reply(start, reply).ok());  // one reply a message
  store.add_macs(start + seconds{1}, message);
  EXPECT_TRUE(checker.mac2_valid(start + seconds{1}, home, message));
  EXPECT_FALSE(
      checker.mac2_valid(start + seconds{1}, *Endpoint::parse("198.51.100.7:5001"), message));
  EXPECT_FALSE(
      checker.mac2_valid(start + seconds{1}, *Endpoint::parse("198.51.100.8:5000"), message));
  EXPECT_FALSE(checker.mac2_valid(start + seconds{121}, home, message));
  // An old cookie is not shown: it would be wrong.
  store.add_macs(start + seconds{116}, message);
  EXPECT_EQ(ByteSpan(message).subspan(132)[0], 0);
}

TEST(Cookie, ItIsSeenWhoShowsOne) {
  Bytes message(kInitiationSize);
  message[0] = 1;
  EXPECT_FALSE(has_mac2(message));
  message[kInitiationSize - 1] = 1;
  EXPECT_TRUE(has_mac2(message));
  message[kInitiationSize - 1] = 0;
  message[kInitiationSize - 17] = 1;  // mac1
  EXPECT_FALSE(has_mac2(message));
  EXPECT_FALSE(has_mac2(Bytes(kCookieReplySize, 3)));
  EXPECT_FALSE(has_mac2({}));
}

TEST(Cookie, AReplyForAnotherMessageIsRejected) {
  test::SeededRng rng(2);
  const auto device = x25519::make_pair(rng);
  CookieChecker checker(device.public_key);
  CookieStore store(device.public_key);
  Bytes message(kInitiationSize, 1), other(kInitiationSize, 2);
  store.add_macs(Instant{}, other);
  const auto reply = checker.make_reply(Instant{}, {}, other, rng);
  store.add_macs(Instant{}, message);
  EXPECT_FALSE(store.consume_reply(Instant{}, reply).ok());
}

TEST(RateLimiter, TwentyASecondAndFiveAtOnce) {
  RateLimiter limiter;
  const IpAddress a = *IpAddress::parse("192.0.2.1"), b = *IpAddress::parse("192.0.2.2");
  Instant now{seconds{50}};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(limiter.allow(now, a)) << i;
  EXPECT_FALSE(limiter.allow(now, a));
  EXPECT_TRUE(limiter.allow(now, b));
  EXPECT_TRUE(limiter.allow(now + milliseconds{50}, a));
  EXPECT_FALSE(limiter.allow(now + milliseconds{60}, a));
  // A /64 of IPv6 is one source.
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(limiter.allow(now, *IpAddress::parse("2001:db8::" + std::to_string(i))));
  }
  EXPECT_FALSE(limiter.allow(now, *IpAddress::parse("2001:db8::ffff:1")));
  EXPECT_TRUE(limiter.allow(now, *IpAddress::parse("2001:db8:0:1::1")));
}

TEST(RateLimiter, RefusesMoreSourcesThanItHasRoomForAndForgetsOldOnes) {
  RateLimiter limiter;
  const Instant now{seconds{50}};
  for (std::uint32_t i = 0; i < RateLimiter::kMaxSources; ++i) {
    ASSERT_TRUE(limiter.allow(now, IpAddress::v4(0x0a000000u + i)));
  }
  EXPECT_FALSE(limiter.allow(now, IpAddress::v4(0x0b000000u)));
  EXPECT_TRUE(limiter.allow(now + seconds{3}, IpAddress::v4(0x0b000000u)));
}

TEST(Messages, TypeAndSizeMustFit) {
  const auto typed = [](std::uint32_t type, std::size_t size) {
    Bytes message(size);
    if (size >= 4) store_le32(message.data(), type);
    return message_type(message);
  };
  EXPECT_EQ(typed(1, 148), MessageType::Initiation);
  EXPECT_EQ(typed(2, 92), MessageType::Response);
  EXPECT_EQ(typed(3, 64), MessageType::Cookie);
  EXPECT_EQ(typed(4, 32), MessageType::Transport);
  EXPECT_EQ(typed(4, 31), std::nullopt);
  EXPECT_EQ(typed(1, 149), std::nullopt);
  EXPECT_EQ(typed(5, 64), std::nullopt);
  EXPECT_EQ(typed(0x101, 148), std::nullopt);  // a reserved byte is set
  EXPECT_EQ(typed(1, 3), std::nullopt);
}

TEST(Messages, PaddingNeverPassesTheMtu) {
  EXPECT_EQ(padded_size(0, 1420), 0u);
  EXPECT_EQ(padded_size(1, 1420), 16u);
  EXPECT_EQ(padded_size(1408, 1420), 1408u);
  EXPECT_EQ(padded_size(1409, 1420), 1420u);
  EXPECT_EQ(padded_size(1420, 1420), 1420u);
  EXPECT_EQ(padded_size(1500, 1420), 1500u);  // larger than the MTU: as it is
  EXPECT_EQ(padded_size(1420, 0), 1424u);
}

TEST(SharedAddress, GivesBackWhatWasStored) {
  SharedAddress shared;
  EXPECT_FALSE(shared.load());
  PathAddress v6{*Endpoint::parse("[fe80::1]:9"), IpAddress::parse("fe80::2").value(), 4};
  const std::uint32_t before = shared.version();
  shared.store(v6);
  EXPECT_NE(shared.version(), before);
  EXPECT_EQ(*shared.load(), v6);
  shared.forget_source();
  EXPECT_FALSE(shared.load()->local);
  EXPECT_EQ(shared.load()->interface_index, 4u);  // a link-local peer is of one link
  PathAddress v4{*Endpoint::parse("192.0.2.1:65535"), IpAddress::v4(10, 0, 0, 1), 0};
  shared.store(v4);
  EXPECT_EQ(*shared.load(), v4);
  shared.store(std::nullopt);
  EXPECT_FALSE(shared.load());
}

}  // namespace
}  // namespace myst::core::wireguard
