#include "core/wireguard/noise.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "core/crypto/aead.hpp"
#include "core/wireguard/cookie.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core::wireguard {
namespace {

// Gives out one prepared ephemeral key.
class KeyRng final : public Rng {
 public:
  explicit KeyRng(const ByteArray<32>& key) : key_(key) {}
  void fill(MutableByteSpan out) override {
    ASSERT_EQ(out.size(), key_.size());
    std::copy(key_.begin(), key_.end(), out.begin());
  }

 private:
  ByteArray<32> key_;
};

Secret<32> secret_of(json::Value hex) { return Secret<32>(test::array_of<32>(hex)); }

std::uint32_t index_of(json::Value hex) {
  const auto bytes = test::array_of<4>(hex);
  return load_le32(bytes.data());
}

json::Value entry(const json::Document& document, int which) {
  int i = 0;
  for (const json::Member member : document.root()["handshakes"]) {
    if (i++ == which) return member.value;
  }
  return {};
}

class NoiseVectors : public testing::TestWithParam<int> {};

TEST_P(NoiseVectors, BothSidesMakeTheKnownMessagesAndKeys) {
  const json::Document document = test::vectors("wireguard_handshake.json");
  const json::Value v = entry(document, GetParam());
  const Identity initiator = Identity::from(secret_of(v["initiator_static"]));
  const Identity responder = Identity::from(secret_of(v["responder_static"]));
  EXPECT_EQ(initiator.public_key, test::array_of<32>(v["initiator_public"]));
  Remote to_responder, to_initiator;
  to_responder.public_key = responder.public_key;
  to_initiator.public_key = initiator.public_key;
  to_responder.preshared_key = to_initiator.preshared_key = secret_of(v["psk"]);
  to_responder.static_static = *x25519::shared(initiator.private_key, responder.public_key);
  to_initiator.static_static = *x25519::shared(responder.private_key, initiator.public_key);

  const WallTime wall{std::chrono::milliseconds{v["unix_ms"].i64_or(0)}};
  const Timestamp timestamp = tai64n(wall);
  EXPECT_EQ(timestamp, test::array_of<12>(v["timestamp"]));
  KeyRng initiator_rng(test::array_of<32>(v["initiator_ephemeral"]));
  HandshakeState state;
  ByteArray<kInitiationSize> initiation;
  ASSERT_TRUE(create_initiation(initiator, to_responder, timestamp, index_of(v["initiator_index"]),
                                initiator_rng, state, initiation)
                  .ok());
  CookieStore macs(responder.public_key);
  macs.add_macs(Instant{}, initiation);
  EXPECT_EQ(to_hex(initiation), v["initiation"].string_or(""));

  HandshakeState theirs;
  const auto sender = open_initiation_sender(responder, initiation, theirs);
  ASSERT_TRUE(sender.ok());
  EXPECT_EQ(*sender, initiator.public_key);
  const auto said = open_initiation_timestamp(to_initiator, initiation, theirs);
  ASSERT_TRUE(said.ok());
  EXPECT_EQ(*said, timestamp);
  KeyRng responder_rng(test::array_of<32>(v["responder_ephemeral"]));
  ByteArray<kResponseSize> response;
  const auto responder_keys = create_response(to_initiator, index_of(v["responder_index"]),
                                              responder_rng, theirs, response);
  ASSERT_TRUE(responder_keys.ok());
  CookieStore response_macs(initiator.public_key);
  response_macs.add_macs(Instant{}, response);
  EXPECT_EQ(to_hex(response), v["response"].string_or(""));

  const auto initiator_keys = consume_response(initiator, to_responder, response, state);
  ASSERT_TRUE(initiator_keys.ok());
  EXPECT_EQ(to_hex(initiator_keys->send.bytes()), v["initiator_sends"].string_or(""));
  EXPECT_EQ(to_hex(initiator_keys->receive.bytes()), v["responder_sends"].string_or(""));
  EXPECT_TRUE(initiator_keys->send == responder_keys->receive);
  EXPECT_TRUE(initiator_keys->receive == responder_keys->send);

  Bytes plain = test::bytes_of(v["transport_plain"]);
  Bytes message(plain.size() + kTransportOverhead);
  const auto counter = static_cast<std::uint64_t>(v["transport_counter"].i64_or(0));
  write_transport_header(message.data(), index_of(v["responder_index"]), counter);
  std::copy(plain.begin(), plain.end(), message.begin() + kTransportHeaderSize);
  BulkAead aead(BulkAead::Direction::Seal);
  ASSERT_TRUE(aead.set_key(initiator_keys->send));
  ASSERT_TRUE(aead.seal(counter, MutableByteSpan(message).subspan(kTransportHeaderSize)));
  EXPECT_EQ(to_hex(message), v["transport"].string_or(""));
}

INSTANTIATE_TEST_SUITE_P(All, NoiseVectors, testing::Values(0, 1));

TEST(Noise, AnyFlippedBitOfAnInitiationIsRejected) {
  const json::Document document = test::vectors("wireguard_handshake.json");
  const json::Value v = entry(document, 1);
  const Identity responder = Identity::from(secret_of(v["responder_static"]));
  Remote remote;
  remote.public_key = test::array_of<32>(v["initiator_public"]);
  remote.static_static = *x25519::shared(responder.private_key, remote.public_key);
  const Bytes good = test::bytes_of(v["initiation"]);
  const Digest32 key = mac1_key(responder.public_key);
  ASSERT_TRUE(mac1_valid(key, good));
  for (std::size_t bit = 0; bit < (good.size() - 16) * 8; bit += 5) {
    Bytes bad = good;
    bad[bit / 8] = static_cast<std::uint8_t>(bad[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_FALSE(mac1_valid(key, bad)) << bit;
    // The bytes the hash does not cover are those of type and sender index.
    if (bit / 8 < 8 || bit / 8 >= 116) continue;
    HandshakeState state;
    const auto sender = open_initiation_sender(responder, bad, state);
    const bool accepted = sender.ok() && *sender == remote.public_key &&
                          open_initiation_timestamp(remote, bad, state).ok();
    // The top bit of an X25519 public key is ignored in the product but not in the hash.
    EXPECT_FALSE(accepted) << bit;
  }
}

TEST(Noise, ResponseForAnotherPresharedKeyIsRejected) {
  const json::Document document = test::vectors("wireguard_handshake.json");
  const json::Value v = entry(document, 1);
  const Identity initiator = Identity::from(secret_of(v["initiator_static"]));
  Remote remote;
  remote.public_key = test::array_of<32>(v["responder_public"]);
  remote.static_static = *x25519::shared(initiator.private_key, remote.public_key);
  KeyRng rng(test::array_of<32>(v["initiator_ephemeral"]));
  HandshakeState state;
  ByteArray<kInitiationSize> initiation;
  ASSERT_TRUE(create_initiation(initiator, remote, test::array_of<12>(v["timestamp"]),
                                index_of(v["initiator_index"]), rng, state, initiation)
                  .ok());
  const Bytes response = test::bytes_of(v["response"]);
  EXPECT_FALSE(consume_response(initiator, remote, response, state).ok());
  remote.preshared_key = secret_of(v["psk"]);
  EXPECT_TRUE(consume_response(initiator, remote, response, state).ok());
}

TEST(Noise, TimestampsGrowAndAreCoarse) {
  const WallTime at{std::chrono::milliseconds{1700000000999}};
  const Timestamp first = tai64n(at);
  EXPECT_EQ(first, tai64n(at + std::chrono::milliseconds{0}));
  EXPECT_LT(first, tai64n(at + std::chrono::milliseconds{17}));
  EXPECT_LT(first, next_timestamp(first));
  Timestamp last = first;
  for (int i = 0; i < 200; ++i) {
    const Timestamp next = next_timestamp(last);
    EXPECT_LT(last, next);
    EXPECT_LT(load_le32(next.data() + 8) & 0xff, 60u);  // nanoseconds stay below a second
    last = next;
  }
}

TEST(Noise, APublicKeyOfLowOrderMakesNoHandshake) {
  const json::Document document = test::vectors("wireguard_handshake.json");
  const json::Value v = entry(document, 0);
  const Identity self = Identity::from(secret_of(v["initiator_static"]));
  Remote remote;  // all zero: a low-order point, and no shared secret
  KeyRng rng(test::array_of<32>(v["initiator_ephemeral"]));
  HandshakeState state;
  ByteArray<kInitiationSize> initiation;
  EXPECT_FALSE(create_initiation(self, remote, Timestamp{}, 1, rng, state, initiation).ok());
}

}  // namespace
}  // namespace myst::core::wireguard
