#include "core/p2p/packet.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "core/crypto/box.hpp"
#include "tests/support/support.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core {
namespace {

using test::array_of;
using test::bytes_of;

TEST(Packet, KeyIsTheBoxPrecomputationFromEitherSide) {
  const auto file = test::vectors("p2p.json");
  const json::Value keys = file.root()["p2p_keys"];
  const Secret<32> consumer(array_of<32>(keys["consumer"]["private"]));
  const Secret<32> provider(array_of<32>(keys["provider"]["private"]));
  const Secret<32> expected(array_of<32>(keys["shared_key_beforenm"]));
  EXPECT_TRUE(*box_precompute(consumer, array_of<32>(keys["provider"]["public_hex"])) == expected);
  EXPECT_TRUE(*box_precompute(provider, array_of<32>(keys["consumer"]["public_hex"])) == expected);
}

TEST(Packet, SealsAndOpensByteForByte) {
  const auto file = test::vectors("p2p.json");
  const json::Value kcp = file.root()["kcp"];
  const Secret<32> key(array_of<32>(kcp["key"]));
  for (const auto item : kcp["packets"]) {
    const Bytes body = bytes_of(item.value["body"]);
    Bytes packet(kPacketHeader);
    packet.insert(packet.end(), body.begin(), body.end());
    seal_packet(key, array_of<16>(item.value["nonce"]), packet);
    EXPECT_EQ(to_hex(packet), item.value["datagram"].string_or(""));
    std::array<std::uint8_t, kMaxReceivedDatagram> buffer;
    const auto opened = open_packet(key, packet, buffer);
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(to_hex(*opened), to_hex(body));
  }
}

TEST(Packet, RefusesWhatIsAlteredShortLongOrOfAnotherKey) {
  test::SeededRng rng(1);
  const Secret<32> key(rng.bytes<32>());
  Bytes packet(100, 7);
  seal_packet(key, rng, packet);
  std::array<std::uint8_t, kMaxReceivedDatagram> buffer;
  EXPECT_TRUE(open_packet(key, packet, buffer).ok());
  EXPECT_FALSE(open_packet(Secret<32>(rng.bytes<32>()), packet, buffer).ok());
  for (std::size_t i = 0; i < packet.size(); ++i) {
    if (i >= 8 && i < 16) continue;  // the filler half of the nonce is covered by nothing
    Bytes other = packet;
    other[i] ^= 1;
    EXPECT_FALSE(open_packet(key, other, buffer).ok()) << i;
  }
  EXPECT_EQ(open_packet(key, as_bytes("OK_ACK"), buffer).error().code, Errc::Malformed);
  EXPECT_EQ(open_packet(key, Bytes(1501), buffer).error().code, Errc::Malformed);
}

}  // namespace
}  // namespace myst::core
