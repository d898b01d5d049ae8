#include "core/dialog/exchange.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "core/crypto/box.hpp"
#include "tests/core/dialog/scripted_rng.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core::dialog {
namespace {

using test::array_of;
using test::bytes_of;

LocalSigner signer_of(json::Value identity) {
  return *LocalSigner::from_key(Secret<32>(array_of<32>(identity["private_key"])));
}

pb::P2PConnectConfig config_of(json::Value v) {
  pb::P2PConnectConfig config;
  config.public_ip = v["publicIP"].string_or("");
  config.compatibility = static_cast<std::int32_t>(v["compatibility"].i64_or(0));
  for (const auto port : v["ports"]) {
    config.ports.push_back(static_cast<std::int32_t>(*port.value.i64()));
  }
  return config;
}

TEST(Exchange, MessagesOfTheVectorsByteForByte) {
  const auto file = test::vectors("p2p.json");
  const json::Value root = file.root();
  const json::Value steps = root["config_exchange"];
  const LocalSigner consumer = signer_of(root["identities"]["consumer"]);
  const LocalSigner provider = signer_of(root["identities"]["provider"]);
  const Secret<32> secret_c(array_of<32>(root["p2p_keys"]["consumer"]["private"]));
  const Secret<32> secret_p(array_of<32>(root["p2p_keys"]["provider"]["private"]));
  const x25519::PublicKey key_c = x25519::public_key(secret_c);
  const x25519::PublicKey key_p = x25519::public_key(secret_p);
  EXPECT_EQ(to_hex(key_c), root["p2p_keys"]["consumer"]["public_hex"].string_or(""));

  const json::Value step1 = steps["step1_consumer_request"];
  EXPECT_EQ(exchange_subject(provider.address(), "wireguard"), step1["nats_subject"].string_or(""));
  EXPECT_EQ(to_hex(*make_message(consumer, key_c, {})), step1["wire"].string_or(""));

  const auto check = [&](json::Value step, const LocalSigner& from, const Secret<32>& from_secret,
                         const x25519::PublicKey& from_key, const Secret<32>& to_secret,
                         const x25519::PublicKey& to_key) {
    test::ScriptedRng rng;
    rng.add(bytes_of(step["nonce"]));
    const pb::P2PConnectConfig config = config_of(step["connect_config"]);
    EXPECT_EQ(to_hex(config.encode()), step["connect_config_plain"].string_or(""));
    const auto sealed = seal_config(from_secret, to_key, rng, config);
    ASSERT_TRUE(sealed.ok());
    EXPECT_EQ(to_hex(*sealed), step["config_ciphertext"].string_or(""));
    const auto message = make_message(from, from_key, *sealed);
    EXPECT_EQ(to_hex(*message), step["wire"].string_or(""));
    const auto received = open_message(*message);
    ASSERT_TRUE(received.ok());
    EXPECT_EQ(received->signer, from.address());
    EXPECT_EQ(received->key, from_key);
    const auto opened = open_config(to_secret, received->key, received->config_ciphertext);
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(opened->ports, config.ports);
  };
  check(steps["step2_provider_reply"], provider, secret_p, key_p, secret_c, key_c);
  const json::Value step3 = steps["step3_consumer_ack"];
  check(step3, consumer, secret_c, key_c, secret_p, key_p);
  EXPECT_EQ(ack_subject(provider.address(), "wireguard"), step3["nats_subject"].string_or(""));

  const json::Value step5 = steps["step5_handlers_ready"];
  EXPECT_EQ(ready_subject(provider.address(), "wireguard"),
            step5["consumer_subscribes"].string_or(""));
  pb::P2PChannelHandlersReady ready;
  ready.value.assign(pb::kHandlersReady);
  EXPECT_EQ(to_hex(ready.encode()), step5["payload"].string_or(""));
}

TEST(Exchange, PublicKeysAsTheReferenceDecodesThem) {
  const auto file = test::vectors("p2p_channel.json");
  for (const auto item : file.root()["public_key_decode"]["cases"]) {
    EXPECT_EQ(decode_public_key(item.value["text"].string_or("")).ok(),
              item.value["accepted"].boolean_or(false))
        << item.value["text"].string_or("");
  }
  EXPECT_TRUE(
      decode_public_key(
          test::vectors("p2p.json").root()["p2p_keys"]["decode_test"]["hex_utf8"].string_or(""))
          .ok());
}

TEST(Exchange, AlteredMessagesAreRefusedOrNameAnotherSigner) {
  test::SeededRng rng(3);
  const LocalSigner signer = LocalSigner::make(rng);
  const auto keys = x25519::make_pair(rng);
  const Bytes good = *make_message(signer, keys.public_key, Bytes(60, 1));
  ASSERT_TRUE(open_message(good).ok());
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= 0x10;
    const auto received = open_message(bad);
    if (received.ok() && received->signer == signer.address()) {
      // Only an unknown or unread part may change without a trace.
      EXPECT_EQ(received->key, keys.public_key) << i;
      EXPECT_EQ(received->config_ciphertext, Bytes(60, 1)) << i;
    }
  }
  EXPECT_FALSE(open_message(Bytes(kMaxMessage + 1)).ok());
  EXPECT_FALSE(open_message({}).ok());
}

TEST(Exchange, ShortCiphertextsAndForeignKeysAreRefused) {
  test::SeededRng rng(3);
  const auto a = x25519::make_pair(rng);
  const auto b = x25519::make_pair(rng);
  pb::P2PConnectConfig config;
  config.public_ip = "192.0.2.1";
  const Bytes sealed = *seal_config(a.secret, b.public_key, rng, config);
  EXPECT_TRUE(open_config(b.secret, a.public_key, sealed).ok());
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(open_config(b.secret, a.public_key, ByteSpan(sealed).first(size)).ok()) << size;
  }
  EXPECT_FALSE(open_config(a.secret, a.public_key, sealed).ok());
  EXPECT_FALSE(open_config(b.secret, x25519::PublicKey{}, sealed).ok());
}

TEST(Exchange, PeerAddresses) {
  const IpAddress mine = IpAddress::v4(203, 0, 113, 10);
  EXPECT_EQ(peer_address(mine, "198.51.100.20")->to_string(), "198.51.100.20");
  EXPECT_EQ(peer_address(mine, "203.0.113.10")->to_string(), "127.0.0.1");
  for (const char* text : {"", "x", "::1", "2001:db8::1", "127.0.0.1", "0.0.0.0", "0.1.2.3",
                           "224.0.0.1", "255.255.255.255", "192.168.1.1", "10.0.0.1"}) {
    EXPECT_FALSE(peer_address(mine, text).ok()) << text;
  }
  // In a network of private addresses everybody has one.
  EXPECT_EQ(peer_address(IpAddress::v4(10, 0, 0, 1), "10.0.1.1")->to_string(), "10.0.1.1");
}

TEST(Exchange, PortsOutOfRangeAreRefused) {
  pb::P2PConnectConfig config;
  config.ports = {1, 65535};
  EXPECT_TRUE(ports_of(config).ok());
  for (const std::int32_t bad : {0, -1, 65536}) {
    config.ports = {1000, bad};
    EXPECT_FALSE(ports_of(config).ok()) << bad;
  }
}

}  // namespace
}  // namespace myst::core::dialog
