#include "core/p2p/fec.hpp"

#include <gtest/gtest.h>

#include "core/base/endian.hpp"
#include "core/base/text.hpp"
#include "tests/support/support.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core {
namespace {

using test::bytes_of;

constexpr Instant kStart{};

std::vector<Bytes> list_of(json::Value list) {
  std::vector<Bytes> out;
  for (const auto item : list) out.push_back(bytes_of(item.value));
  return out;
}

std::vector<Bytes> feed(FecReceiver& receiver, const Bytes& body, Instant now = kStart) {
  return receiver.input(now, get_u32le(body), get_u16le(ByteSpan(body).subspan(4)) == 0xf2,
                        ByteSpan(body).subspan(6));
}

Bytes segments_of(const Bytes& data_body) { return Bytes(data_body.begin() + 8, data_body.end()); }

TEST(Fec, ParityOfTheVectorGroup) {
  const auto file = test::vectors("p2p.json");
  const json::Value group = file.root()["fec"]["group"];
  FecSender sender;
  for (Bytes body : list_of(group["data_bodies"])) {
    const Bytes expected = body;
    std::fill(body.begin(), body.begin() + 8, std::uint8_t{0});
    ASSERT_FALSE(sender.parity_due());
    sender.seal(body);
    EXPECT_EQ(to_hex(body), to_hex(expected));
  }
  for (const Bytes& expected : list_of(group["parity_bodies"])) {
    ASSERT_TRUE(sender.parity_due());
    Bytes out(1300);
    out.resize(sender.poll_parity(out));
    EXPECT_EQ(to_hex(out), to_hex(expected));
  }
  EXPECT_FALSE(sender.parity_due());
}

TEST(Fec, AnyThreeOfThirteenMayBeLost) {
  const auto file = test::vectors("p2p.json");
  const json::Value group = file.root()["fec"]["group"];
  const std::vector<Bytes> data = list_of(group["data_bodies"]);
  std::vector<Bytes> all = data;
  for (const Bytes& parity : list_of(group["parity_bodies"])) all.push_back(parity);
  for (std::size_t a = 0; a < 13; ++a) {
    for (std::size_t b = a; b < 13; ++b) {
      for (std::size_t c = b; c < 13; ++c) {
        FecReceiver receiver;
        std::vector<Bytes> rebuilt;
        for (std::size_t i = 0; i < 13; ++i) {
          if (i == a || i == b || i == c) continue;
          for (Bytes& piece : feed(receiver, all[i])) rebuilt.push_back(std::move(piece));
        }
        std::vector<Bytes> expected;
        for (const std::size_t lost : {a, b, c}) {
          if (lost < 10 && (expected.empty() || expected.back() != segments_of(data[lost]))) {
            expected.push_back(segments_of(data[lost]));
          }
        }
        ASSERT_EQ(rebuilt, expected) << a << ' ' << b << ' ' << c;
        // A complete or rebuilt group leaves nothing behind, late shards neither.
        ASSERT_EQ(receiver.packets(), 0u) << a << ' ' << b << ' ' << c;
      }
    }
  }
}

TEST(Fec, FourLostOfThirteenAreNotRebuilt) {
  const auto file = test::vectors("p2p.json");
  const json::Value group = file.root()["fec"]["group"];
  std::vector<Bytes> all = list_of(group["data_bodies"]);
  for (const Bytes& parity : list_of(group["parity_bodies"])) all.push_back(parity);
  FecReceiver receiver;
  for (std::size_t i = 4; i < 13; ++i) EXPECT_TRUE(feed(receiver, all[i]).empty());
  EXPECT_EQ(receiver.packets(), 9u);
}

TEST(Fec, KeepsABoundedNumberAndNothingForLong) {
  FecReceiver receiver;
  for (std::uint32_t group = 0; group < 100; ++group) {
    for (std::uint32_t i = 0; i < 5; ++i) {
      (void)receiver.input(kStart, group * 13 + i, false, Bytes(1200, 1));
    }
    EXPECT_LE(receiver.packets(), FecReceiver::kMaxPackets);
    EXPECT_LE(receiver.memory(), FecReceiver::kMaxBytes + 8192);
  }
  (void)receiver.input(kStart + std::chrono::seconds(61), 5000, false, Bytes(10));
  EXPECT_EQ(receiver.packets(), 1u);
  // A shard whose place does not fit its type, and the same shard again.
  (void)receiver.input(kStart + std::chrono::seconds(61), 5000 + 13, true, Bytes(10));
  (void)receiver.input(kStart + std::chrono::seconds(61), 5000, false, Bytes(10));
  EXPECT_EQ(receiver.packets(), 1u);
}

TEST(Fec, RebuildsWhatASenderMadeWhateverTheSizes) {
  test::SeededRng rng(7);
  FecSender sender;
  FecReceiver receiver;
  for (int round = 0; round < 50; ++round) {
    std::vector<Bytes> bodies;
    for (std::size_t i = 0; i < kFecData; ++i) {
      Bytes body(8 + 24 + rng.below(1229));
      rng.fill(body);
      sender.seal(body);
      bodies.push_back(body);
    }
    while (sender.parity_due()) {
      Bytes out(1300);
      out.resize(sender.poll_parity(out));
      bodies.push_back(out);
    }
    ASSERT_EQ(bodies.size(), kFecGroup);
    const std::size_t lost = rng.below(10);
    std::vector<Bytes> rebuilt;
    for (std::size_t i = 0; i < kFecGroup; ++i) {
      if (i == lost) continue;
      for (Bytes& piece : feed(receiver, bodies[i])) rebuilt.push_back(std::move(piece));
    }
    ASSERT_EQ(rebuilt.size(), 1u);
    EXPECT_EQ(rebuilt[0], segments_of(bodies[lost]));
  }
}

}  // namespace
}  // namespace myst::core
